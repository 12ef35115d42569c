//! In which order the changes of an import can be made.

use std::collections::HashMap;

use mymonit_model::{ExperimentId, UserId};
use mymonit_services::directory::{Change, Directory, ExperimentChange};

/// What a row holds, before its number or id, in place of a value that is about to become another row's. No name,
/// username or e-mail address can begin so, since they hold no control characters; and nobody sees it before the commit.
pub(crate) const SET_ASIDE: &str = "\u{1}";

/// The changes of an import, so ordered that none is in the way of another.
pub(crate) struct Ordered<'a> {
    /// The users whose usernames or addresses others may get, as where two exchange theirs: to be set aside first.
    pub(crate) users_in_the_way: Vec<&'a UserId>,
    /// The same of experiments and their names.
    pub(crate) experiments_in_the_way: Vec<ExperimentId>,
    /// Numbers that are given go before those that the database gives after the greatest one, and associations, which
    /// name experiments, come last.
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
                Change::Experiment(ExperimentChange::Rename(experiment)) => {
                    ordered.experiments_in_the_way.push(experiment.experiment_id);
                }
                _ => {}
            }
        }
        ordered.changes.sort_by_key(|change| match change {
            Change::Associate(..) => 2,
            Change::Experiment(ExperimentChange::Add(None, _)) => 1,
            _ => 0,
        });
        ordered
    }
}
