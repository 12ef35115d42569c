//! Records in parallel arrays: `{"time": [1, 2], "value": [3, 4]}` holds two.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use super::fields::{Fields, plain_text};
use crate::record::Record;

/// The records of one object.
pub(super) struct Rows {
    text: String,
    columns: Vec<Column>,
    count: usize,
    /// The column whose positions are reported as those of the records.
    places: usize,
    next: usize,
    /// The last byte that was read, and its line, both from 0 in the object.
    passed: (usize, u64),
}

enum Column {
    Absent,
    /// A value that is the same in all records.
    Scalar(Range<usize>),
    Array(Vec<Range<usize>>),
}

/// The position of a record in its object.
pub(super) struct RowPlace {
    pub(super) bytes: Range<usize>,
    pub(super) line: u64,
}

impl Rows {
    /// # Errors
    /// The object does not hold arrays of one length.
    pub(super) fn new(text: String, fields: &Fields) -> Result<Self, String> {
        let mut columns: Vec<_> = (0..fields.slots).map(|_| Column::Absent).collect();
        let mut lengths: Vec<(String, usize)> = Vec::new();
        let mut places = None;
        for (slot, path) in &fields.of_record {
            columns[*slot] = column(&text, path)?;
            if let Column::Array(elements) = &columns[*slot] {
                lengths.push((path.join("."), elements.len()));
                places.get_or_insert(*slot);
            }
        }
        let Some(places) = places else {
            return Err("none of the fields is an array (see `parallel`)".to_owned());
        };
        let count = lengths[0].1;
        if lengths.iter().any(|(_, length)| *length != count) {
            let shown: Vec<_> = lengths.iter().map(|(name, length)| format!("`{name}` {length}")).collect();
            return Err(format!("the arrays have different lengths: {}", shown.join(", ")));
        }
        Ok(Self { text, columns, count, places, next: 0, passed: (0, 0) })
    }

    /// Fills in the next record, if there is one.
    pub(super) fn next(&mut self, record: &mut Record) -> Option<Result<RowPlace, String>> {
        let row = self.next;
        if row == self.count {
            return None;
        }
        self.next += 1;
        for (slot, column) in self.columns.iter().enumerate() {
            let range = match column {
                Column::Absent => continue,
                Column::Scalar(range) => range,
                Column::Array(elements) => &elements[row],
            };
            match plain_text(&self.text[range.clone()]) {
                Ok(text) => record.set_at(slot, text.as_deref().unwrap_or(""), range.start),
                Err(error) => return Some(Err(error.to_string())),
            }
        }
        let Column::Array(elements) = &self.columns[self.places] else { return None };
        let bytes = elements[row].clone();
        let (from, line) = self.passed;
        let breaks = memchr::memchr_iter(b'\n', &self.text.as_bytes()[from..bytes.start]).count() as u64;
        self.passed = (bytes.start, line + breaks);
        Some(Ok(RowPlace { bytes, line: self.passed.1 }))
    }
}

fn column(text: &str, path: &[String]) -> Result<Column, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let mut raw: &RawValue = serde_json::from_str(text).map_err(wrong)?;
    for key in path {
        if !raw.get().starts_with('{') {
            return Ok(Column::Absent);
        }
        let object: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
        let Some(value) = object.get(key.as_str()) else { return Ok(Column::Absent) };
        raw = value;
    }
    let range = |raw: &RawValue| {
        let start = (raw.get().as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        start..start + raw.get().len()
    };
    if !raw.get().starts_with('[') {
        return Ok(Column::Scalar(range(raw)));
    }
    let elements: Vec<&RawValue> = serde_json::from_str(raw.get()).map_err(wrong)?;
    Ok(Column::Array(elements.into_iter().map(range).collect()))
}
