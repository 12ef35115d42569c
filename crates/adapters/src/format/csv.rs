//! Comma-separated values and similar formats.

mod header;
mod rows;

use super::{Header, ParserOptions, ReadError, SharedHeader, Start, Step, has_heads, heads, too_long};
use crate::input::Input;
use crate::record::{Complaint, Original, Place, Record};
use crate::source::{CsvFormat, Field};
use header::{Slot, has_number, is_again, is_first_row, is_number, is_value, slots};
use rows::{MAX_COLUMNS, Row, Rows};

pub(super) struct Parser {
    rows: Rows,
    has_header: bool,
    skip_lines: u64,
    skip_rows: u64,
    short_rows: bool,
    fields: Vec<Field>,
    heads: Vec<Option<String>>,
    slots: Vec<Slot>,
    /// The minimum number of columns: up to the last mapped one.
    needed: usize,
    /// Whether a mapped column has a numeric name, so that the header looks like a row.
    has_numeric_name: bool,
    delimiter: u8,
    header: SharedHeader,
}

impl Parser {
    pub(super) fn open(
        mut input: Input,
        format: &CsvFormat,
        fields: &[Field],
        options: &ParserOptions,
        from: Start,
    ) -> Result<Self, ReadError> {
        let was_emptied = input.skip_nuls()? > 0;
        let mut this = Self {
            rows: Rows::new(input, format, options.record_bytes),
            has_header: format.header,
            skip_lines: format.skip_lines,
            skip_rows: format.skip_rows,
            short_rows: format.short_rows,
            fields: fields.to_vec(),
            heads: vec![None; fields.len()],
            slots: Vec::new(),
            needed: 0,
            has_numeric_name: false,
            delimiter: format.delimiter,
            header: options.header.clone(),
        };
        let is_known = from != Start::BEGINNING && this.header.borrow().is_some();
        if !is_known || has_heads(fields) {
            this.read_start(was_emptied, is_known)?;
        }
        if is_known {
            this.set_slots()?;
        }
        if from != Start::BEGINNING {
            this.rows.seek(from)?;
        }
        Ok(this)
    }

    /// Reads what precedes the rows. A file that was emptied while open may have no header: the
    /// previous one is used.
    fn read_start(&mut self, was_emptied: bool, is_known: bool) -> Result<(), ReadError> {
        let inherited = self.header.borrow().clone().filter(|_| self.has_header && !is_known);
        let goes_on = match &inherited {
            Some(header) => self.begins_with_row(header, was_emptied)?,
            None => false,
        };
        let mut head = String::new();
        if !(goes_on || (was_emptied && is_known)) {
            for _ in 0..self.skip_lines {
                self.rows.skip_line(Some(&mut head))?;
            }
            self.rows.begin(Some(&mut head))?;
        }
        self.heads = heads(&self.fields, &head, self.rows.start.1)?;
        if is_known {
            return Ok(());
        }
        if self.has_header && !goes_on {
            self.read_header()?;
        } else {
            self.set_slots()?;
        }
        if !goes_on {
            for _ in 0..self.skip_rows {
                self.rows.row()?;
            }
        }
        Ok(())
    }

    /// Whether a file begins with a row of the previous columns, not with skipped lines or a
    /// header.
    fn begins_with_row(&mut self, header: &Header, was_emptied: bool) -> Result<bool, ReadError> {
        let row = self.rows.row()?;
        let Row::Columns(count) = row else {
            self.rows.unread();
            return Ok(false);
        };
        if self.set_slots().is_err() {
            self.rows.unread();
            return Ok(false);
        }
        let cells = self.rows.cells()?;
        let mapped = self.slots.iter().filter_map(|slot| match slot {
            Slot::Column(column) => cells.get(*column),
            Slot::Head(_) => None,
        });
        // Lines before a header hold numbers, too.
        let (with_value, with_none): (Vec<_>, Vec<_>) = mapped.partition(|cell| is_value(cell));
        let is_row = !with_value.is_empty() || cells.iter().any(|cell| is_number(cell));
        let may_be_head = self.skip_lines > 0 && !was_emptied;
        let is_row = is_row && (!may_be_head || with_none.iter().all(|cell| cell.is_empty()));
        let goes_on = is_row && count == header.names.len() && header.names != cells;
        if goes_on {
            self.rows.pending = Some(row);
        } else {
            self.rows.unread();
        }
        Ok(goes_on)
    }

    fn read_header(&mut self) -> Result<(), ReadError> {
        match self.rows.row()? {
            Row::Columns(_) => {
                let cells = self.rows.cells()?;
                if is_first_row(&cells, &self.fields) {
                    return self.rows.broken(
                        "the first row holds values and no names of columns; if there is no header, set `header = false`",
                    );
                }
                *self.header.borrow_mut() = Some(header::header(cells));
            }
            Row::TooLong => return self.rows.broken("the header is too long"),
            Row::TooManyColumns => return self.rows.broken(too_many_columns()),
            // An empty file has no header, and needs none.
            Row::End => {
                self.slots = vec![Slot::Column(0); self.fields.len()];
                return Ok(());
            }
        }
        self.set_slots()
    }

    fn set_slots(&mut self) -> Result<(), ReadError> {
        let header = self.header.borrow();
        let header = header.as_ref().filter(|_| self.has_header);
        let slots = slots(&self.fields, header, &self.heads);
        self.slots = slots.or_else(|reason| self.rows.broken(reason))?;
        let columns = self.slots.iter().filter_map(|slot| match slot {
            Slot::Column(column) => Some(column + 1),
            Slot::Head(_) => None,
        });
        self.needed = columns.clone().max().unwrap_or(0);
        let name = |column: usize| header.as_ref().and_then(|header| header.names.get(column - 1));
        self.has_numeric_name = columns.filter_map(name).any(|name| is_number(name));
        Ok(())
    }

    /// Whether the current row has lines that are rows themselves: a quotation mark was not closed.
    fn holds_rows(&self, columns: usize) -> bool {
        self.rows.more_lines().any(|line| {
            let cells: Vec<_> =
                line.split(|byte| *byte == self.delimiter).map(String::from_utf8_lossy).collect();
            let is_mapped_value = |slot: &Slot| match slot {
                Slot::Column(column) => cells.get(*column).is_some_and(|cell| is_value(cell)),
                Slot::Head(_) => true,
            };
            cells.len() >= columns && self.slots.iter().all(is_mapped_value)
        })
    }

    fn fill_in(&self, count: usize, record: &mut Record) -> Step {
        let row = match self.rows.input.text(0, self.rows.held) {
            Ok(row) => row,
            Err((place, reason)) => return Step::Complaint(Complaint { place, reason }),
        };
        for (number, slot) in self.slots.iter().enumerate() {
            match slot {
                Slot::Head(text) => record.set(number, text),
                Slot::Column(column) if *column < count => {
                    if let Some(text) = self.rows.column(row, *column) {
                        record.set(number, text);
                    }
                }
                Slot::Column(_) => {}
            }
        }
        let complaint = |reason| Complaint { place: self.rows.start.1, reason };
        if self.holds_rows(count) {
            let reason =
                "one of the lines of this row is a row itself; is there a quotation mark that is not closed?";
            return Step::Misfit(complaint(reason.to_owned()));
        }
        let mut header = self.header.borrow_mut();
        let Some(header) = header.as_mut().filter(|_| self.has_header) else {
            if count >= self.needed {
                return Step::Record;
            }
            let reason = format!("the row has {count} columns, but column {} is mapped", self.needed);
            return Step::Misfit(complaint(reason));
        };
        let columns = header.names.len();
        if self.has_numeric_name && self.rows.cells().is_ok_and(|cells| cells == header.names) {
            return Step::Misfit(complaint("the header appears again".to_owned()));
        }
        let width = *header.row_width.get_or_insert(count);
        // Programs omit columns after the last value, and then in all rows.
        let may_be_short = (self.short_rows || count == width) && count >= self.needed;
        if count == columns || (count < columns && may_be_short && !self.rows.is_open_ended) {
            return Step::Record;
        }
        // A truncated row may end within a number. So may a row that a decimal comma has split.
        // Empty columns do not count.
        let mut more = (columns..count).filter_map(|column| self.rows.column(row, column));
        if count > columns && more.all(|text| text.trim().is_empty()) {
            return Step::Record;
        }
        let hint = match count {
            _ if count > columns => " (is there a delimiter in a value without quotes?)",
            _ if count >= self.needed && !self.rows.is_open_ended => {
                " (if it is whole, set `short_rows = true`)"
            }
            _ => "",
        };
        let complaint = complaint(format!("the row has {count} columns, and the header {columns}{hint}"));
        // A truncated row, or one without an unmapped column, does not discredit the others.
        if (self.needed..columns).contains(&count) {
            Step::Complaint(complaint)
        } else {
            Step::Misfit(complaint)
        }
    }
}

fn too_many_columns() -> String {
    format!("there are more than {MAX_COLUMNS} columns")
}

impl super::Parser for Parser {
    fn next(&mut self, record: &mut Record) -> Result<Step, ReadError> {
        let mut row = self.rows.row()?;
        while !matches!(row, Row::End) && self.rows.passes_over() {
            row = self.rows.row()?;
        }
        let rows = &self.rows;
        record.clear(self.slots.len());
        record.is_open_ended = rows.is_open_ended;
        record.span = rows.start.0..rows.input.offset_after(rows.held);
        (record.line, record.end_line) = (rows.start.1.line, rows.end.line);
        Ok(match row {
            Row::Columns(count) => self.fill_in(count, record),
            Row::TooLong => {
                let length = rows.overlong.as_ref().map_or(0, |original| original.length);
                let reason = format!(
                    "{}; is there a quotation mark that is not closed?",
                    too_long(length, rows.limit)
                );
                Step::Complaint(Complaint { place: rows.start.1, reason })
            }
            Row::TooManyColumns => {
                Step::Complaint(Complaint { place: rows.start.1, reason: too_many_columns() })
            }
            Row::End => Step::End,
        })
    }

    fn place(&self, _: &Record, slot: usize) -> Place {
        match self.slots.get(slot) {
            Some(Slot::Column(column)) => self.rows.place_of(*column),
            _ => self.rows.start.1,
        }
    }

    fn original(&self) -> Original {
        self.rows.original()
    }

    fn nothing(&self) -> String {
        let what = if self.has_header { "there is no row after the header" } else { "there is no row" };
        what.to_owned()
    }

    fn header_again(&mut self) -> Result<Option<String>, ReadError> {
        let header = self.header.borrow().clone().filter(|_| self.has_header && self.rows.held > 0);
        let (Some(header), Ok(cells)) = (header, self.rows.cells()) else { return Ok(None) };
        match is_again(&cells, &header, &self.fields) {
            None => Ok(None),
            Some(false) => Ok(Some("the header appears again".to_owned())),
            Some(true) if has_number(&self.fields, &header) => self
                .rows
                .broken("the header appears again, with other columns; numbered columns are ambiguous"),
            Some(true) => {
                *self.header.borrow_mut() = Some(header::header(cells));
                self.set_slots()?;
                let what = "the header appears again, with other columns; the rows after it are read by it";
                Ok(Some(what.to_owned()))
            }
        }
    }

    fn is_words(&self) -> bool {
        self.has_header && self.rows.cells().is_ok_and(|cells| !cells.iter().any(|cell| is_number(cell)))
    }
}
