//! Plans an import: compares the document with the stored directory.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use mymonit_model::{Experiment, ExperimentDetails, ExperimentId, ExperimentName, MAX_SENSORS, Role, User};

use super::change::{Change, ExperimentChange};
use super::document::{
    AssociationItem, Document, ErasedUserItem, ExperimentItem, MeasureTypeItem, SensorItem, UserItem,
};
use super::fault::DocumentFault;
use super::{Directory, ErasedUser};
use crate::ports::{ExperimentChanges, UserProfile};
use crate::user_service::CANNOT_BE_CHANGED;

/// The greatest experiment number in a document. The next number follows the greatest, so a
/// greater one could leave none.
const MAX_GIVEN_ID: ExperimentId = ExperimentId::new(2_000_000_000);

/// The changes that the document requires, or every mistake.
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
    let names = plan.names_to_be();
    plan.associations(&names);
    plan.sensors(&names);
    plan.changes
}

/// The names of experiments after the import, with the numbers of existing ones.
type NamesToBe = HashMap<ExperimentName, Option<ExperimentId>>;

struct Plan<'a> {
    document: &'a Document,
    directory: &'a Directory,
    faults: &'a mut Vec<DocumentFault>,
    changes: Vec<Change>,
}

/// The items of a section with their paths.
fn items<'d, T>(name: &'static str, section: &'d Option<Vec<T>>) -> impl Iterator<Item = (String, &'d T)> {
    section.iter().flatten().enumerate().map(move |(index, item)| (format!("{name}[{index}]"), item))
}

impl Plan<'_> {
    fn fault(&mut self, path: &str, field: &str, message: impl Into<String>) {
        self.faults.push(DocumentFault::new(format!("{path}.{field}"), message));
    }

    /// Reports a key that occurs twice in the document.
    fn once<K: Hash + Eq>(&mut self, seen: &mut HashMap<K, String>, key: K, path: &str, field: &str) {
        match seen.get(&key) {
            Some(other) => {
                let message = format!("occurs twice; see `{other}`");
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
                self.fault(&path, "user_id", "is a user's who was not erased; an import erases no user");
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
        // The document replaces what is stored, so that users can exchange their values.
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
            directory.experiments.iter().map(|each| (each.experiment_id, each)).collect();
        // The document replaces what is stored, so that experiments can exchange their names.
        let given = self.document.experiments.iter().flatten();
        let given: HashMap<_, _> =
            given.filter_map(|item| Some((item.experiment_id?, item.name.as_ref()?))).collect();
        let keeps_its_name =
            |stored: &&Experiment| given.get(&stored.experiment_id).is_none_or(|name| **name == stored.name);
        let kept = directory.experiments.iter().filter(keeps_its_name);
        let by_name: HashMap<_, _> = kept.map(|each| (&each.name, each.experiment_id)).collect();
        let (mut seen_ids, mut seen_names) = (HashMap::new(), HashMap::new());
        for (path, item) in items("experiments", &self.document.experiments) {
            let ExperimentItem { experiment_id, has_id, name, description, archived } = item;
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
            let owner = by_name.get(name);
            let stored = match experiment_id {
                Some(id) if owner.is_some_and(|owner| owner != id) => {
                    let owner = owner.map(ToString::to_string).unwrap_or_default();
                    self.fault(&path, "name", format!("is in use by experiment {owner}"));
                    continue;
                }
                Some(id) => by_id.get(id),
                None => owner.and_then(|owner| by_id.get(owner)),
            };
            let changes = ExperimentChanges {
                name: name.clone(),
                description: description.clone(),
                archived: *archived,
            };
            self.changes.extend(match stored {
                Some(stored) => experiment_change(stored, &changes),
                None if *has_id && experiment_id.is_none() => None,
                None => {
                    let description = description.clone().unwrap_or_default();
                    let archived = archived.unwrap_or_default();
                    let details = ExperimentDetails { name: name.clone(), description, archived };
                    Some(Change::Experiment(ExperimentChange::Add(*experiment_id, details)))
                }
            });
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

    fn associations(&mut self, names: &NamesToBe) {
        let (mut known, mut roles) = (HashSet::new(), HashMap::new());
        for user in &self.directory.users {
            known.insert(&user.user_id);
            roles.insert(&user.user_id, user.role);
        }
        for item in self.document.users.iter().flatten() {
            if let Some(user_id) = &item.user_id {
                known.insert(user_id);
                // The role of an existing user cannot change; this was reported before.
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

    fn sensors(&mut self, names: &NamesToBe) {
        let stored: HashMap<_, _> = self
            .directory
            .sensors
            .iter()
            .map(|sensor| ((sensor.experiment_id, &sensor.name), &sensor.description))
            .collect();
        let mut counts = HashMap::<_, usize>::new();
        for sensor in &self.directory.sensors {
            *counts.entry(Some(sensor.experiment_id)).or_default() += 1;
        }
        let (mut seen, mut added) = (HashMap::new(), HashMap::<&ExperimentName, usize>::new());
        for (path, item) in items("sensors", &self.document.sensors) {
            let SensorItem { experiment: Some(experiment), name: Some(name), description } = item else {
                continue;
            };
            self.once(&mut seen, (experiment, name), &path, "name");
            let Some(id) = names.get(experiment) else {
                self.fault(&path, "experiment", "there is no such experiment");
                continue;
            };
            let description = description.as_ref();
            match id.and_then(|id| Some((id, *stored.get(&(id, name))?))) {
                Some((id, stored)) => {
                    if let Some(description) = description.filter(|given| *given != stored) {
                        self.changes.push(Change::DescribeSensor(id, name.clone(), description.clone()));
                    }
                }
                None => {
                    let added = added.entry(experiment).or_default();
                    *added += 1;
                    if counts.get(id).copied().unwrap_or_default() + *added > MAX_SENSORS {
                        let message = format!("would be one of more than {MAX_SENSORS} of the experiment");
                        self.fault(&path, "name", message);
                    }
                    let description = description.cloned().unwrap_or_default();
                    self.changes.push(Change::AddSensor(experiment.clone(), name.clone(), description));
                }
            }
        }
    }

    /// The names of experiments after the import, with the numbers of existing experiments.
    fn names_to_be(&self) -> NamesToBe {
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

/// The change from the stored to the given experiment.
fn experiment_change(stored: &Experiment, changes: &ExperimentChanges) -> Option<Change> {
    let updated = changes.applied_to(stored);
    (updated != *stored).then_some(Change::Experiment(ExperimentChange::Update(updated)))
}

/// The change from the stored user, if any, to the given one.
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
        let stored = ExperimentDetails::named(name("a")).numbered(ExperimentId::new(7));
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
        let renamed = ExperimentDetails::named(name("b")).numbered(ExperimentId::new(7));
        for (other, id) in [(r#"{"name":"a"}"#, None), (r#"{"experiment_id":8,"name":"a"}"#, Some(8))] {
            assert_eq!(
                changes_of(&format!(r#"[{{"experiment_id":7,"name":"b"}},{other}]"#)),
                [
                    Change::Experiment(ExperimentChange::Update(renamed.clone())),
                    Change::Experiment(ExperimentChange::Add(
                        id.map(ExperimentId::new),
                        ExperimentDetails::named(name("a"))
                    )),
                ]
            );
        }
    }

    #[test]
    fn a_description_and_the_archive_are_kept_unless_the_document_has_them() {
        assert_eq!(changes_of(r#"[{"experiment_id":7,"name":"a"}]"#), []);
        assert_eq!(changes_of(r#"[{"experiment_id":7,"name":"a","description":"","archived":false}]"#), []);
        let stored = ExperimentDetails::named(name("a")).numbered(ExperimentId::new(7));
        let archived = Experiment { archived: true, ..stored };
        for item in [r#"{"name":"a","archived":true}"#, r#"{"experiment_id":7,"name":"a","archived":true}"#] {
            let expected = Change::Experiment(ExperimentChange::Update(archived.clone()));
            assert_eq!(changes_of(&format!("[{item}]")), [expected]);
        }
    }

    #[test]
    fn an_experiment_without_a_number_is_the_one_of_that_name() {
        assert_eq!(changes_of(r#"[{"name":"a"}]"#), []);
    }
}
