//! The order in which the changes of an import are made.

use std::collections::HashMap;

use mymonit_model::{ExperimentId, UserId};
use mymonit_services::directory::{Change, Directory, ExperimentChange};

/// Precedes the id in a row whose unique value is about to become another row's. No name, username
/// or e-mail address begins with a control character, and the transaction hides it.
pub(crate) const TEMPORARY_PREFIX: &str = "\u{1}";

/// The changes of an import, ordered so that none violates a unique key on the way.
pub(crate) struct Ordered<'a> {
    /// Users whose usernames or addresses others may get, as where two exchange theirs: they are
    /// set aside first.
    pub(crate) users_in_the_way: Vec<&'a UserId>,
    /// Experiments whose names others may get.
    pub(crate) experiments_in_the_way: Vec<ExperimentId>,
    /// Experiments with given ids come before those whose ids the database gives; associations and
    /// sensors, which name experiments, last.
    pub(crate) changes: Vec<&'a Change>,
}

impl<'a> Ordered<'a> {
    pub(crate) fn new(changes: &'a [Change], seen: &Directory) -> Self {
        let users: HashMap<_, _> = seen.users.iter().map(|user| (&user.user_id, user)).collect();
        let mut ordered = Self {
            users_in_the_way: Vec::new(),
            experiments_in_the_way: Vec::new(),
            changes: changes.iter().collect(),
        };
        for change in changes {
            match change {
                Change::UpdateUser(user_id, profile) => {
                    let keeps_both = users.get(user_id).is_some_and(|user| {
                        user.username == profile.username
                            && user.email.reveal().uniqueness_key() == profile.email.reveal().uniqueness_key()
                    });
                    if !keeps_both {
                        ordered.users_in_the_way.push(user_id);
                    }
                }
                Change::Experiment(ExperimentChange::Update(experiment)) => {
                    ordered.experiments_in_the_way.push(experiment.experiment_id);
                }
                _ => {}
            }
        }
        ordered.changes.sort_by_key(|change| match change {
            Change::Associate(..) | Change::AddSensor(..) => 2,
            Change::Experiment(ExperimentChange::Add(None, _)) => 1,
            _ => 0,
        });
        ordered
    }
}
