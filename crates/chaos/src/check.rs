//! Compares stored with published messages as multisets, not only by count.

use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use mymonit_test_support::MySqlServer;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::message::{Catalogue, Content, EPOCH, MAX_MEASURES_PER_MESSAGE, Row, SLOT, number_of_bad};

/// The measures of the example data.
const EXAMPLE_MEASURES: u64 = 10;

/// The result of a comparison.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Messages of which nothing is stored.
    pub(crate) lost: u64,
    /// Copies of messages beyond the first.
    pub(crate) doubled: u64,
    /// Messages that are kept as rejected, as expected.
    pub(crate) rejected: u64,
    /// Messages that are stored in part, or with parts stored unequally often.
    pub(crate) torn: u64,
    /// Rows that match no published message.
    pub(crate) foreign: u64,
}

impl Verdict {
    /// Fails unless the tables hold exactly what was published.
    pub(crate) fn nothing_lost(self) -> anyhow::Result<Self> {
        ensure!(self.lost == 0 && self.torn == 0 && self.foreign == 0, "what is stored is wrong: {self:?}");
        Ok(self)
    }

    /// Fails unless everything published is stored exactly once, and nothing else.
    pub(crate) fn exactly_once(self) -> anyhow::Result<Self> {
        ensure!(self.doubled == 0, "messages are stored more than once: {self:?}");
        self.nothing_lost()
    }
}

/// Compares the tables of a database with the messages 0 to `published` of a catalogue.
pub(crate) async fn compare(
    server: &MySqlServer,
    database: &str,
    catalogue: Catalogue,
    published: u32,
) -> anyhow::Result<Verdict> {
    let mut measure_counts = MeasureCounts::new(catalogue, published);
    each_row(
        server,
        database,
        "SELECT TIMESTAMP, EXPERIMENT_ID, TYPE, MEASURE_VALUE FROM MEASURES",
        |columns| {
            let [timestamp, experiment, measure_type, value] = columns else { bail!("{columns:?}") };
            measure_counts.measure(Row {
                timestamp: timestamp.parse()?,
                experiment: experiment.parse()?,
                measure_type: measure_type.parse()?,
                value: value.parse()?,
            });
            Ok(())
        },
    )
    .await?;
    each_row(
        server,
        database,
        "SELECT HEX(BODY) FROM REJECTED_MESSAGES JOIN REJECTED_MESSAGE_BODIES ON REJECTED_MESSAGE_ID = ID",
        |columns| {
            let [body] = columns else { bail!("{columns:?}") };
            measure_counts.rejected(&unhex(body)?);
            Ok(())
        },
    )
    .await?;
    measure_counts.close()
}

/// How often each measure of each message is stored.
struct MeasureCounts {
    catalogue: Catalogue,
    found: Vec<[u16; MAX_MEASURES_PER_MESSAGE]>,
    rejected: u64,
    /// Rows outside of this catalogue, which may be example data.
    strange: u64,
    foreign: u64,
}

impl MeasureCounts {
    fn new(catalogue: Catalogue, published: u32) -> Self {
        let found = (0..published).map(|_| [0; MAX_MEASURES_PER_MESSAGE]).collect();
        Self { catalogue, found, rejected: 0, strange: 0, foreign: 0 }
    }

    fn measure(&mut self, row: Row) {
        let since = row.timestamp - EPOCH;
        let place = u32::try_from(since / SLOT).ok().zip(usize::try_from(since % SLOT).ok());
        let Some((number, index)) = place else {
            self.strange += 1;
            return;
        };
        let expected = match self.catalogue.content(number) {
            Content::Measures(rows) => rows.get(index).copied(),
            Content::Bad(_) => None,
        };
        match self.found.get_mut(as_index(number)) {
            Some(found) if expected == Some(row) => found[index] = found[index].saturating_add(1),
            Some(_) => self.foreign += 1,
            None => self.strange += 1,
        }
    }

    fn rejected(&mut self, body: &[u8]) {
        let number = number_of_bad(body).filter(|number| self.catalogue.body(*number) == body);
        match number.and_then(|number| self.found.get_mut(as_index(number))) {
            Some(found) => {
                found[0] = found[0].saturating_add(1);
                self.rejected += 1;
            }
            None => self.foreign += 1,
        }
    }

    fn close(self) -> anyhow::Result<Verdict> {
        ensure!(
            self.strange >= EXAMPLE_MEASURES,
            "the measures of the example data are gone; {} rows are not of the publisher",
            self.strange
        );
        let foreign = self.foreign + self.strange - EXAMPLE_MEASURES;
        let mut verdict = Verdict { rejected: self.rejected, foreign, ..Verdict::default() };
        for (number, found) in (0..).zip(&self.found) {
            let count = match self.catalogue.content(number) {
                Content::Measures(rows) => rows.len(),
                Content::Bad(_) => 1,
            };
            let found = &found[..count];
            if found.iter().any(|times| *times != found[0]) {
                verdict.torn += 1;
            } else if found[0] == 0 {
                verdict.lost += 1;
            } else {
                verdict.doubled += u64::from(found[0] - 1);
            }
        }
        Ok(verdict)
    }
}

/// Runs a query with the server's own client and streams its rows, which may be millions.
pub(crate) async fn each_row(
    server: &MySqlServer,
    database: &str,
    query: &str,
    mut take: impl FnMut(&[&str]) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut client = Command::from(server.client()?);
    client.args(["--batch", "--skip-column-names", "--quick", "--execute", query, database]);
    let mut client = client.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
    let mut lines = BufReader::new(client.stdout.take().context("the client's output")?).lines();
    while let Some(line) = lines.next_line().await? {
        take(&line.split('\t').collect::<Vec<_>>()).with_context(|| format!("a row of {query}"))?;
    }
    let status = client.wait().await?;
    ensure!(status.success(), "the client ended with {status} in {query}");
    Ok(())
}

/// Decodes the output of MariaDB's `HEX`.
pub(crate) fn unhex(text: &str) -> anyhow::Result<Vec<u8>> {
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes = text.as_bytes().chunks(2).map(digits).collect::<Option<Vec<u8>>>();
    bytes.context("no hexadecimal digits")
}

fn as_index(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOGUE: Catalogue = Catalogue { seed: 5, with_ids: true };
    const PUBLISHED: u32 = 300;

    /// Counts in which every message is stored once.
    fn kept() -> MeasureCounts {
        let mut measure_counts = MeasureCounts::new(CATALOGUE, PUBLISHED);
        measure_counts.strange = EXAMPLE_MEASURES;
        for number in 0..PUBLISHED {
            enter(&mut measure_counts, number);
        }
        measure_counts
    }

    fn enter(measure_counts: &mut MeasureCounts, number: u32) {
        match CATALOGUE.content(number) {
            Content::Measures(rows) => rows.into_iter().for_each(|row| measure_counts.measure(row)),
            Content::Bad(body) => measure_counts.rejected(&body),
        }
    }

    fn first(wanted: impl Fn(&Content) -> bool) -> u32 {
        (0..PUBLISHED).find(|number| wanted(&CATALOGUE.content(*number))).unwrap()
    }

    fn is_array(content: &Content) -> bool {
        matches!(content, Content::Measures(rows) if rows.len() > 1)
    }

    fn is_bad(content: &Content) -> bool {
        matches!(content, Content::Bad(_))
    }

    #[test]
    fn everything_once_is_right() {
        let verdict = kept().close().unwrap().exactly_once().unwrap();
        assert!(verdict.rejected > 0);
    }

    #[test]
    fn a_message_that_is_missing_is_lost_whether_good_or_bad() {
        for number in [0, first(is_array), first(is_bad)] {
            let mut measure_counts = kept();
            measure_counts.found[as_index(number)] = [0; MAX_MEASURES_PER_MESSAGE];
            let verdict = measure_counts.close().unwrap();
            assert_eq!(verdict.lost, 1);
            verdict.nothing_lost().unwrap_err();
        }
    }

    #[test]
    fn a_repeated_message_is_doubled_whether_good_or_bad() {
        for number in [0, first(is_array), first(is_bad)] {
            let mut measure_counts = kept();
            enter(&mut measure_counts, number);
            let verdict = measure_counts.close().unwrap();
            assert_eq!(verdict.doubled, 1);
            verdict.nothing_lost().unwrap();
            verdict.exactly_once().unwrap_err();
        }
    }

    #[test]
    fn a_part_of_an_array_is_no_message() {
        let mut measure_counts = kept();
        measure_counts.found[as_index(first(is_array))][1] = 0;
        let verdict = measure_counts.close().unwrap();
        assert_eq!((verdict.torn, verdict.lost), (1, 0));
        verdict.nothing_lost().unwrap_err();
    }

    #[test]
    fn unpublished_rows_are_foreign() {
        let Content::Measures(rows) = CATALOGUE.content(first(is_array)) else { unreachable!() };
        let altered = Row { value: rows[0].value + 1.0, ..rows[0] };
        let unpublished = Row { timestamp: EPOCH + i64::from(PUBLISHED) * SLOT, ..rows[0] };
        for row in [altered, unpublished, Row { timestamp: 1, ..rows[0] }] {
            let mut measure_counts = kept();
            measure_counts.measure(row);
            let verdict = measure_counts.close().unwrap();
            assert_eq!(verdict.foreign, 1, "{row:?}");
            verdict.nothing_lost().unwrap_err();
        }
        let mut measure_counts = kept();
        measure_counts.rejected(b"something else");
        assert_eq!(measure_counts.close().unwrap().foreign, 1);
    }
}
