//! Messages on standard error, and the progress bar.

use std::io::{IsTerminal, Write as _, stderr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Writes messages above the progress bar, if there is one.
#[derive(Debug, Clone)]
pub(crate) struct Output(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    is_quiet: bool,
    bar: Option<ProgressBar>,
    last_repeated: Mutex<String>,
}

impl Output {
    fn new(is_quiet: bool, bar: Option<ProgressBar>) -> Self {
        Self(Arc::new(Inner { is_quiet, bar, last_repeated: Mutex::default() }))
    }

    /// Writes errors and warnings only.
    pub(crate) fn quiet() -> Self {
        Self::new(true, None)
    }

    /// Shows a progress bar for `bytes` on a terminal.
    pub(crate) fn with_progress(bytes: Option<u64>) -> Self {
        let Some(bytes) = bytes.filter(|bytes| *bytes > 0 && stderr().is_terminal()) else {
            return Self::new(false, None);
        };
        let bar = ProgressBar::new(bytes);
        let style = "{wide_bar} {percent:>3} %  {bytes_per_sec}  {msg}  {eta} left";
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self::new(false, Some(bar))
    }

    /// Moves the bar.
    pub(crate) fn progress(&self, bytes: u64, measures: u64) {
        if let Some(bar) = &self.0.bar {
            bar.set_position(bytes);
            bar.set_message(format!("{} measures", grouped(measures)));
        }
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.0.bar {
            bar.finish_and_clear();
        }
    }

    /// Writes a message, unless `--quiet` is set.
    pub(crate) fn info(&self, text: &str) {
        if !self.0.is_quiet {
            self.note(text);
        }
    }

    /// Writes a message.
    pub(crate) fn note(&self, text: &str) {
        let print = || print_line(text);
        match &self.0.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
        if let Ok(mut last) = self.0.last_repeated.lock() {
            last.clear();
        }
    }

    /// Writes a message once, however often it repeats.
    pub(crate) fn repeated(&self, text: &str) {
        let is_new = {
            let mut last = self.0.last_repeated.lock().unwrap_or_else(PoisonError::into_inner);
            let is_new = *last != text;
            text.clone_into(&mut last);
            is_new
        };
        if is_new {
            self.note(text);
            text.clone_into(&mut self.0.last_repeated.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Prints a line on standard error. A closed or full standard error is ignored.
pub(crate) fn print_line(text: &str) {
    let _ = writeln!(stderr(), "mymonit-adapter: {text}");
}

/// A number with commas between its thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.char_indices() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(number), text);
        }
    }
}
