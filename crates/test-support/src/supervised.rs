use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::output::Output;

const SCRIPT: &str = include_str!("supervise.sh");

/// The time limit for the supervising shell to report a start or an end.
const REPORT: Duration = Duration::from_secs(60);

/// Generous, for busy hosts; a failing server is noticed at once.
pub(crate) const SERVER_START: Duration = Duration::from_secs(120);
pub(crate) const SERVER_STOP: Duration = Duration::from_secs(60);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status.
    Status(i32),
    /// A signal of this number ended it. (A shell tells statuses above 128 as signals.)
    Signal(i32),
}

impl Exit {
    /// Whether it ended by itself with status 0.
    pub const fn success(self) -> bool {
        matches!(self, Self::Status(0))
    }

    const fn from_shell(status: i32) -> Self {
        if status > 128 { Self::Signal(status - 128) } else { Self::Status(status) }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "status {status}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum State {
    New,
    Running(Pid),
    /// How it ended, and the start count.
    Ended(Exit, usize),
}

/// A command and its complete environment; nothing of the test process's environment is inherited.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: String,
    pub(crate) command: Vec<OsString>,
    pub(crate) environment: Vec<(OsString, OsString)>,
    pub(crate) working_folder: PathBuf,
    /// The command line of a process that is started before the program and ended after it.
    pub(crate) companion: Option<String>,
}

/// A program under a supervising shell (`supervise.sh`), which ends it and removes its folder
/// when this value is dropped or the test process ends.
///
/// It needs no async runtime, so tests with different runtimes can share it.
#[derive(Debug)]
pub(crate) struct Supervised {
    name: String,
    folder: PathBuf,
    supervisor: Child,
    orders: Mutex<Option<UnixStream>>,
    state: watch::Receiver<State>,
    output: Output,
}

impl Supervised {
    /// Sets up the supervisor; the program itself is started by [`Supervised::start`].
    pub(crate) fn new(program: Program, folder: TempDir) -> anyhow::Result<Self> {
        let (orders, theirs) = UnixStream::pair().context("cannot make a socket pair")?;
        // A separate session: no Ctrl-C of the terminal, no SIGHUP of a stopped process group.
        let mut command = Command::new("setsid");
        command.args(["sh", "-c", SCRIPT, "supervise"]).arg(folder.path()).args(&program.command);
        command.env_clear().envs(program.environment).current_dir(&program.working_folder);
        if let Some(companion) = program.companion {
            command.env("SUPERVISED_COMPANION", companion);
        }
        command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut supervisor = command.spawn().context("cannot start a shell to supervise with")?;
        // From now on the supervisor removes the folder.
        let folder = folder.keep();
        let stdout = supervisor.stdout.take().context("the supervisor has no standard output")?;
        let stderr = supervisor.stderr.take().context("the supervisor has no standard error")?;
        let reports = orders.try_clone().context("cannot read the supervisor's reports")?;
        Ok(Self {
            name: program.name,
            folder,
            supervisor,
            orders: Mutex::new(Some(orders)),
            state: follow(reports),
            output: Output::read(stdout, stderr),
        })
    }

    /// Starts a server with files in its folder, and waits until a line of its log has the text.
    pub(crate) async fn start_with_files(
        program: Program,
        folder: TempDir,
        files: &[(&str, &str)],
        ready: &str,
    ) -> anyhow::Result<Self> {
        // Filled only now, when the supervisor removes the folder.
        let server = Self::new(program, folder)?;
        for (name, content) in files {
            let file = server.folder.join(name);
            fs::create_dir_all(file.parent().unwrap_or(&server.folder))?;
            fs::write(&file, content).with_context(|| format!("cannot write {}", file.display()))?;
        }
        server.start().await?;
        server.wait_until_ready(0, SERVER_START, |line| line.contains(ready)).await?;
        Ok(server)
    }

    /// The folder that is removed with the program.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn output(&self) -> &Output {
        &self.output
    }

    /// Starts the program, which must not be running.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        if let Some(pid) = self.running() {
            bail!("{} is running already, as process {pid}", self.name);
        }
        let mut state = self.state.clone();
        state.borrow_and_update();
        self.order("start\n").with_context(|| format!("the supervisor of {} is gone", self.name))?;
        timeout(REPORT, state.changed())
            .await
            .with_context(|| format!("{} did not start within {REPORT:?}", self.name))?
            .with_context(|| format!("the supervisor of {} is gone", self.name))
    }

    fn order(&self, order: &str) -> anyhow::Result<()> {
        let orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let mut orders = orders.as_ref().ok_or_else(|| anyhow!("no more orders are taken"))?;
        Ok(orders.write_all(order.as_bytes())?)
    }

    /// The process id while the program runs.
    pub(crate) fn running(&self) -> Option<Pid> {
        match *self.state.borrow() {
            State::Running(pid) => Some(pid),
            State::New | State::Ended(..) => None,
        }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> anyhow::Result<Pid> {
        self.running().ok_or_else(|| anyhow!("{} is not running", self.name))
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.pid()?;
        kill_process(pid, signal)
            .with_context(|| format!("cannot send {signal:?} to {} (process {pid})", self.name))
    }

    /// Sends SIGSTOP and waits until every thread has stopped, which takes long on a busy host.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        let pid = self.pid()?;
        self.signal(Signal::STOP)?;
        let deadline = Instant::now() + REPORT;
        while !is_stopped(pid)? {
            ensure!(Instant::now() < deadline, "{} did not stop within {REPORT:?}", self.name);
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Waits for the end of the program and for all of its output.
    pub(crate) async fn wait_for_exit(&self, within: Duration) -> anyhow::Result<Exit> {
        let mut state = self.state.clone();
        let (exit, ends) = {
            let ended = timeout(within, state.wait_for(|state| !matches!(state, State::Running(_))))
                .await
                .with_context(|| {
                    format!("{} did not end within {within:?}; {}", self.name, self.output.quote())
                })?
                .with_context(|| format!("the supervisor of {} is gone", self.name))?;
            match *ended {
                State::Ended(exit, ends) => (exit, ends),
                State::New | State::Running(_) => bail!("{} has not been started", self.name),
            }
        };
        self.output.wait_for_ends(ends, within).await.with_context(|| self.name.clone())?;
        Ok(exit)
    }

    /// Sends SIGTERM, and waits until the program has ended.
    pub(crate) async fn terminate(&self, within: Duration) -> anyhow::Result<Exit> {
        self.signal(Signal::TERM)?;
        self.wait_for_exit(within).await
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) async fn kill(&self) -> anyhow::Result<Exit> {
        self.signal(Signal::KILL)?;
        self.wait_for_exit(REPORT).await
    }

    /// After a start: waits for the line that reports readiness. Fails at once if the program ends.
    pub(crate) async fn wait_until_ready(
        &self,
        since: usize,
        within: Duration,
        ready: impl Fn(&str) -> bool,
    ) -> anyhow::Result<()> {
        tokio::select! {
            line = self.output.wait_for(since, within, |line| ready(&line.text)) => {
                line.map(drop).with_context(|| format!("{} did not become ready", self.name))
            }
            exit = self.wait_for_exit(within) => {
                Err(anyhow!("{} ended ({}) instead of starting; {}", self.name, exit?, self.output.quote()))
            }
        }
    }
}

impl Drop for Supervised {
    /// Ends the program and waits until its folder is removed.
    fn drop(&mut self) {
        let orders = self.orders.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        // The reading thread has a second handle, so dropping this one would not close the socket.
        if let Some(orders) = orders {
            let _ = orders.shutdown(std::net::Shutdown::Write);
        }
        let _ = self.supervisor.wait();
    }
}

/// Whether every thread of a process has been stopped by a signal.
fn is_stopped(process: Pid) -> anyhow::Result<bool> {
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        // A thread may end meanwhile.
        let Ok(stat) = fs::read_to_string(thread?.path().join("stat")) else { continue };
        // The state follows the name in brackets, which may contain any characters.
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        if state != Some('T') {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Follows the supervisor's reports in a thread of its own.
fn follow(reports: UnixStream) -> watch::Receiver<State> {
    let (sender, receiver) = watch::channel(State::New);
    thread::spawn(move || {
        let mut ends = 0;
        for report in BufReader::new(reports).lines().map_while(Result::ok) {
            match parse(&report) {
                Some(Report::Started(pid)) => drop(sender.send_replace(State::Running(pid))),
                Some(Report::Ended(exit)) => {
                    ends += 1;
                    sender.send_replace(State::Ended(exit, ends));
                }
                None => {}
            }
        }
    });
    receiver
}

/// A report of the supervisor.
enum Report {
    Started(Pid),
    Ended(Exit),
}

fn parse(report: &str) -> Option<Report> {
    let (what, number) = report.split_once(' ')?;
    let number = number.parse().ok()?;
    match what {
        "pid" => Pid::from_raw(number).map(Report::Started),
        "exit" => Some(Report::Ended(Exit::from_shell(number))),
        _ => None,
    }
}

/// Converts pairs of text to the environment of a program.
pub(crate) fn environment<'a, V: AsRef<OsStr> + 'a>(
    pairs: impl IntoIterator<Item = (&'a str, V)>,
) -> Vec<(OsString, OsString)> {
    pairs.into_iter().map(|(name, value)| (OsString::from(name), value.as_ref().to_owned())).collect()
}

/// Implements the lifecycle of a server with a field `server`; a log line reports its readiness.
macro_rules! server_lifecycle {
    ($server:ty, $ready:literal) => {
        impl $server {
            /// The server's process id.
            ///
            /// # Errors
            /// Where it is not running.
            pub fn pid(&self) -> anyhow::Result<rustix::process::Pid> {
                self.server.pid()
            }

            /// Stops the server gracefully and waits until it has ended. Its data stay.
            ///
            /// # Errors
            /// Where it is not running or does not end in time.
            pub async fn stop(&self) -> anyhow::Result<crate::supervised::Exit> {
                self.server.terminate(crate::supervised::SERVER_STOP).await
            }

            /// Ends the server with SIGKILL. Its data on disk stay.
            ///
            /// # Errors
            /// Where it is not running.
            pub async fn kill(&self) -> anyhow::Result<crate::supervised::Exit> {
                self.server.kill().await
            }

            /// Starts the server again with the same port and data, and waits until it is ready.
            ///
            /// # Errors
            /// Where it is running already or does not start.
            pub async fn start_again(&self) -> anyhow::Result<()> {
                let since = self.server.output().count();
                self.server.start().await?;
                let start = crate::supervised::SERVER_START;
                self.server.wait_until_ready(since, start, |line| line.contains($ready)).await
            }

            /// Freezes the server (SIGSTOP): its connections stay open, and nothing answers.
            ///
            /// # Errors
            /// Where it is not running.
            pub fn pause(&self) -> anyhow::Result<()> {
                self.server.freeze()
            }

            /// Lets a frozen server continue.
            ///
            /// # Errors
            /// Where it is not running.
            pub fn resume(&self) -> anyhow::Result<()> {
                self.server.signal(rustix::process::Signal::CONT)
            }
        }
    };
}
pub(crate) use server_lifecycle;
