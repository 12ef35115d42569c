//! Comma-separated values and their relatives.

use csv_core::{ReadFieldResult, ReadRecordResult};

use super::{Limits, ReadError, SHOWN_BYTES, Start, Step, original_of, too_long};
use crate::input::Input;
use crate::number::quoted;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{CsvFormat, Field};

/// Columns that a line may have.
const MAX_COLUMNS: usize = 65_536;

pub(super) struct Parser {
    input: Input,
    format: CsvFormat,
    limit: usize,
    reader: csv_core::Reader,
    /// Whether the reader has had its first row, in which it passes over a byte order mark.
    has_read: bool,
    /// The column of each slot.
    columns: Vec<usize>,
    /// The names of the columns, for messages.
    header: Vec<String>,
    /// The bytes of the current record that are still in the window.
    held: usize,
    /// Whether the current row is a plain one: its columns lie in the window, each up to one of `cuts`.
    is_plain: bool,
    cuts: Vec<usize>,
    /// Else they lie in `output`, each up to one of `ends`.
    output: Vec<u8>,
    ends: Vec<usize>,
    overlong: Option<Original>,
    start: (u64, Place),
    /// The place behind the current row.
    end: Place,
}

enum Row {
    /// So many columns.
    Columns(usize),
    TooLong,
    TooManyColumns,
    End,
}

impl Parser {
    pub(super) fn open(
        input: Input,
        format: &CsvFormat,
        fields: &[Field],
        limits: &Limits,
        from: Start,
    ) -> Result<Self, ReadError> {
        let start = (input.offset(), input.place());
        let mut this = Self {
            input,
            format: format.clone(),
            limit: limits.record_bytes,
            reader: reader(format),
            has_read: false,
            columns: Vec::new(),
            header: Vec::new(),
            held: 0,
            is_plain: false,
            cuts: Vec::new(),
            output: vec![0; 1 << 10],
            ends: vec![0; 32],
            overlong: None,
            start,
            end: start.1,
        };
        this.skip_lines()?;
        this.columns = if format.header { this.read_header(fields)? } else { numbers(fields, start.1)? };
        if from != Start::BEGINNING {
            this.held = 0;
            (this.reader, this.has_read) = (reader(format), false);
            this.input.seek(from.offset, from.line)?;
        }
        Ok(this)
    }

    fn skip_lines(&mut self) -> Result<(), ReadError> {
        for _ in 0..self.format.skip_lines {
            self.skip_line()?;
        }
        Ok(())
    }

    fn skip_line(&mut self) -> Result<(), ReadError> {
        loop {
            let window = self.input.available();
            if let Some(at) = memchr::memchr(b'\n', window) {
                self.input.consume(at + 1);
                return Ok(());
            }
            self.input.consume(window.len());
            if self.input.fill()? == 0 {
                return Ok(());
            }
        }
    }

    fn read_header(&mut self, fields: &[Field]) -> Result<Vec<usize>, ReadError> {
        let place = |this: &Self| this.start.1;
        match self.row()? {
            Row::Columns(count) => {
                let row = match self.input.text(0, self.held) {
                    Ok(row) => row,
                    Err((place, reason)) => return Err(ReadError::broken(place, reason)),
                };
                self.header = (0..count)
                    .map(|column| self.column(row, column).unwrap_or_default().trim().to_owned())
                    .collect();
            }
            Row::TooLong => return Err(ReadError::broken(place(self), "the header is too long")),
            Row::TooManyColumns => return Err(ReadError::broken(place(self), too_many_columns())),
            // An empty file has no header, and nothing that would need one.
            Row::End => return Ok(vec![0; fields.len()]),
        }
        let columns = fields.iter().map(|field| self.column_of(field)).collect::<Result<Vec<_>, _>>();
        columns.map_err(|reason| ReadError::broken(place(self), reason))
    }

    fn column_of(&self, field: &Field) -> Result<usize, String> {
        let missing = || {
            let names: Vec<_> = self.header.iter().map(|name| quoted(name)).collect();
            let hint = if names.len() == 1 { " (is `delimiter` right?)" } else { "" };
            format!("there is no column {field}; the columns are: {}{hint}", names.join(", "))
        };
        match field {
            Field::Name(name) => {
                let mut found = self.header.iter().enumerate().filter(|(_, column)| *column == name);
                match (found.next(), found.next()) {
                    (Some((column, _)), None) => Ok(column),
                    (None, _) => Err(missing()),
                    (Some(_), Some(_)) => Err(format!(
                        "there are several columns `{name}`; name the one that is meant by its number, from 1"
                    )),
                }
            }
            Field::Number(number) => {
                let column = usize::try_from(*number).ok().and_then(|number| number.checked_sub(1));
                column.filter(|column| *column < self.header.len()).ok_or_else(missing)
            }
            Field::Path(_) => Err(missing()),
        }
    }

    /// The text of a column of the current row, of which `row` is the text.
    fn column<'t>(&'t self, row: &'t str, column: usize) -> Option<&'t str> {
        let before = column.checked_sub(1);
        if self.is_plain {
            let start = before.map_or(0, |before| self.cuts[before] + 1);
            return row.get(start..*self.cuts.get(column)?);
        }
        let start = before.map_or(0, |before| self.ends[before]);
        std::str::from_utf8(&self.output[start..*self.ends.get(column)?]).ok()
    }

    /// Reads a row, whose bytes are held in the window.
    fn row(&mut self) -> Result<Row, ReadError> {
        self.begin()?;
        if self.has_read
            && let Some(length) = self.plain_row()
        {
            self.is_plain = true;
            self.hold(length);
            return Ok(Row::Columns(self.cuts.len()));
        }
        (self.is_plain, self.has_read) = (false, true);
        self.quoted_row()
    }

    /// Finds the end of a row and of its columns, if it lies in the window as a whole and has no quotes, as nearly
    /// all do. What csv-core would make of it is the same, but takes several times as long.
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
                    self.set_aside(scanned);
                    return Ok(Row::TooLong);
                }
                ReadRecordResult::Record => {
                    self.hold(scanned);
                    return Ok(if has_too_many { Row::TooManyColumns } else { Row::Columns(columns) });
                }
                ReadRecordResult::End => return Ok(Row::End),
            }
        }
    }

    /// Goes to the start of the next row, past empty lines and comments.
    fn begin(&mut self) -> Result<(), ReadError> {
        if self.held > 0 {
            self.input.consume_to(std::mem::take(&mut self.held), self.end);
        }
        self.overlong = None;
        loop {
            match self.input.available().first().copied() {
                Some(b'\n' | b'\r') => self.input.consume(1),
                Some(first) if Some(first) == self.format.comment => self.skip_line()?,
                Some(_) => break,
                None if self.input.fill()? == 0 => break,
                None => {}
            }
        }
        self.start = (self.input.offset(), self.input.place());
        self.end = self.start.1;
        Ok(())
    }

    /// Lets go of bytes of a row that has too many.
    fn set_aside(&mut self, count: usize) {
        let window = self.input.available();
        let original = self.overlong.get_or_insert_with(|| original_of(&window[..SHOWN_BYTES.min(count)], 0));
        original.length += count as u64;
        self.input.consume(count);
        self.end = self.input.place();
    }

    fn fill_in(&self, count: usize, record: &mut Record) -> Step {
        let row = match self.input.text(0, self.held) {
            Ok(row) => row,
            Err((place, reason)) => return Step::Complaint(Complaint { place, reason }),
        };
        for (slot, column) in self.columns.iter().enumerate() {
            if *column < count
                && let Some(text) = self.column(row, *column)
            {
                record.set(slot, text);
            }
        }
        let columns = self.header.len();
        if !self.format.header || count == columns {
            return Step::Record;
        }
        // A row that was cut off may end in the middle of a number, which would then be another one; and so it is
        // with one that a decimal comma has cut in two. Columns of which nothing is said are none.
        let mut more = (columns..count).filter_map(|column| self.column(row, column));
        if count > columns && more.all(|text| text.trim().is_empty()) {
            return Step::Record;
        }
        let hint = if count > columns { " (is there a delimiter in a value without quotes?)" } else { "" };
        let reason = format!("the row has {count} columns, and the header {columns}{hint}");
        Step::Complaint(Complaint { place: self.start.1, reason })
    }
}

fn too_many_columns() -> String {
    format!("there are more than {MAX_COLUMNS} columns")
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

fn numbers(fields: &[Field], place: Place) -> Result<Vec<usize>, ReadError> {
    let number = |field: &Field| match field {
        Field::Number(number) => usize::try_from(*number).ok().and_then(|number| number.checked_sub(1)),
        _ => None,
    };
    let columns = fields.iter().map(|field| {
        number(field).ok_or_else(|| {
            ReadError::broken(
                place,
                format!("without a header columns have numbers, from 1, and no names such as {field}"),
            )
        })
    });
    columns.collect()
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        let row = self.row()?;
        record.clear(self.columns.len());
        record.span = self.start.0..self.input.offset_after(self.held);
        (record.line, record.end_line) = (self.start.1.line, self.end.line);
        Ok(match row {
            Row::Columns(count) => self.fill_in(count, record),
            Row::TooLong => {
                let length = self.overlong.as_ref().map_or(0, |original| original.length);
                let reason = format!(
                    "{}; is there a quotation mark that is not closed?",
                    too_long(length, self.limit)
                );
                Step::Complaint(Complaint { place: self.start.1, reason })
            }
            Row::TooManyColumns => {
                Step::Complaint(Complaint { place: self.start.1, reason: too_many_columns() })
            }
            Row::End => Step::End,
        })
    }

    fn place(&self, _: &Record, slot: usize) -> Place {
        let column = self.columns.get(slot).copied().unwrap_or(0);
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

    fn original(&self) -> Original {
        if let Some(overlong) = &self.overlong {
            return overlong.clone();
        }
        let row = self.input.available()[..self.held].trim_ascii_end();
        original_of(row, row.len() as u64)
    }
}
