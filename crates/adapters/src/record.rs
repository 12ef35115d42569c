//! One record with the fields that the mapping needs.

use std::ops::Range;

/// A line and column for users, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// One record. Its fields share one buffer, so that reading a record allocates nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct Record {
    text: String,
    slots: Vec<Option<Range<usize>>>,
    /// Where the fields begin, relative to the start of the record, if the parser sets it.
    starts: Vec<usize>,
    /// Its position in the source, in bytes.
    pub(crate) span: Range<u64>,
    /// The line that it begins in, from 1.
    pub(crate) line: u64,
    /// The line of its end.
    pub(crate) end_line: u64,
    /// Whether it ends at the end of the source without line end: more of it may follow.
    pub(crate) is_open_ended: bool,
}

impl Record {
    /// Clears the record and sets the number of fields.
    pub(crate) fn clear(&mut self, slots: usize) {
        self.text.clear();
        self.slots.clear();
        self.slots.resize(slots, None);
        self.starts.clear();
        self.starts.resize(slots, 0);
        self.is_open_ended = false;
    }

    /// Sets the text of a field.
    pub(crate) fn set(&mut self, slot: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.slots[slot] = Some(start..self.text.len());
    }

    /// Sets the text of a field, and its start relative to the record, in bytes.
    pub(crate) fn set_at(&mut self, slot: usize, text: &str, start: usize) {
        self.set(slot, text);
        self.starts[slot] = start;
    }

    /// The start of a field relative to the record.
    pub(crate) fn start_of(&self, slot: usize) -> usize {
        self.starts.get(slot).copied().unwrap_or(0)
    }

    /// The text of a field, if the record has it.
    pub(crate) fn get(&self, slot: usize) -> Option<&str> {
        self.slots[slot].clone().map(|range| &self.text[range])
    }
}

/// A record that cannot be read, or cannot become measures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) place: Place,
    pub(crate) reason: String,
}

/// The original bytes of a record, as far as they are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Original {
    pub(crate) bytes: Vec<u8>,
    /// How many bytes the record has, which may be more.
    pub(crate) length: u64,
}
