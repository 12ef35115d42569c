//! Results of a scenario.

use std::fmt::Write as _;
use std::time::Duration;

use crate::check::Verdict;
use crate::service::Notes;

/// The figures of a successful scenario.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Messages that were published, each counted once.
    pub messages: u64,
    /// The number of injected faults.
    pub faults: u64,
    /// Messages that are not stored.
    pub lost: u64,
    /// Copies of messages beyond the first.
    pub doubled: u64,
    /// Messages that are kept as rejected, as expected.
    pub rejected: u64,
    /// The service's longest time to readiness after a fault.
    pub slowest_ready: Duration,
    /// The service's peak resident memory, in MiB.
    pub peak_mib: u64,
    /// Further remarks.
    pub remarks: Vec<String>,
}

impl Report {
    pub(crate) fn new(messages: u32, faults: u32, verdict: Verdict, notes: Notes) -> Self {
        Self {
            messages: messages.into(),
            faults: faults.into(),
            lost: verdict.lost,
            doubled: verdict.doubled,
            rejected: verdict.rejected,
            slowest_ready: notes.slowest_ready,
            peak_mib: notes.peak_mib,
            remarks: Vec::new(),
        }
    }

    pub(crate) fn remark(mut self, remark: impl Into<String>) -> Self {
        self.remarks.push(remark.into());
        self
    }
}

/// A Markdown table of the scenarios, with the error of each failed one.
pub fn table(results: &[(String, Result<Report, String>)]) -> String {
    let mut text = String::from(
        "| scenario | messages | faults | lost | doubled | rejected | ready again within | peak memory |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    for (name, result) in results {
        // Infallible: the writer is a string.
        let _ = match result {
            Ok(report) => writeln!(
                text,
                "| {name} | {} | {} | {} | {} | {} | {:.1} s | {} MiB |",
                report.messages,
                report.faults,
                report.lost,
                report.doubled,
                report.rejected,
                report.slowest_ready.as_secs_f64(),
                report.peak_mib
            ),
            Err(why) => writeln!(text, "| {name} | **failed**: {} |", why.lines().next().unwrap_or_default()),
        };
    }
    for (name, result) in results {
        for remark in result.iter().flat_map(|report| &report.remarks) {
            let _ = writeln!(text, "\n{name}: {remark}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_lists_failed_and_successful_scenarios() {
        let held = Report { messages: 5, ..Report::default() }.remark("a remark");
        let results =
            [("one".to_owned(), Ok(held)), ("two".to_owned(), Err("it broke\nat length".to_owned()))];
        let text = table(&results);
        assert!(text.contains("| one | 5 | 0 | 0 | 0 | 0 | 0.0 s | 0 MiB |"), "{text}");
        assert!(text.contains("| two | **failed**: it broke |"), "{text}");
        assert!(text.ends_with("\none: a remark\n"), "{text}");
    }
}
