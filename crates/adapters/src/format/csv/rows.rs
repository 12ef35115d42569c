//! The rows of CSV, and the columns of each.

use csv_core::{ReadFieldResult, ReadRecordResult};

use crate::format::{ReadError, SHOWN_BYTES, Start, add_to_head, original_of};
use crate::input::Input;
use crate::record::{Original, Place};
use crate::source::CsvFormat;

/// Columns that a row may have.
pub(super) const MAX_COLUMNS: usize = 65_536;

pub(super) struct Rows {
    pub(super) input: Input,
    format: CsvFormat,
    pub(super) limit: usize,
    reader: csv_core::Reader,
    /// Whether the reader has read its first row, in which it skips a byte order mark.
    has_read: bool,
    /// A row that was read but not yet returned.
    pub(super) pending: Option<Row>,
    /// The bytes of the current row that are still in the window.
    pub(super) held: usize,
    /// Whether the columns of the current row are in the window, each up to one of `cuts`.
    pub(super) is_plain: bool,
    cuts: Vec<usize>,
    /// Otherwise they are in `output`, each up to one of `ends`.
    output: Vec<u8>,
    ends: Vec<usize>,
    columns: usize,
    pub(super) overlong: Option<Original>,
    /// Whether the current row ends with the source, and not with a line end.
    pub(super) is_open_ended: bool,
    pub(super) start: (u64, Place),
    /// The place behind the current row.
    pub(super) end: Place,
}

#[derive(Clone, Copy)]
pub(super) enum Row {
    /// A row with this many columns.
    Columns(usize),
    TooLong,
    TooManyColumns,
    End,
}

impl Rows {
    pub(super) fn new(input: Input, format: &CsvFormat, limit: usize) -> Self {
        let start = (input.offset(), input.place());
        Self {
            input,
            format: format.clone(),
            limit,
            reader: reader(format),
            has_read: false,
            pending: None,
            held: 0,
            is_plain: false,
            cuts: Vec::new(),
            output: vec![0; 1 << 10],
            ends: vec![0; 32],
            columns: 0,
            overlong: None,
            is_open_ended: false,
            start,
            end: start.1,
        }
    }

    /// Continues at this position.
    pub(super) fn seek(&mut self, from: Start) -> Result<(), ReadError> {
        self.unread();
        Ok(self.input.seek(from.offset, from.line)?)
    }

    /// Goes back to the start of the current row.
    pub(super) fn unread(&mut self) {
        (self.held, self.pending) = (0, None);
        (self.reader, self.has_read) = (reader(&self.format), false);
    }

    pub(super) fn broken<T>(&self, reason: impl Into<String>) -> Result<T, ReadError> {
        Err(ReadError::broken(self.start.1, reason))
    }

    /// The cells of the current row.
    pub(super) fn cells(&self) -> Result<Vec<String>, ReadError> {
        let row = self.input.text(0, self.held);
        let row = row.map_err(|(place, reason)| ReadError::broken(place, reason))?;
        let count = if self.is_plain { self.cuts.len() } else { self.columns };
        // Concatenated files have a byte order mark before each header.
        let cell =
            |column| self.column(row, column).unwrap_or_default().trim_start_matches('\u{feff}').trim();
        Ok((0..count).map(|column| cell(column).to_owned()).collect())
    }

    pub(super) fn skip_line(&mut self, head: Option<&mut String>) -> Result<(), ReadError> {
        let mut line = Vec::new();
        self.input.skip_split_line_feed();
        loop {
            let end = self.input.line_end(0)?;
            let window = self.input.available();
            let (length, held) = end.unwrap_or((window.len(), window.len()));
            if head.is_some() && line.len() < self.limit {
                line.extend_from_slice(&window[..length]);
            }
            self.input.consume(held);
            if end.is_some() || self.input.fill()? == 0 {
                break;
            }
        }
        if let Some(head) = head {
            add_to_head(head, &line);
        }
        Ok(())
    }

    /// The text of a column of the current row, of which `row` is the text.
    pub(super) fn column<'t>(&'t self, row: &'t str, column: usize) -> Option<&'t str> {
        let before = column.checked_sub(1);
        if self.is_plain {
            let start = before.map_or(0, |before| self.cuts[before] + 1);
            return row.get(start..*self.cuts.get(column)?);
        }
        let start = before.map_or(0, |before| self.ends[before]);
        std::str::from_utf8(&self.output[start..*self.ends.get(column)?]).ok()
    }

    /// Reads a row, whose bytes are held in the window.
    pub(super) fn row(&mut self) -> Result<Row, ReadError> {
        if let Some(row) = self.pending.take() {
            return Ok(row);
        }
        self.begin(None)?;
        if self.has_read
            && let Some(length) = self.plain_row()
        {
            self.is_plain = true;
            self.held = length;
            // The row has no line end within it.
            self.end = Place { line: self.start.1.line + 1, column: 1 };
            return Ok(Row::Columns(self.cuts.len()));
        }
        (self.is_plain, self.has_read) = (false, true);
        let row = self.quoted_row()?;
        if let Row::Columns(count) = row {
            self.columns = count;
        }
        Ok(row)
    }

    /// Finds the end of a row and of its columns, if the row is in the window and has no quotes.
    /// Nearly all rows are such. csv-core gives the same result, but takes several times as long.
    fn plain_row(&mut self) -> Option<usize> {
        let window = self.input.available();
        let end = match self.format.quote {
            Some(quote) => memchr::memchr3(b'\n', b'\r', quote, window),
            None => memchr::memchr2(b'\n', b'\r', window),
        }?;
        if Some(window[end]) == self.format.quote || end >= self.limit {
            return None;
        }
        self.cuts.clear();
        self.cuts.extend(memchr::memchr_iter(self.format.delimiter, &window[..end]));
        self.cuts.push(end);
        (self.cuts.len() <= MAX_COLUMNS).then_some(end + 1)
    }

    fn hold(&mut self, count: usize) {
        self.held = count;
        self.end = self.input.place_after(count);
    }

    fn quoted_row(&mut self) -> Result<Row, ReadError> {
        let (mut scanned, mut written, mut columns, mut at_end) = (0, 0, 0, false);
        let mut has_too_many = false;
        loop {
            let window = &self.input.available()[scanned..];
            let (result, read, wrote, ended) =
                self.reader.read_record(window, &mut self.output[written..], &mut self.ends[columns..]);
            scanned += read;
            written += wrote;
            columns += ended;
            match result {
                ReadRecordResult::InputEmpty => {
                    if scanned > self.limit {
                        self.set_aside(scanned);
                        (scanned, written, columns) = (0, 0, 0);
                    }
                    if at_end {
                        return Ok(Row::End);
                    }
                    at_end = self.input.fill()? == 0;
                }
                ReadRecordResult::OutputFull if self.output.len() > self.limit => written = 0,
                ReadRecordResult::OutputFull => self.output.resize(2 * self.output.len(), 0),
                ReadRecordResult::OutputEndsFull if self.ends.len() >= MAX_COLUMNS => {
                    (columns, has_too_many) = (0, true);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record if self.overlong.is_some() || scanned > self.limit => {
                    self.is_open_ended = at_end;
                    self.set_aside(scanned);
                    return Ok(Row::TooLong);
                }
                ReadRecordResult::Record => {
                    self.is_open_ended = at_end;
                    self.hold(scanned);
                    return Ok(if has_too_many { Row::TooManyColumns } else { Row::Columns(columns) });
                }
                ReadRecordResult::End => return Ok(Row::End),
            }
        }
    }

    /// Goes to the start of the next row, past empty lines and comments.
    pub(super) fn begin(&mut self, mut head: Option<&mut String>) -> Result<(), ReadError> {
        if self.held > 0 {
            self.input.consume_to(std::mem::take(&mut self.held), self.end);
        }
        (self.overlong, self.is_open_ended) = (None, false);
        loop {
            match self.input.available().first().copied() {
                Some(b'\n' | b'\r') => self.input.consume(1),
                Some(first) if Some(first) == self.format.comment => self.skip_line(head.as_deref_mut())?,
                Some(_) => break,
                None if self.input.fill()? == 0 => break,
                None => {}
            }
        }
        self.start = (self.input.offset(), self.input.place());
        self.end = self.start.1;
        Ok(())
    }

    /// Drops bytes of a row that is too long.
    fn set_aside(&mut self, count: usize) {
        let window = self.input.available();
        let original = self.overlong.get_or_insert_with(|| original_of(&window[..SHOWN_BYTES.min(count)], 0));
        original.length += count as u64;
        self.input.consume(count);
        self.end = self.input.place();
    }

    /// The place of a column of the current row.
    pub(super) fn place_of(&self, column: usize) -> Place {
        let mut reader = reader(&self.format);
        let (mut at, mut passed, mut output) = (0, 0, [0; 256]);
        while passed < column && at < self.held {
            let (result, read, _) = reader.read_field(&self.input.available()[at..self.held], &mut output);
            at += read;
            match result {
                ReadFieldResult::Field { record_end: false } => passed += 1,
                ReadFieldResult::OutputFull => {}
                _ => return self.start.1,
            }
        }
        self.input.place_after(at)
    }

    /// The current row as in the source, without its end.
    pub(super) fn original(&self) -> Original {
        if let Some(overlong) = &self.overlong {
            return overlong.clone();
        }
        let row = self.input.available()[..self.held].trim_ascii_end();
        original_of(row, row.len() as u64)
    }

    /// The lines of the current row behind its first one, if it has several.
    pub(super) fn more_lines(&self) -> impl Iterator<Item = &[u8]> {
        let row = if self.is_plain { &[] } else { self.input.available()[..self.held].trim_ascii_end() };
        row.split(|byte| matches!(byte, b'\n' | b'\r')).skip(1)
    }

    /// Whether the current row is not a record.
    pub(super) fn passes_over(&self) -> bool {
        let row = &self.input.available()[..self.held];
        self.format.pass_over.0.is_some() && self.format.pass_over.matches(row.trim_ascii_end())
    }
}

fn reader(format: &CsvFormat) -> csv_core::Reader {
    let mut builder = csv_core::ReaderBuilder::new();
    builder.delimiter(format.delimiter);
    match format.quote {
        Some(quote) => builder.quote(quote),
        None => builder.quoting(false),
    };
    builder.build()
}
