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
    /// The column of each slot.
    columns: Vec<usize>,
    /// The names of the columns, for messages.
    header: Vec<String>,
    /// The bytes of the current record that are still in the window.
    held: usize,
    output: Vec<u8>,
    ends: Vec<usize>,
    overlong: Option<Original>,
    start: (u64, Place),
}

enum Row {
    /// So many columns.
    Columns(usize),
    TooLong,
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
            columns: Vec::new(),
            header: Vec::new(),
            held: 0,
            output: vec![0; 1 << 10],
            ends: vec![0; 32],
            overlong: None,
            start,
        };
        this.skip_lines()?;
        this.columns = if format.header { this.read_header(fields)? } else { numbers(fields, start.1)? };
        if from != Start::BEGINNING {
            this.held = 0;
            this.reader = reader(format);
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
                if let Err((place, reason)) = self.input.text(0, self.held) {
                    return Err(ReadError::broken(place, reason));
                }
                self.header = (0..count)
                    .map(|column| self.column(column).unwrap_or_default().trim().to_owned())
                    .collect();
            }
            Row::TooLong => return Err(ReadError::broken(place(self), "the header is too long")),
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

    /// The text of a column of the current row.
    fn column(&self, column: usize) -> Option<&str> {
        let end = *self.ends.get(column)?;
        let start = match column.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        std::str::from_utf8(&self.output[start..end]).ok()
    }

    /// Reads a row, whose bytes are held in the window.
    fn row(&mut self) -> Result<Row, ReadError> {
        self.begin()?;
        let (mut scanned, mut written, mut columns, mut at_end) = (0, 0, 0, false);
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
                ReadRecordResult::OutputEndsFull if self.ends.len() >= MAX_COLUMNS => columns = 0,
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record if self.overlong.is_some() || scanned > self.limit => {
                    self.set_aside(scanned);
                    return Ok(Row::TooLong);
                }
                ReadRecordResult::Record => {
                    self.held = scanned;
                    return Ok(Row::Columns(columns));
                }
                ReadRecordResult::End => return Ok(Row::End),
            }
        }
    }

    /// Goes to the start of the next row, past empty lines and comments.
    fn begin(&mut self) -> Result<(), ReadError> {
        self.input.consume(std::mem::take(&mut self.held));
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
        Ok(())
    }

    /// Lets go of bytes of a row that has too many.
    fn set_aside(&mut self, count: usize) {
        let window = self.input.available();
        let original = self.overlong.get_or_insert_with(|| original_of(&window[..SHOWN_BYTES.min(count)], 0));
        original.length += count as u64;
        self.input.consume(count);
    }

    fn fill_in(&self, count: usize, record: &mut Record) -> Step {
        if let Err((place, reason)) = self.input.text(0, self.held) {
            return Step::Complaint(Complaint { place, reason });
        }
        for (slot, column) in self.columns.iter().enumerate() {
            if *column < count
                && let Some(text) = self.column(*column)
            {
                record.set(slot, text);
            }
        }
        // A row that was cut off may end in the middle of a number, which would then be another one.
        if self.format.header && count < self.header.len() {
            let reason = format!("the row has {count} columns, and the header {}", self.header.len());
            return Step::Complaint(Complaint { place: self.start.1, reason });
        }
        Step::Record
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
        (record.line, record.end_line) = (self.start.1.line, self.input.place_after(self.held).line);
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
