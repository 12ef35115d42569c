//! The rules of [`RejectedMessageStore::page`] that need no SQL.
//!
//! [`RejectedMessageStore::page`]: mymonit_services::ports::RejectedMessageStore::page

use mymonit_services::ports::{Order, RejectedMessageFilter, RejectedMessagePosition, RejectedMessages};

use crate::decode::{self, RejectedMessageRow};
use crate::error::Fault;
use crate::measure_range::{KeyRange, key_ranges_between};

/// Limit, in bytes, of the text in a page of more than one message. A publisher can fill a
/// message's properties with some hundred kilobytes, and a page of a thousand such messages would
/// fill the memory.
const MAX_TEXT: usize = 4 * 1024 * 1024;

/// The key ranges of the index that contain the page.
pub(crate) fn key_ranges(
    filter: &RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
) -> Vec<KeyRange> {
    let after = after.map(|position| (position.received_at, position.id.get()));
    key_ranges_between(filter.from, filter.to, Order::Descending, after)
}

/// A page under construction.
pub(crate) struct Filling {
    page: RejectedMessages,
    limit: usize,
    text: usize,
}

impl Filling {
    /// An empty page of at most that many messages.
    pub(crate) fn new(limit: u32) -> Self {
        Self { page: RejectedMessages::default(), limit: limit as usize, text: 0 }
    }

    /// Rows to request: the rest of the page and one more, which shows whether more follow.
    pub(crate) fn rows_to_read(&self) -> u32 {
        u32::try_from(self.limit - self.page.messages.len()).unwrap_or(u32::MAX).saturating_add(1)
    }

    /// Whether the page takes no more messages.
    pub(crate) fn is_full(&self) -> bool {
        self.page.has_more
    }

    /// Adds a row to the page, or notes that more follow.
    pub(crate) fn take(&mut self, row: RejectedMessageRow) -> Result<(), Fault> {
        let (_, _, detail, _, _, _, properties, _) = &row;
        let text = self.text.saturating_add(detail.len() + properties.len());
        let is_first = self.page.messages.is_empty();
        if self.is_full() || self.page.messages.len() == self.limit || (text > MAX_TEXT && !is_first) {
            self.page.has_more = true;
            return Ok(());
        }
        self.text = text;
        self.page.messages.push(decode::rejected_message(row)?);
        Ok(())
    }

    /// The page.
    pub(crate) fn finish(self) -> RejectedMessages {
        self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(limit: u32, sizes: &[usize]) -> (Vec<u64>, bool) {
        let mut filling = Filling::new(limit);
        for (number, size) in (1..).zip(sizes) {
            let row = (
                number,
                "empty".to_owned(),
                "x".repeat(*size),
                1,
                Vec::new(),
                Some(vec![7]),
                "{}".to_owned(),
                0,
            );
            filling.take(row).unwrap();
        }
        let page = filling.finish();
        (page.messages.iter().map(|message| message.id.get()).collect(), page.has_more)
    }

    #[test]
    fn a_page_holds_its_limit_and_says_whether_more_come() {
        assert_eq!(filled(2, &[]), (vec![], false));
        assert_eq!(filled(2, &[1, 1]), (vec![1, 2], false));
        assert_eq!(filled(2, &[1, 1, 1]), (vec![1, 2], true));
        assert_eq!(Filling::new(2).rows_to_read(), 3);
        assert_eq!(Filling::new(u32::MAX).rows_to_read(), u32::MAX);
    }

    #[test]
    fn a_page_of_very_large_messages_is_cut_but_never_empty() {
        let large = MAX_TEXT / 2;
        assert_eq!(filled(9, &[MAX_TEXT * 2, 1]), (vec![1], true));
        assert_eq!(filled(9, &[large, 1, large, 1]), (vec![1, 2], true));
        assert_eq!(filled(9, &[MAX_TEXT * 2]), (vec![1], false));
    }
}
