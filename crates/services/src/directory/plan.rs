//! What an import would do: a document beside what there is.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use mymonit_model::{Experiment, ExperimentId, ExperimentName, Role, User};

use super::change::{Change, ExperimentChange};
use super::document::{AssociationItem, Document, ErasedUserItem, ExperimentItem, MeasureTypeItem, UserItem};
use super::fault::DocumentFault;
use super::{Directory, ErasedUser};
use crate::ports::UserProfile;
use crate::user_service::CANNOT_BE_CHANGED;

/// The greatest number that a document may give to an experiment. The system numbers the next one after the greatest,
/// so a greater one could leave it no numbers.
const MAX_GIVEN_ID: ExperimentId = ExperimentId::new(2_000_000_000);

/// The changes that make the directory what the document says, noting every mistake.
pub(super) fn changes(
    document: &Document,
    directory: &Directory,
    faults: &mut Vec<DocumentFault>,
) -> Vec<Change> {
    let mut plan = Plan { document, directory, faults, changes: Vec::new() };
    plan.erased_users();
    plan.users();
    plan.experiments();
    plan.measure_types();
    plan.associations();
    plan.changes
}

struct Plan<'a> {
    document: &'a Document,
    directory: &'a Directory,
    faults: &'a mut Vec<DocumentFault>,
    changes: Vec<Change>,
}

/// The items of a section with the paths of their places.
fn items<'d, T>(name: &'static str, section: &'d Option<Vec<T>>) -> impl Iterator<Item = (String, &'d T)> {
    section.iter().flatten().enumerate().map(move |(index, item)| (format!("{name}[{index}]"), item))
}

impl Plan<'_> {
    fn fault(&mut self, path: &str, field: &str, message: impl Into<String>) {
        self.faults.push(DocumentFault::new(format!("{path}.{field}"), message));
    }

    /// Notes a key that stands twice in the document.
    fn once<K: Hash + Eq>(&mut self, seen: &mut HashMap<K, String>, key: K, path: &str, field: &str) {
        match seen.get(&key) {
            Some(other) => {
                let message = format!("stands twice; see `{other}`");
                self.fault(path, field, message);
            }
            None => drop(seen.insert(key, path.to_owned())),
        }
    }

    fn erased_users(&mut self) {
        let mut seen = HashMap::new();
        for (path, item) in items("erased_users", &self.document.erased_users) {
            let ErasedUserItem { user_id: Some(user_id), role, erased_at } = item else { continue };
            self.once(&mut seen, user_id, &path, "user_id");
            if self.directory.users.iter().any(|user| user.user_id == *user_id) {
                self.fault(&path, "user_id", "is a user's who was not erased; an import erases nobody");
            }
            let is_known = self.directory.erased_users.iter().any(|erased| erased.user_id == *user_id);
            if let (false, Some(role), Some(erased_at)) = (is_known, *role, *erased_at) {
                let erased = ErasedUser { user_id: user_id.clone(), role, erased_at };
                self.changes.push(Change::AddErasedUser(erased));
            }
        }
    }

    fn users(&mut self) {
        let directory = self.directory;
        let stored: HashMap<_, _> = directory.users.iter().map(|user| (&user.user_id, user)).collect();
        let mentioned: HashSet<_> =
            self.document.users.iter().flatten().filter_map(|item| item.user_id.as_ref()).collect();
        // What the document says of a user takes the place of what is stored, so that users can exchange what is theirs.
        let kept: Vec<_> = directory.users.iter().filter(|user| !mentioned.contains(&user.user_id)).collect();
        let usernames: HashSet<_> = kept.iter().map(|user| user.username.reveal()).collect();
        let emails: HashSet<_> = kept.iter().map(|user| user.email.reveal().uniqueness_key()).collect();
        let mut erased: HashSet<_> = directory.erased_users.iter().map(|user| &user.user_id).collect();
        erased.extend(self.document.erased_users.iter().flatten().filter_map(|item| item.user_id.as_ref()));
        let (mut seen_ids, mut seen_usernames, mut seen_emails) =
            (HashMap::new(), HashMap::new(), HashMap::new());
        for (path, item) in items("users", &self.document.users) {
            let UserItem { user_id, name, username, email, role } = item;
            if let Some(user_id) = user_id {
                self.once(&mut seen_ids, user_id, &path, "user_id");
                if erased.contains(user_id) {
                    self.fault(&path, "user_id", "was used by an erased user, and cannot be used again");
                }
            }
            if let Some(username) = username {
                self.once(&mut seen_usernames, username, &path, "username");
                if usernames.contains(username) {
                    self.fault(&path, "username", "is in use by another user");
                }
            }
            if let Some(email) = email {
                self.once(&mut seen_emails, email.uniqueness_key(), &path, "email");
                if emails.contains(&email.uniqueness_key()) {
                    self.fault(&path, "email", "is in use by another user");
                }
            }
            let stored = user_id.as_ref().and_then(|user_id| stored.get(user_id));
            if let (Some(stored), Some(role)) = (stored, role)
                && stored.role != *role
            {
                self.fault(&path, "role", format!("{CANNOT_BE_CHANGED}; it is {}", stored.role));
            }
            if let (Some(user_id), Some(name), Some(username), Some(email), Some(role)) =
                (user_id, name, username, email, role)
            {
                let user = User {
                    user_id: user_id.clone(),
                    name: name.clone().into(),
                    username: username.clone().into(),
                    email: email.clone().into(),
                    role: *role,
                };
                self.changes.extend(user_change(user, stored.copied()));
            }
        }
    }

    fn experiments(&mut self) {
        let directory = self.directory;
        let by_id: HashMap<_, _> =
            directory.experiments.iter().map(|each| (each.experiment_id, &each.name)).collect();
        // What the document says takes the place of what is stored, so that experiments can exchange their names.
        let given = self.document.experiments.iter().flatten();
        let given: HashMap<_, _> =
            given.filter_map(|item| Some((item.experiment_id?, item.name.as_ref()?))).collect();
        let keeps_its_name =
            |stored: &&Experiment| given.get(&stored.experiment_id).is_none_or(|name| **name == stored.name);
        let kept = directory.experiments.iter().filter(keeps_its_name);
        let by_name: HashMap<_, _> = kept.map(|each| (&each.name, each.experiment_id)).collect();
        let (mut seen_ids, mut seen_names) = (HashMap::new(), HashMap::new());
        for (path, item) in items("experiments", &self.document.experiments) {
            let ExperimentItem { experiment_id, has_id, name } = item;
            if let Some(id) = experiment_id {
                self.once(&mut seen_ids, *id, &path, "experiment_id");
                if *id > MAX_GIVEN_ID && !by_id.contains_key(id) {
                    self.fault(
                        &path,
                        "experiment_id",
                        format!("must be at most {MAX_GIVEN_ID} for a new experiment"),
                    );
                }
            }
            let Some(name) = name else { continue };
            self.once(&mut seen_names, name, &path, "name");
            match (experiment_id, by_name.get(name)) {
                (Some(id), Some(owner)) if id != owner => {
                    self.fault(&path, "name", format!("is in use by experiment {owner}"));
                }
                (Some(_), Some(_)) | (None, Some(_)) => {}
                (Some(id), None) => self.changes.push(Change::Experiment(match by_id.contains_key(id) {
                    true => ExperimentChange::Rename(Experiment { experiment_id: *id, name: name.clone() }),
                    false => ExperimentChange::Add(Some(*id), name.clone()),
                })),
                (None, None) if *has_id => {}
                (None, None) => {
                    self.changes.push(Change::Experiment(ExperimentChange::Add(None, name.clone())))
                }
            }
        }
    }

    fn measure_types(&mut self) {
        let stored: HashMap<_, _> =
            self.directory.measure_types.iter().map(|each| (&each.name, each)).collect();
        let mut seen = HashMap::new();
        for (path, item) in items("measure_types", &self.document.measure_types) {
            let MeasureTypeItem { name: Some(name), symbol, quantity } = item else { continue };
            self.once(&mut seen, name, &path, "name");
            match stored.get(name) {
                Some(stored) => {
                    let given = [
                        ("symbol", symbol.as_ref().map(|symbol| symbol.as_str()), &stored.symbol),
                        ("quantity", quantity.as_ref().map(|quantity| quantity.as_str()), &stored.quantity),
                    ];
                    for (field, given, stored) in given {
                        if given.is_some_and(|given| given != stored) {
                            self.fault(&path, field, format!("{CANNOT_BE_CHANGED}; it is \"{stored}\""));
                        }
                    }
                }
                None => {
                    if let (Some(symbol), Some(quantity)) = (symbol, quantity) {
                        let change = Change::AddMeasureType(name.clone(), symbol.clone(), quantity.clone());
                        self.changes.push(change);
                    }
                }
            }
        }
    }

    fn associations(&mut self) {
        let names = self.names_to_be();
        let (mut known, mut roles) = (HashSet::new(), HashMap::new());
        for user in &self.directory.users {
            known.insert(&user.user_id);
            roles.insert(&user.user_id, user.role);
        }
        for item in self.document.users.iter().flatten() {
            if let Some(user_id) = &item.user_id {
                known.insert(user_id);
                // The role of a user that is there cannot change, and that it should has been noted.
                if let Some(role) = item.role {
                    roles.entry(user_id).or_insert(role);
                }
            }
        }
        let stored: HashSet<_> = self.directory.associations.iter().collect();
        let mut seen = HashMap::new();
        for (path, item) in items("associations", &self.document.associations) {
            let AssociationItem { experiment, user_id } = item;
            let id = experiment.as_ref().map(|experiment| names.get(experiment));
            if matches!(id, Some(None)) {
                self.fault(&path, "experiment", "there is no such experiment");
            }
            if let Some(user_id) = user_id {
                if !known.contains(user_id) {
                    self.fault(&path, "user_id", "there is no such user");
                } else if roles.get(user_id) == Some(&Role::Admin) {
                    self.fault(&path, "user_id", "must be a scientist's");
                }
            }
            let (Some(experiment), Some(Some(id)), Some(user_id)) = (experiment, id, user_id) else {
                continue;
            };
            self.once(&mut seen, (experiment, user_id), &path, "user_id");
            let is_stored = id.is_some_and(|id| stored.contains(&(id, user_id.clone())));
            if !is_stored {
                self.changes.push(Change::Associate(experiment.clone(), user_id.clone()));
            }
        }
    }

    /// The names that experiments have after the import, with the numbers of those that are there already.
    fn names_to_be(&self) -> HashMap<ExperimentName, Option<ExperimentId>> {
        let mut by_id: HashMap<_, _> =
            self.directory.experiments.iter().map(|each| (each.experiment_id, each.name.clone())).collect();
        let mut added = Vec::new();
        for item in self.document.experiments.iter().flatten() {
            match (item.experiment_id, &item.name) {
                (Some(id), Some(name)) if by_id.contains_key(&id) => drop(by_id.insert(id, name.clone())),
                (_, Some(name)) => added.push(name.clone()),
                _ => {}
            }
        }
        let mut names: HashMap<_, _> = added.into_iter().map(|name| (name, None)).collect();
        names.extend(by_id.into_iter().map(|(id, name)| (name, Some(id))));
        names
    }
}

/// What makes the user that is stored, if there is one, the one that is given.
fn user_change(user: User, stored: Option<&User>) -> Option<Change> {
    match stored {
        None => Some(Change::AddUser(user)),
        Some(stored) if *stored == user => None,
        Some(_) => {
            let profile = UserProfile { name: user.name, username: user.username, email: user.email };
            Some(Change::UpdateUser(user.user_id, profile))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    fn name(name: &str) -> ExperimentName {
        ExperimentName::new(name).unwrap()
    }

    /// The changes to a directory with one experiment, 7, which is called `a`.
    fn changes_of(experiments: &str) -> Vec<Change> {
        let stored = Experiment { experiment_id: ExperimentId::new(7), name: name("a") };
        let directory = Directory { experiments: vec![stored], ..Directory::default() };
        let text = format!(r#"{{"format":"mymonit-directory","version":1,"experiments":{experiments}}}"#);
        let mut faults = Vec::new();
        let document = document::read(text.as_bytes(), &mut faults);
        let changes = changes(&document, &directory, &mut faults);
        assert_eq!(faults, []);
        changes
    }

    #[test]
    fn a_name_that_the_document_takes_from_an_experiment_is_that_of_another_at_once() {
        let renamed = Experiment { experiment_id: ExperimentId::new(7), name: name("b") };
        for (other, id) in [(r#"{"name":"a"}"#, None), (r#"{"experiment_id":8,"name":"a"}"#, Some(8))] {
            assert_eq!(
                changes_of(&format!(r#"[{{"experiment_id":7,"name":"b"}},{other}]"#)),
                [
                    Change::Experiment(ExperimentChange::Rename(renamed.clone())),
                    Change::Experiment(ExperimentChange::Add(id.map(ExperimentId::new), name("a"))),
                ]
            );
        }
    }

    #[test]
    fn an_experiment_without_a_number_is_the_one_of_that_name() {
        assert_eq!(changes_of(r#"[{"name":"a"}]"#), []);
    }
}
