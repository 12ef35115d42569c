//! Assembles groups, writes them to disk, publishes them, and records them as confirmed. The steps
//! run concurrently, with backpressure to bound memory.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{fs, panic};

use tokio::sync::mpsc::{self, Sender, channel};
use tokio_util::sync::CancellationToken;

use crate::assemble::{Assembler, Outlet};
use crate::broker::Broker;
use crate::mapping::Mapping;
use crate::message::{After, Counts, Draft, Group};
use crate::output::Output;
use crate::publish::{Confirmed, Ended, Publisher};
use crate::read::{Reading, ReadingError, begin, stopped};
use crate::source::Source;
use crate::state::{Checkpoint, FileKey, Spool, State, UnparsableFile, rejected_line};

/// Groups that may wait for the checkpoint, without their messages.
const CONFIRMED_GROUPS: usize = 16;

/// The parameters of a pipeline.
pub(crate) struct Pipeline {
    pub(crate) source: Arc<Source>,
    pub(crate) broker: Broker,
    pub(crate) state: State,
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) stop: CancellationToken,
    pub(crate) output: Output,
}

/// The result of a pipeline.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The records and measures that are confirmed.
    pub(crate) counts: Counts,
    /// Messages that the service has reported as rejected.
    pub(crate) rejected: u64,
    /// Messages of an earlier run that this run has published.
    pub(crate) caught_up: u64,
    /// Streams that could not be read to their end.
    pub(crate) broken: u64,
    /// Fields of values that no record had.
    pub(crate) absent: Vec<String>,
    /// Whether the whole input has been read.
    pub(crate) is_complete: bool,
    pub(crate) ended: Ended,
    pub(crate) unparsable: PathBuf,
}

impl Pipeline {
    /// Runs until everything is done, a stop is requested, or an error ends it.
    ///
    /// # Errors
    /// The source or the state folder cannot be used.
    pub(crate) async fn run(self) -> io::Result<Outcome> {
        let checkpoint_path = self.state.checkpoint();
        let mut checkpoint = Checkpoint::read(&checkpoint_path, &self.source.name)?;
        begin(&self.source, &mut checkpoint)?;
        checkpoint.write(&checkpoint_path)?;
        let spool = Spool::new(self.state.spool());
        let left = spool.left(checkpoint.next_group)?;
        let (known, caught_up) = catch_up(&spool, &left, &checkpoint)?;

        let (assembled, to_spool) = sync_channel(1);
        let (spooled, groups) = channel(1);
        let (confirmed, to_commit) = channel(CONFIRMED_GROUPS);
        let unparsable = self.source.unparsable.clone().unwrap_or_else(|| self.state.unparsable());

        let reader = self.start_reader(known, assembled);
        let spooler = start("spooler", &self.stop, {
            let spool = spool.clone();
            move || spool_groups(&spool, &left, &to_spool, &spooled)
        })?;
        let committer = start("committer", &self.stop, {
            let committer = Committer {
                source: self.source.name.clone(),
                spool,
                checkpoint,
                path: checkpoint_path,
                unparsable: UnparsableFile::new(unparsable.clone()),
                output: self.output.clone(),
            };
            move || committer.run(to_commit)
        })?;
        let publisher = Publisher {
            broker: self.broker.clone(),
            groups,
            confirmed,
            stop: self.stop.clone(),
            give_up_after: self.give_up_after,
            output: self.output.clone(),
        };
        let ended = publisher.run().await;
        if ended != Ended::Done {
            self.stop.cancel();
        }
        let joined = tokio::task::spawn_blocking(move || {
            (join(reader?), join(spooler), join(committer)).into_result()
        });
        let (read, (), (counts, rejected)) = joined.await.map_err(io::Error::other)??;
        Ok(Outcome {
            counts,
            rejected,
            caught_up,
            broken: read.broken,
            absent: read.absent,
            is_complete: read.is_complete,
            ended,
            unparsable,
        })
    }

    fn start_reader(
        &self,
        known: Checkpoint,
        assembled: SyncSender<Group<Draft>>,
    ) -> io::Result<JoinHandle<io::Result<Read>>> {
        let (source, stop, output) = (Arc::clone(&self.source), self.stop.clone(), self.output.clone());
        start("reader", &self.stop, move || {
            let mapping = Mapping::new(&source);
            let next_group = known.next_group;
            let assembler =
                Assembler::new(&source.name, source.limits, next_group, Box::new(ToSpool(assembled)));
            let mut reading = Reading::new(&source, &mapping, known, assembler, stop, output);
            let read = reading.run();
            let (broken, absent) = (reading.broken, reading.absent_fields());
            match read {
                Ok(()) => Ok(Read { broken, absent, is_complete: true }),
                Err(ReadingError::Stopped) => Ok(Read { broken, absent, is_complete: false }),
                Err(ReadingError::Io(error)) => Err(error),
            }
        })
    }
}

struct Read {
    broken: u64,
    absent: Vec<String>,
    is_complete: bool,
}

/// Starts a step in its own thread. If it fails, all steps stop.
fn start<T: Send + 'static>(
    name: &str,
    stop: &CancellationToken,
    step: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<JoinHandle<io::Result<T>>> {
    let stop = stop.clone();
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let guard = stop.drop_guard();
        let result = step();
        if result.is_ok() {
            guard.disarm();
        }
        result
    })
}

fn join<T>(thread: JoinHandle<io::Result<T>>) -> io::Result<T> {
    thread.join().unwrap_or_else(|cause| panic::resume_unwind(cause))
}

/// If several steps have failed, returns the first failure that is not a consequence of another.
trait IntoResult<T> {
    fn into_result(self) -> io::Result<T>;
}

impl<A, B, C> IntoResult<(A, B, C)> for (io::Result<A>, io::Result<B>, io::Result<C>) {
    fn into_result(self) -> io::Result<(A, B, C)> {
        Ok((self.0?, self.1?, self.2?))
    }
}

/// The checkpoint as if all spooled groups of earlier runs were confirmed, and their number of
/// messages.
fn catch_up(spool: &Spool, left: &[u64], checkpoint: &Checkpoint) -> io::Result<(Checkpoint, u64)> {
    let (mut known, mut messages) = (checkpoint.clone(), 0);
    for number in left {
        let group = spool.read(*number)?;
        messages += group.messages.len() as u64;
        known.apply(&group);
        for after in &group.after {
            // A file that is yet to be moved must stay known at its path.
            if let After::Forget(key) = after {
                known.forget(key);
            }
        }
    }
    Ok((known, messages))
}

/// Hands groups to the spooler.
struct ToSpool(SyncSender<Group<Draft>>);

impl Outlet for ToSpool {
    fn send(&mut self, group: Group<Draft>) -> io::Result<()> {
        // The spooler has ended because a later step has stopped.
        self.0.send(group).map_err(|_| stopped())
    }
}

/// Forwards the groups of earlier runs, then new groups once they are on disk.
fn spool_groups(
    spool: &Spool,
    left: &[u64],
    assembled: &Receiver<Group<Draft>>,
    spooled: &Sender<Group>,
) -> io::Result<()> {
    for number in left {
        if spooled.blocking_send(spool.read(*number)?).is_err() {
            return Ok(());
        }
    }
    while let Ok(group) = assembled.recv() {
        let group = group.named();
        spool.write(&group)?;
        // The publisher has stopped; the next run publishes what is on disk.
        if spooled.blocking_send(group).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Performs the remaining actions of confirmed groups, and updates the checkpoint.
struct Committer {
    source: String,
    spool: Spool,
    checkpoint: Checkpoint,
    path: PathBuf,
    unparsable: UnparsableFile,
    output: Output,
}

impl Committer {
    /// Returns the confirmed counts of this run, and the number of rejected messages.
    fn run(mut self, mut confirmed: mpsc::Receiver<Confirmed>) -> io::Result<(Counts, u64)> {
        let (mut counts, mut rejected) = (Counts::default(), 0);
        while let Some(first) = confirmed.blocking_recv() {
            let mut next = Some(first);
            let mut groups = Vec::new();
            // One checkpoint for all groups that are available.
            while let Some(confirmed_next) = next {
                match confirmed_next {
                    Confirmed::Group(group) => {
                        self.finish(&group)?;
                        counts += group.counts;
                        groups.push(group);
                    }
                    Confirmed::Rejected(rejection) => {
                        rejected += 1;
                        self.put_aside(&[rejected_line(&self.source, &rejection)])?;
                    }
                }
                next = confirmed.try_recv().ok();
            }
            self.checkpoint.write(&self.path)?;
            for group in &groups {
                self.spool.remove(group.number)?;
            }
        }
        Ok((counts, rejected))
    }

    fn put_aside(&mut self, lines: &[String]) -> io::Result<()> {
        let before = self.checkpoint.unparsable_bytes;
        self.checkpoint.unparsable_bytes = self.unparsable.append(before, lines)?;
        Ok(())
    }

    /// Each action is idempotent: a kill before the checkpoint repeats it.
    fn finish(&mut self, group: &Group) -> io::Result<()> {
        // The checkpoint would claim that everything before this group has been sent.
        if group.number != self.checkpoint.next_group {
            let why =
                format!("group {} was confirmed before group {}", group.number, self.checkpoint.next_group);
            return Err(io::Error::other(why));
        }
        self.put_aside(&group.unparsable)?;
        self.checkpoint.apply(group);
        for after in &group.after {
            match after {
                After::Move { key, from, to } => {
                    move_into(key, from, to, &self.output)?;
                    self.checkpoint.forget(key);
                }
                After::Forget(key) => self.checkpoint.forget(key),
            }
        }
        Ok(())
    }
}

/// Moves a file into a folder, under an unused name.
fn move_into(key: &FileKey, from: &Path, folder: &Path, output: &Output) -> io::Result<()> {
    let is_there = fs::metadata(from).is_ok_and(|metadata| FileKey::of(&metadata).is_same_file(key));
    if !is_there {
        // The file has been moved already, and another one may have its path.
        return Ok(());
    }
    let name = from.file_name().unwrap_or_default();
    let mut to = folder.join(name);
    for number in 1.. {
        if !to.exists() {
            break;
        }
        let mut name = name.to_owned();
        name.push(format!(".{number}"));
        to = folder.join(name);
    }
    fs::rename(from, &to)
        .inspect_err(|_| output.note(&format!("{} cannot be moved to {}", from.display(), to.display())))
}
