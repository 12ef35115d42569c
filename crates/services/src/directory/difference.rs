//! The changes of an import, as lines for the operator. They show names and addresses, so they
//! never go to a log.

use std::collections::{HashMap, HashSet};
use std::fmt::Display;

use mymonit_model::{Description, ExperimentDetails, ExperimentId, ExperimentName, UserId};

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
        Change::Experiment(ExperimentChange::Add(id, ExperimentDetails { name, description, archived })) => {
            let id = id.map_or("with the next number".to_owned(), |id| id.to_string());
            let mut line = format!("+ experiment {id}: name {:?}", name.as_str());
            if *description != Description::default() {
                line.push_str(&format!(", description {:?}", description.as_str()));
            }
            if *archived {
                line.push_str(", archived");
            }
            line
        }
        Change::Experiment(ExperimentChange::Update(experiment)) => {
            let id = experiment.experiment_id;
            let stored = directory.experiments.iter().find(|stored| stored.experiment_id == id);
            let mut fields = Vec::new();
            if let Some(stored) = stored {
                compare("name", stored.name.as_str(), experiment.name.as_str(), &mut fields);
                let (old, new) = (stored.description.as_str(), experiment.description.as_str());
                compare("description", old, new, &mut fields);
                if stored.archived != experiment.archived {
                    fields.push(if experiment.archived { "archived" } else { "brought back" }.to_owned());
                }
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
        Change::AddSensor(experiment, name, description) => {
            let mut line = format!("+ sensor {:?} of {:?}", name.as_str(), experiment.as_str());
            if *description != Description::default() {
                line.push_str(&format!(": description {:?}", description.as_str()));
            }
            line
        }
        Change::DescribeSensor(experiment_id, name, description) => {
            let mut fields = Vec::new();
            if let Some(stored) = directory.sensor(*experiment_id, name) {
                compare("description", stored.description.as_str(), description.as_str(), &mut fields);
            }
            format!("~ sensor {:?} of experiment {experiment_id}: {}", name.as_str(), fields.join(", "))
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

/// Stored items missing from the document: listed for its sections, counted for absent sections.
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
    let names = names_in_document(document, directory);
    associations(&mut lines, document, directory, &names);
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
    sensors(&mut lines, document, directory, &names);
    lines
}

/// The names of stored experiments, as the document refers to them.
type Names<'a> = HashMap<ExperimentId, &'a ExperimentName>;

fn associations(lines: &mut Vec<String>, document: &Document, directory: &Directory, names: &Names<'_>) {
    let mentioned: Option<HashSet<(&ExperimentName, &UserId)>> =
        document.associations.as_ref().map(|items| {
            items
                .iter()
                .filter_map(|item| Some((item.experiment.as_ref()?, item.user_id.as_ref()?)))
                .collect()
        });
    let left = directory.associations.iter().filter_map(|(id, user_id)| {
        let name = *names.get(id)?;
        let is_mentioned = mentioned.as_ref().is_some_and(|mentioned| mentioned.contains(&(name, user_id)));
        (!is_mentioned).then(|| format!("association: {user_id} may read {:?}", name.as_str()))
    });
    section(lines, "associations", mentioned.is_some(), left);
}

fn sensors(lines: &mut Vec<String>, document: &Document, directory: &Directory, names: &Names<'_>) {
    let mentioned: Option<HashSet<_>> = document.sensors.as_ref().map(|items| {
        items.iter().filter_map(|item| Some((item.experiment.as_ref()?, item.name.as_ref()?))).collect()
    });
    let left = directory.sensors.iter().filter_map(|stored| {
        let experiment = *names.get(&stored.experiment_id)?;
        let is_mentioned =
            mentioned.as_ref().is_some_and(|mentioned| mentioned.contains(&(experiment, &stored.name)));
        (!is_mentioned).then(|| format!("sensor {:?} of {:?}", stored.name.as_str(), experiment.as_str()))
    });
    section(lines, "sensors", mentioned.is_some(), left);
}

/// The names that the document gives to stored experiments, or that they keep.
fn names_in_document<'a>(document: &'a Document, directory: &'a Directory) -> Names<'a> {
    let mut names: HashMap<_, _> =
        directory.experiments.iter().map(|each| (each.experiment_id, &each.name)).collect();
    for item in document.experiments.iter().flatten() {
        if let (Some(id), Some(name)) = (item.experiment_id, &item.name) {
            names.entry(id).and_modify(|known| *known = name);
        }
    }
    names
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
