use std::collections::VecDeque;

use crate::message::Group;

/// A group whose messages are not all confirmed.
pub(super) struct InFlight {
    pub(super) group: Group,
    confirmed: Vec<bool>,
    pub(super) open: usize,
}

impl InFlight {
    pub(super) fn new(group: Group) -> Self {
        let open = group.messages.len();
        Self { confirmed: vec![false; open], open, group }
    }

    pub(super) fn unconfirmed(&self) -> impl Iterator<Item = usize> + use<> {
        let open: Vec<_> =
            self.confirmed.iter().enumerate().filter(|(_, is)| !**is).map(|(index, _)| index).collect();
        open.into_iter()
    }

    pub(super) fn confirm(&mut self, index: usize) {
        if !std::mem::replace(&mut self.confirmed[index], true) {
            self.open -= 1;
        }
    }
}

/// The number of unconfirmed messages in these groups.
pub(super) fn open_messages(in_flight: &VecDeque<InFlight>) -> usize {
    in_flight.iter().map(|flight| flight.open).sum()
}
