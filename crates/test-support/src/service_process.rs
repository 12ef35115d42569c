use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::output::Line;
use crate::supervised::{Exit, Program, Supervised};

/// A built binary under test, in its own empty folder. Its environment has only the test's
/// variables, `PATH`, and `METRICS_PORT`. Dropping it kills the process and removes the folder.
#[derive(Debug)]
pub struct ServiceProcess {
    process: Supervised,
}

/// Builds a [`ServiceProcess`].
#[derive(Debug)]
pub struct ServiceProcessBuilder {
    binary: PathBuf,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    working_folder: Option<PathBuf>,
}

impl ServiceProcessBuilder {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.arguments.push(argument.as_ref().to_owned());
        self
    }

    /// Adds several arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Runs it in this folder, which is not removed.
    #[must_use]
    pub fn working_folder(mut self, folder: impl AsRef<Path>) -> Self {
        self.working_folder = Some(folder.as_ref().to_owned());
        self
    }

    /// Starts the process without waiting for readiness.
    ///
    /// # Errors
    /// Where there is no such file.
    pub async fn start(self) -> anyhow::Result<ServiceProcess> {
        anyhow::ensure!(self.binary.is_file(), "there is no binary {}", self.binary.display());
        let folder = tempfile::Builder::new().prefix("mymonit-test-process-").tempdir()?;
        let mut environment = vec![
            (OsString::from("PATH"), env::var_os("PATH").unwrap_or_default()),
            // Any free port, since services run in parallel; a test may override it.
            (OsString::from("METRICS_PORT"), OsString::from("0")),
        ];
        environment.extend(self.environment);
        let name = self.binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let mut command = vec![self.binary.into_os_string()];
        command.extend(self.arguments);
        let program = Program {
            name,
            command,
            environment,
            working_folder: self.working_folder.unwrap_or_else(|| folder.path().to_owned()),
            companion: None,
        };
        let process = Supervised::new(program, folder)?;
        process.start().await?;
        Ok(ServiceProcess { process })
    }
}

impl ServiceProcess {
    /// Prepares to run a binary, such as `env!("CARGO_BIN_EXE_mymonit")`.
    pub fn builder(binary: impl AsRef<Path>) -> ServiceProcessBuilder {
        ServiceProcessBuilder {
            binary: binary.as_ref().to_owned(),
            arguments: Vec::new(),
            environment: Vec::new(),
            working_folder: None,
        }
    }

    /// The default working folder of the process, removed with this value.
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// The process id.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn pid(&self) -> anyhow::Result<Pid> {
        self.process.pid()
    }

    /// Whether it is running.
    pub fn is_running(&self) -> bool {
        self.process.running().is_some()
    }

    /// All lines so far, of both outputs.
    pub fn lines(&self) -> Vec<Line> {
        self.process.output().lines()
    }

    /// The number of lines so far, for [`ServiceProcess::wait_for_line_after`].
    pub fn line_count(&self) -> usize {
        self.process.output().count()
    }

    /// Waits for a line that contains `text`; earlier lines count.
    ///
    /// # Errors
    /// If no such line appears before the time limit or the end of the process; the error quotes
    /// the last lines.
    pub async fn wait_for_line(&self, text: &str, within: Duration) -> anyhow::Result<Line> {
        self.wait_for_line_after(0, text, within).await
    }

    /// Waits for a line that contains `text`, ignoring the first `count` lines.
    ///
    /// # Errors
    /// As for [`ServiceProcess::wait_for_line`].
    pub async fn wait_for_line_after(
        &self,
        count: usize,
        text: &str,
        within: Duration,
    ) -> anyhow::Result<Line> {
        let output = self.process.output();
        let wanted = |line: &Line| line.text.contains(text);
        let line = tokio::select! {
            line = output.wait_for(count, within, wanted) => line,
            // All its lines have been read by then.
            Ok(_) = self.process.wait_for_exit(within) => output.wait_for(count, Duration::ZERO, wanted).await,
        };
        line.map_err(|error| error.context(format!("no line with {text:?} was printed")))
    }

    /// Sends SIGTERM and waits for the end.
    ///
    /// # Errors
    /// Where it is not running or does not end in time.
    pub async fn terminate(&self, within: Duration) -> anyhow::Result<Exit> {
        self.process.terminate(within).await
    }

    /// Sends SIGINT (Ctrl-C) and waits for the end.
    ///
    /// # Errors
    /// As for [`ServiceProcess::terminate`].
    pub async fn interrupt(&self, within: Duration) -> anyhow::Result<Exit> {
        self.process.signal(Signal::INT)?;
        self.process.wait_for_exit(within).await
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    /// Where it is not running.
    pub async fn kill9(&self) -> anyhow::Result<Exit> {
        self.process.kill().await
    }

    /// Freezes it (SIGSTOP): its connections stay open, and nothing answers.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.process.freeze()
    }

    /// Continues it after a [`ServiceProcess::pause`].
    ///
    /// # Errors
    /// Where it is not running.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.process.signal(Signal::CONT)
    }

    /// Waits for it to end by itself.
    ///
    /// # Errors
    /// Where it does not end in time; the error quotes the last lines.
    pub async fn wait_for_exit(&self, within: Duration) -> anyhow::Result<Exit> {
        self.process.wait_for_exit(within).await
    }

    /// Runs the binary again after its end, in the same folder and environment.
    ///
    /// # Errors
    /// Where it is running still.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        self.process.start().await
    }
}
