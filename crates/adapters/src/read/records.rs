//! Reads and classifies the records of one stream.

use std::io;

use mymonit_model::Timestamp;

use super::{LastLine, Reading, StreamEnd, stopped};
use crate::format::{Parser, ReadError, Start, Step};
use crate::mapping::{Context, Made};
use crate::record::{Complaint, Original, Place, Record};
use crate::source::Where;

/// The maximum number of rows of words after a header, such as units.
const MAX_ROWS_OF_WORDS: usize = 3;
/// After this many records without any value the description is probably wrong.
const SUSPICIOUS_RECORDS: u64 = 100;
/// How often to show progress, in records.
const PROGRESS_EVERY: u64 = 1_024;

pub(super) struct Records<'r, 'a> {
    reading: &'r mut Reading<'a>,
    parser: Box<dyn Parser>,
    /// Records before this position have been handed on already.
    from: Start,
    last_line: LastLine,
    record: Record,
    /// The number of the next record.
    row: u64,
    /// Rows of words after the header: units if a value follows, else bad records.
    words: Vec<(Record, Complaint, Original)>,
    has_rows: bool,
    tally: Tally,
}

/// Counts of the records of a stream.
#[derive(Debug, Default)]
struct Tally {
    good: u64,
    bad: u64,
    /// Bad records that contradict the header.
    misfits: u64,
    /// Whether any record had the field of a value.
    has_value: bool,
}

/// The classification of a record.
enum Found {
    Good(Made),
    Bad(Complaint),
    Misfit(Complaint),
    /// Not a record of values, and not counted as one.
    Header(Complaint),
    Words(Complaint),
}

impl<'r, 'a> Records<'r, 'a> {
    pub(super) fn new(
        reading: &'r mut Reading<'a>,
        parser: Box<dyn Parser>,
        from: Start,
        last_line: LastLine,
    ) -> Self {
        Self {
            reading,
            parser,
            from,
            last_line,
            record: Record::default(),
            row: 0,
            words: Vec::new(),
            has_rows: false,
            tally: Tally::default(),
        }
    }

    /// Reads to the end of the stream.
    pub(super) fn read(mut self) -> Result<StreamEnd, ReadError> {
        let (mut records, mut last_line_number) = (0_u64, 1);
        loop {
            let step = self.parser.next(&mut self.record)?;
            if step == Step::End {
                self.reject_words()?;
                self.check_end()?;
                let (offset, line) = (self.record.span.end, self.record.end_line.max(last_line_number));
                return Ok(StreamEnd::Whole { offset, line, fits: self.tally.fits() });
            }
            if self.record.is_open_ended && self.last_line == LastLine::Leave {
                return Ok(StreamEnd::OpenLine);
            }
            let found = self.found(step)?;
            self.row += u64::from(!matches!(found, Found::Header(_) | Found::Words(_)));
            if self.record.span.end > self.from.offset {
                self.hand_on(found)?;
            }
            last_line_number = self.record.end_line;
            records += 1;
            if records.is_multiple_of(PROGRESS_EVERY) {
                let reading = &*self.reading;
                reading.output.progress(reading.passed_bytes + self.record.span.end, reading.measures);
                // Data from a pipe cannot be read again.
                if reading.stop.is_cancelled() && reading.source.place != Where::StandardInput {
                    return Err(stopped().into());
                }
            }
        }
    }

    fn found(&mut self, step: Step) -> Result<Found, ReadError> {
        let is_first = !std::mem::replace(&mut self.has_rows, true);
        let is_misfit = matches!(step, Step::Misfit(_));
        match step {
            Step::Record => {}
            Step::Complaint(complaint) | Step::Misfit(complaint) => {
                return Ok(match self.parser.header_again()? {
                    Some(reason) => Found::Header(Complaint { reason, ..complaint }),
                    None if is_misfit => Found::Misfit(complaint),
                    None => Found::Bad(complaint),
                });
            }
            Step::End => return Ok(Found::Good(Made::default())),
        }
        // Read the clock only if it is used.
        let arrival = if self.reading.wants_arrival { Timestamp::now() } else { Timestamp::UNIX_EPOCH };
        let context = Context { arrival, row: self.row };
        let reading = &mut *self.reading;
        reading.json.clear();
        let made = reading.mapping.append(&self.record, context, &mut reading.json);
        let Some(first) = made.problems.first() else { return Ok(Found::Good(made)) };
        let place = self.parser.place(&self.record, first.slot);
        if made.measures > 0 {
            return Ok(Found::Good(made));
        }
        if let Some(reason) = self.parser.header_again()? {
            let place = Place { line: self.record.line, column: 1 };
            return Ok(Found::Header(Complaint { place, reason }));
        }
        let complaint = Complaint { place, reason: reasons(&made) };
        let may_be_words = self.from == Start::BEGINNING || self.reading.mapping.wants_row();
        let follows_header = is_first || (!self.words.is_empty() && self.words.len() < MAX_ROWS_OF_WORDS);
        if may_be_words && follows_header && self.parser.is_words() {
            return Ok(Found::Words(complaint));
        }
        Ok(Found::Bad(complaint))
    }

    fn hand_on(&mut self, found: Found) -> Result<(), ReadError> {
        match found {
            Found::Words(complaint) => {
                self.words.push((self.record.clone(), complaint, self.parser.original()));
                return Ok(());
            }
            Found::Good(made) => self.push(&made)?,
            Found::Bad(complaint) => self.reject(&complaint)?,
            Found::Misfit(complaint) | Found::Header(complaint) => {
                self.tally.misfits += 1;
                self.reject(&complaint)?;
            }
        }
        Ok(())
    }

    fn push(&mut self, made: &Made) -> io::Result<()> {
        if let (Some((first, ..)), Some((last, ..))) = (self.words.first(), self.words.last()) {
            self.reading.output.info(&format!(
                "{}: lines {} to {} hold words and no values; they are treated as units",
                self.name(),
                first.line,
                last.line
            ));
            self.words.clear();
        }
        self.tally.good += 1;
        self.tally.has_value |= made.has_value;
        if self.tally.good == SUSPICIOUS_RECORDS && !self.tally.has_value {
            let fields = self.reading.mapping.expected_fields().join(", ");
            self.reading.output.note(&format!("{}: none of the first records has {fields}", self.name()));
        }
        self.reading.measures += made.measures as u64;
        let mut assembler = self.reading.assembler.borrow_mut();
        let json = &self.reading.json;
        match made.problems.first() {
            None => assembler.push(&self.record, json, made, None),
            Some(first) => {
                self.tally.bad += 1;
                let place = self.parser.place(&self.record, first.slot);
                let complaint = Complaint { place, reason: reasons(made) };
                assembler.push(&self.record, json, made, Some((&complaint, &self.parser.original())))
            }
        }
    }

    fn reject(&mut self, complaint: &Complaint) -> io::Result<()> {
        self.reject_words()?;
        self.tally.bad += 1;
        self.reading.reject(&self.record, complaint, &self.parser.original())
    }

    fn reject_words(&mut self) -> io::Result<()> {
        for (record, complaint, original) in std::mem::take(&mut self.words) {
            self.tally.bad += 1;
            self.reading.reject(&record, &complaint, &original)?;
        }
        Ok(())
    }

    /// Refuses a stream that has content and no record, or no record with a value.
    fn check_end(&mut self) -> Result<(), ReadError> {
        if self.from != Start::BEGINNING {
            return Ok(());
        }
        self.reading.fresh_records += self.tally.good;
        let place = Place { line: 1, column: 1 };
        if self.tally.good + self.tally.bad == 0 {
            if self.record.span.end == 0 {
                if !self.reading.may_grow() {
                    self.reading.output.info(&format!("{} is empty", self.name()));
                }
                return Ok(());
            }
            if self.reading.may_grow() || self.last_line == LastLine::Leave {
                return Ok(());
            }
            return Err(ReadError::Broken(Complaint { place, reason: self.parser.nothing() }));
        }
        let fields = self.reading.mapping.expected_fields();
        if self.tally.bad == 0 && !self.tally.has_value && !fields.is_empty() && !self.reading.may_grow() {
            self.reading.assembler.borrow_mut().go_back(self.from.offset, self.from.line);
            let reason = format!("none of the {} records has {}", self.tally.good, fields.join(", "));
            return Err(ReadError::Broken(Complaint { place, reason }));
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.reading.assembler.borrow().stream_name().unwrap_or_default().to_owned()
    }
}

impl Tally {
    /// Whether the records fit the description.
    fn fits(&self) -> bool {
        self.misfits == 0 && (self.good > 0 || self.bad == 0)
    }
}

fn reasons(made: &Made) -> String {
    let reasons: Vec<_> = made.problems.iter().map(|problem| problem.reason.as_str()).collect();
    reasons.join("; ")
}
