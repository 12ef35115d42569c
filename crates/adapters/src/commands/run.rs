use std::env;
use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::exit;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::{FAILED, Failure, NO_BROKER, STOPPED, UNPARSABLE};
use crate::assemble::{Assembler, Outlet};
use crate::broker::Broker;
use crate::cli::Run;
use crate::mapping::Mapping;
use crate::message::{Counts, Draft, Group};
use crate::output::{Output, grouped, print_line};
use crate::pipeline::{Outcome, Pipeline};
use crate::publish::{Ended, Refusal};
use crate::read::{Reading, ReadingError};
use crate::source::{Source, Where};
use crate::state::{Checkpoint, State};

/// Unparsable records that a dry run shows.
const SHOWN: usize = 20;

/// Reads a source and publishes its measures.
pub(super) fn run(run: Run) -> Result<u8, Failure> {
    let mut source = run.source.source().map_err(Failure::wrong)?;
    if run.unparsable.is_some() {
        source.unparsable.clone_from(&run.unparsable);
    }
    if run.dry_run {
        return dry_run(source);
    }
    let broker = Broker::from_environment().map_err(Failure::wrong)?;
    let state = match run.state.clone().or_else(|| source.state.clone()) {
        Some(folder) => folder,
        None => state_folder(&source.name)?,
    };
    let state = State::open(&state)?;
    for hint in &source.hints {
        print_line(hint);
    }
    let output = if run.quiet { Output::quiet() } else { Output::with_progress(length(&source)) };
    let stop = CancellationToken::new();
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let start = Instant::now();
    let is_endless = match &source.place {
        Where::Files(_) => false,
        Where::Folder(folder) => !folder.once,
        Where::StandardInput | Where::Follow(_) => true,
    };
    let pipeline = Pipeline {
        source: Arc::new(source),
        broker,
        state,
        give_up_after: run.give_up_after,
        stop: stop.clone(),
        output: output.clone(),
    };
    let outcome = runtime.block_on(async {
        stop_on_signals(stop)?;
        pipeline.run().await
    });
    output.finish();
    let outcome = outcome?;
    if !run.quiet {
        summarize(&output, &outcome, start);
    }
    Ok(code(&output, &outcome, is_endless))
}

/// The first signal shuts down gracefully, the second one at once.
fn stop_on_signals(stop: CancellationToken) -> io::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                exit(i32::from(STOPPED));
            }
            stop.cancel();
        }
    });
    Ok(())
}

fn state_folder(name: &str) -> Result<PathBuf, Failure> {
    let folder = |variable: &str| env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("STATE_DIRECTORY")
        .or_else(|| folder("XDG_STATE_HOME").map(|state| state.join("mymonit-adapter")))
        .or_else(|| folder("HOME").map(|home| home.join(".local/state/mymonit-adapter")));
    base.map(|base| base.join(name))
        .ok_or_else(|| Failure::wrong("HOME is not set; name the state folder with --state"))
}

/// The size of the input, if known.
fn length(source: &Source) -> Option<u64> {
    let Where::Files(files) = &source.place else { return None };
    files.iter().map(|file| fs::metadata(file).ok().map(|metadata| metadata.len())).sum()
}

fn summarize(output: &Output, outcome: &Outcome, start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    if outcome.caught_up > 0 {
        output.note(&format!(
            "{} messages were left from an earlier run, and were sent first",
            grouped(outcome.caught_up)
        ));
    }
    output.note(&summary(&outcome.counts, "published", seconds));
    if outcome.counts.unparsable > 0 {
        output.note(&format!("the records that could not be read are in {}", outcome.unparsable.display()));
    }
}

fn summary(counts: &Counts, verb: &str, seconds: f64) -> String {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    let rate = (counts.measures as f64 / seconds.max(0.001)) as u64;
    let mut text =
        format!("{} records read, {} measures {verb}", grouped(counts.records), grouped(counts.measures));
    if counts.missing > 0 {
        text += &format!(", {} values missing", grouped(counts.missing));
    }
    if counts.unparsable > 0 {
        text += &format!(", {} records could not be read", grouped(counts.unparsable));
    }
    text + &format!(" ({seconds:.1} s, {} measures/s)", grouped(rate))
}

fn code(output: &Output, outcome: &Outcome, is_endless: bool) -> u8 {
    match &outcome.ended {
        Ended::Refused(Refusal::Refused(why)) => {
            output.note(&format!("the broker refuses: {why}; everything is kept for the next run"));
            NO_BROKER
        }
        Ended::Refused(Refusal::GaveUp(why)) => {
            output.note(&format!("giving up: {why}; everything is kept for the next run"));
            NO_BROKER
        }
        Ended::Stopped(messages) => {
            output.note(&format!(
                "stopped; {} messages or more are kept for the next run",
                grouped(*messages as u64)
            ));
            STOPPED
        }
        Ended::Done if !outcome.is_complete && !is_endless => {
            output.note("stopped before the end; the next run continues from there");
            STOPPED
        }
        Ended::Done if outcome.rejected > 0 => {
            output.note(&format!(
                "the service rejected {} messages; they are listed in {}, and kept in the service",
                grouped(outcome.rejected),
                outcome.unparsable.display()
            ));
            NO_BROKER
        }
        Ended::Done if outcome.broken > 0 || outcome.counts.unparsable > 0 => UNPARSABLE,
        Ended::Done if !is_endless && note_absent(output, &outcome.absent) => UNPARSABLE,
        Ended::Done => 0,
    }
}

/// Reports the fields that no record had; returns whether there are any.
fn note_absent(output: &Output, absent: &[String]) -> bool {
    if !absent.is_empty() {
        let fields = absent.join(", ");
        output.note(&format!("no record has {fields}; if that is valid, set `required = false` for it"));
    }
    !absent.is_empty()
}

/// Counts, and shows the first records that cannot be read.
struct Counting {
    counts: std::rc::Rc<std::cell::RefCell<Counts>>,
    shown: usize,
    output: Output,
}

impl Outlet for Counting {
    fn send(&mut self, group: Group<Draft>) -> io::Result<()> {
        *self.counts.borrow_mut() += group.counts;
        for line in group.unparsable.iter().take(SHOWN.saturating_sub(self.shown)) {
            self.shown += 1;
            self.output.note(&format!("cannot be read: {}", line.trim_end()));
        }
        Ok(())
    }
}

/// Reads everything and publishes nothing.
fn dry_run(mut source: Source) -> Result<u8, Failure> {
    source.place = match source.place {
        Where::Follow(follow) => Where::Files(vec![follow.path]),
        Where::Folder(folder) => {
            Where::Folder(crate::source::Folder { done: None, once: true, grows: false, ..folder })
        }
        other => other,
    };
    let start = Instant::now();
    let output = Output::with_progress(length(&source));
    let counts = std::rc::Rc::new(std::cell::RefCell::new(Counts::default()));
    let outlet = Counting { counts: std::rc::Rc::clone(&counts), shown: 0, output: output.clone() };
    let assembler = Assembler::new(&source.name, source.limits, 0, Box::new(outlet));
    let mapping = Mapping::new(&source);
    let mut reading = Reading::new(
        &source,
        &mapping,
        Checkpoint::new(&source.name),
        assembler,
        CancellationToken::new(),
        output.clone(),
    );
    let read = reading.run();
    output.finish();
    match read {
        Ok(()) | Err(ReadingError::Stopped) => {}
        Err(ReadingError::Io(error)) => return Err(Failure::new(FAILED, error)),
    }
    let counts = *counts.borrow();
    output.note(&format!(
        "dry run, nothing was published: {}",
        summary(&counts, "found", start.elapsed().as_secs_f64())
    ));
    let is_bad =
        reading.broken > 0 || counts.unparsable > 0 || note_absent(&output, &reading.absent_fields());
    Ok(if is_bad { UNPARSABLE } else { 0 })
}
