//! What an import does, in lines for a person. They show names and addresses: they are for the operator, who has the
//! document, and never for a log.

use std::collections::HashSet;
use std::fmt::Display;

use mymonit_model::{ExperimentName, UserId};

use super::Directory;
use super::change::{Change, ExperimentChange};
use super::document::Document;

/// The lines of the changes (`+` and `~`), and then of what the document does not mention (`=`).
pub(super) fn lines(document: &Document, directory: &Directory, changes: &[Change]) -> Vec<String> {
    let changed = changes.iter().map(|change| line(change, directory));
    changed.chain(left_alone(document, directory)).collect()
}

fn line(change: &Change, directory: &Directory) -> String {
    match change {
        Change::AddUser(user) => format!(
            "+ user {}: {}, name {:?}, username {:?}, e-mail {:?}",
            user.user_id,
            user.role,
            user.name.reveal().as_str(),
            user.username.reveal().as_str(),
            user.email.reveal().as_str()
        ),
        Change::UpdateUser(user_id, profile) => {
            let stored = directory.users.iter().find(|user| user.user_id == *user_id);
            let mut fields = Vec::new();
            if let Some(stored) = stored {
                compare("name", stored.name.reveal().as_str(), profile.name.reveal().as_str(), &mut fields);
                let (old, new) = (stored.username.reveal(), profile.username.reveal());
                compare("username", old.as_str(), new.as_str(), &mut fields);
                compare(
                    "e-mail",
                    stored.email.reveal().as_str(),
                    profile.email.reveal().as_str(),
                    &mut fields,
                );
            }
            format!("~ user {user_id}: {}", fields.join(", "))
        }
        Change::AddErasedUser(erased) => {
            format!("+ erased user {}: {}, erased at {}", erased.user_id, erased.role, erased.erased_at)
        }
        Change::Experiment(ExperimentChange::Add(Some(id), name)) => {
            format!("+ experiment {id}: name {:?}", name.as_str())
        }
        Change::Experiment(ExperimentChange::Add(None, name)) => {
            format!("+ experiment with the next number: name {:?}", name.as_str())
        }
        Change::Experiment(ExperimentChange::Rename(experiment)) => {
            let id = experiment.experiment_id;
            let stored = directory.experiments.iter().find(|stored| stored.experiment_id == id);
            let mut fields = Vec::new();
            if let Some(stored) = stored {
                compare("name", stored.name.as_str(), experiment.name.as_str(), &mut fields);
            }
            format!("~ experiment {id}: {}", fields.join(", "))
        }
        Change::AddMeasureType(name, symbol, quantity) => {
            format!(
                "+ measure type {:?}: symbol {:?}, quantity {:?}",
                name.as_str(),
                symbol.as_str(),
                quantity.as_str()
            )
        }
        Change::Associate(experiment, user_id) => {
            format!("+ association: {user_id} may read {:?}", experiment.as_str())
        }
    }
}

fn compare(field: &str, old: &str, new: &str, fields: &mut Vec<String>) {
    if old != new {
        fields.push(format!("{field} {old:?} -> {new:?}"));
    }
}

/// What there is and the document does not mention: one by one where it has the section, by their number where not.
fn left_alone(document: &Document, directory: &Directory) -> Vec<String> {
    let mut lines = Vec::new();
    let users: Option<HashSet<&UserId>> =
        document.users.as_ref().map(|items| items.iter().filter_map(|item| item.user_id.as_ref()).collect());
    section(
        &mut lines,
        "users",
        users.is_some(),
        directory.users.iter().filter_map(|user| {
            let is_mentioned = users.as_ref().is_some_and(|users| users.contains(&user.user_id));
            (!is_mentioned).then(|| format!("user {}", user.user_id))
        }),
    );
    let experiments = document.experiments.as_ref();
    section(
        &mut lines,
        "experiments",
        experiments.is_some(),
        directory.experiments.iter().filter_map(|stored| {
            let is_mentioned = experiments.is_some_and(|items| {
                items.iter().any(|item| match item.experiment_id {
                    Some(id) => id == stored.experiment_id,
                    None => item.name.as_ref() == Some(&stored.name),
                })
            });
            (!is_mentioned)
                .then(|| format!("experiment {}: name {:?}", stored.experiment_id, stored.name.as_str()))
        }),
    );
    associations(&mut lines, document, directory);
    let types: Option<HashSet<_>> = document
        .measure_types
        .as_ref()
        .map(|items| items.iter().filter_map(|item| item.name.as_ref()).collect());
    section(
        &mut lines,
        "measure types",
        types.is_some(),
        directory.measure_types.iter().filter_map(|stored| {
            let is_mentioned = types.as_ref().is_some_and(|types| types.contains(&stored.name));
            (!is_mentioned).then(|| format!("measure type {:?}", stored.name.as_str()))
        }),
    );
    lines
}

fn associations(lines: &mut Vec<String>, document: &Document, directory: &Directory) {
    let mentioned: Option<HashSet<(&ExperimentName, &UserId)>> =
        document.associations.as_ref().map(|items| {
            items
                .iter()
                .filter_map(|item| Some((item.experiment.as_ref()?, item.user_id.as_ref()?)))
                .collect()
        });
    let left = directory.associations.iter().filter_map(|(id, user_id)| {
        let stored = directory.experiments.iter().find(|experiment| experiment.experiment_id == *id)?;
        // The document calls an experiment by the name that it gives it.
        let renamed = document.experiments.iter().flatten().find(|item| item.experiment_id == Some(*id));
        let name = renamed.and_then(|item| item.name.as_ref()).unwrap_or(&stored.name);
        let is_mentioned = mentioned.as_ref().is_some_and(|mentioned| mentioned.contains(&(name, user_id)));
        (!is_mentioned).then(|| format!("association: {user_id} may read {:?}", name.as_str()))
    });
    section(lines, "associations", mentioned.is_some(), left);
}

fn section(
    lines: &mut Vec<String>,
    name: &str,
    is_in_document: bool,
    left: impl Iterator<Item = impl Display>,
) {
    if is_in_document {
        lines.extend(left.map(|left| format!("= {left} is not in the document, and is left as it is")));
        return;
    }
    match left.count() {
        0 => {}
        count => lines.push(format!("= the document has no {name}; there are {count}, left as they are")),
    }
}
