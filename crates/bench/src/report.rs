//! What the benchmarks print.

use std::time::Duration;

/// Prints a line of the report.
#[expect(clippy::print_stdout, reason = "the report is what a benchmark is run for")]
pub(crate) fn line(text: &str) {
    println!("{text}");
}

/// How many of something were done in a second.
pub(crate) fn per_second(count: u64, took: Duration) -> f64 {
    to_f64(count) / took.as_secs_f64()
}

/// A count as a number to calculate with; exact up to 2^53, which no benchmark reaches.
#[expect(clippy::cast_precision_loss, reason = "no benchmark counts to 2^53")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// The middle one of some figures; of an even number, the greater one of the two in the middle.
pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}
