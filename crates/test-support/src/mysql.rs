use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal};
use tokio::sync::OnceCell;

use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Exit, Program, Supervised, environment};

mod make;
mod numbers;
mod small_disk;
mod template;

pub use make::Make;
pub use numbers::numbers;

use make::Installation;

/// Generous, since a machine that compiles beside the tests is slow; a server that fails is noticed at once.
const START: Duration = Duration::from_secs(120);
const STOP: Duration = Duration::from_secs(60);

/// A database server of the test's own, MariaDB or MySQL: own data folder, own port of 127.0.0.1, no system configuration.
///
/// It survives [`MySqlServer::kill`] without loss, as either make does, but leaves the writing of its files to
/// the operating system (`innodb_flush_method=nosync`), which only a loss of power would show. Where
/// that matters, as for a benchmark, give other options to [`MySqlServer::start_with`].
///
/// Dropping it ends the server and removes its data.
#[derive(Debug)]
pub struct MySqlServer {
    installation: Installation,
    server: Supervised,
    port: ReservedPort,
}

static SHARED: OnceCell<MySqlServer> = OnceCell::const_new();

impl MySqlServer {
    /// Starts a server.
    ///
    /// # Errors
    /// Where no server is installed (the error names the Debian package) or does not start.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts a server with further options of the server, such as `--max-connections=5`, which
    /// overrule those that it has anyway.
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn start_with(options: &[&str]) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let options = options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>();
        let number = port.get();
        // Copying the data folder blocks for some hundredths of a second, making the template for longer.
        let set_up = tokio::task::spawn_blocking(move || set_up(number, Vec::new(), &options));
        let (installation, server) = set_up.await??;
        let this = Self { installation, server, port };
        this.start_again().await?;
        Ok(this)
    }

    /// Starts a server whose data lie on a disk of so many MiB, to be filled by [`MySqlServer::fill_disk`]. Nobody else sees
    /// that disk, and it goes with the server's process, so that such a server cannot be started again.
    ///
    /// Gives nothing where this account may not mount anything, as most may not.
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn start_on_small_disk(mebibytes: u32) -> anyhow::Result<Option<Self>> {
        let port = ReservedPort::reserve()?;
        let number = port.get();
        let server = tokio::task::spawn_blocking(move || {
            small_disk::is_possible().then(|| set_up(number, small_disk::command(mebibytes), &[])).transpose()
        });
        let Some((installation, server)) = server.await?? else { return Ok(None) };
        let this = Self { installation, server, port };
        this.start_again().await?;
        Ok(Some(this))
    }

    /// Fills the small disk to its last byte.
    ///
    /// # Errors
    /// Where the server has none, or is not running.
    pub async fn fill_disk(&self) -> anyhow::Result<()> {
        let ballast = small_disk::ballast(self.pid()?, &self.data());
        tokio::task::spawn_blocking(move || small_disk::fill(&ballast)).await?
    }

    /// Gives back what [`MySqlServer::fill_disk`] has taken.
    ///
    /// # Errors
    /// Where nothing was taken, or the server is not running.
    pub async fn free_disk(&self) -> anyhow::Result<()> {
        let ballast = small_disk::ballast(self.pid()?, &self.data());
        tokio::fs::remove_file(&ballast).await.context("cannot free the disk")
    }

    fn data(&self) -> PathBuf {
        self.server.folder().join(DATA)
    }

    /// The server that all tests of this process share, started when the first of them asks for it. Let
    /// each test work in a database of its own, from [`MySqlServer::create_database`], and leave the server
    /// itself alone.
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn shared() -> anyhow::Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Who made it.
    pub const fn make(&self) -> Make {
        self.installation.make
    }

    /// The port of 127.0.0.1 that it listens on; the same after [`MySqlServer::start_again`].
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// The connection string of a database, for the server's `root`.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root:{}@127.0.0.1:{}/{database}", template::ROOT_PASSWORD, self.port())
    }

    /// Makes an empty database with a name that no other has, and gives its connection string.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{:016x}", rand::random::<u64>());
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(&name))
    }

    /// Runs SQL statements as `root`, past whatever the test uses to reach its database. Gives the rows,
    /// one a line with tabs between the columns.
    ///
    /// # Errors
    /// Where a statement fails; the error holds the server's message.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<String> {
        let mut command = self.client()?;
        command.args(["--batch", "--skip-column-names"]);
        command.arg(format!("--execute={sql}"));
        tokio::task::spawn_blocking(move || program::run(&mut command)).await?
    }

    /// The server's own client, signed in as `root`. It reads statements from its standard input, and takes
    /// the name of a database as an argument.
    ///
    /// # Errors
    /// Where the path of the server's folder is not UTF-8.
    pub fn client(&self) -> anyhow::Result<Command> {
        let mut command = self.bare_client();
        command.args(["--user=root", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", program::text(&self.server.folder().join(SOCKET))?));
        Ok(command)
    }

    /// The server's own client, which has yet to be told where to sign in, and as whom.
    pub fn bare_client(&self) -> Command {
        let mut command = Command::new(&self.installation.client);
        command.arg("--no-defaults");
        command
    }

    /// The server's process id.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn pid(&self) -> anyhow::Result<Pid> {
        self.server.pid()
    }

    /// Stops the server gracefully and waits until it has ended. Its data stay.
    ///
    /// # Errors
    /// Where it is not running or does not end in time.
    pub async fn stop(&self) -> anyhow::Result<Exit> {
        self.server.terminate(STOP).await
    }

    /// Ends the server as a crash would (SIGKILL). Its data stay.
    ///
    /// # Errors
    /// Where it is not running.
    pub async fn kill(&self) -> anyhow::Result<Exit> {
        self.server.kill().await
    }

    /// Starts the server again on the same port with the same data, and waits until it accepts
    /// connections.
    ///
    /// # Errors
    /// Where it is running already or does not start.
    pub async fn start_again(&self) -> anyhow::Result<()> {
        let since = self.server.output().count();
        self.server.start().await?;
        self.server.wait_until_ready(since, START, |line| line.contains("ready for connections")).await
    }

    /// Freezes the server (SIGSTOP): its connections stay open, and nothing answers.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.server.freeze()
    }

    /// Lets a frozen server go on.
    ///
    /// # Errors
    /// Where it is not running.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.server.signal(Signal::CONT)
    }
}

const SOCKET: &str = "server.sock";
const DATA: &str = "data";

/// Prepares a server; `wrapper` is a command that runs the one which follows it.
fn set_up(
    port: u16,
    wrapper: Vec<OsString>,
    further_options: &[String],
) -> anyhow::Result<(Installation, Supervised)> {
    let installation = Installation::find()?;
    let folder = tempfile::Builder::new().prefix("mymonit-test-mysql-").tempdir()?;
    let path = program::text(folder.path())?;
    let mut command = wrapper;
    command.extend([installation.server.clone().into(), "--no-defaults".into()]);
    command.extend(template::account_option().map(OsString::from));
    command.extend(
        [
            &format!("--datadir={path}/{DATA}"),
            &format!("--tmpdir={path}/tmp"),
            &format!("--socket={path}/{SOCKET}"),
            &format!("--pid-file={path}/server.pid"),
            &format!("--port={port}"),
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            "--character-set-server=utf8mb4",
            // The tests of one process run at the same time, each with a pool of its own.
            "--max-connections=1000",
            // Ten seconds to sign in are short for a client on a machine that compiles meanwhile.
            "--connect-timeout=120",
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        .map(OsString::from),
    );
    command.extend(installation.own_options().iter().chain(installation.data_options()).map(OsString::from));
    // The server takes the last of several values, so a test can overrule all of the above.
    command.extend(further_options.iter().map(OsString::from));

    let environment = environment([
        ("PATH", env::var_os("PATH").unwrap_or_default()),
        ("HOME", OsString::from(path)),
        ("LC_ALL", OsString::from("C.UTF-8")),
    ]);
    let program = Program {
        name: format!("{:?} on port {port}", installation.make),
        command,
        environment,
        working_folder: folder.path().to_owned(),
        companion: None,
    };
    // From here on the folder goes with the server, whatever happens; so it is filled only now.
    let server = Supervised::new(program, folder)?;
    let shaping: Vec<_> = further_options
        .iter()
        .map(String::as_str)
        .filter(|option| installation.shapes_data(option))
        .collect();
    template::copy_to(&installation, &shaping, &server.folder().join(DATA))?;
    fs::create_dir(server.folder().join("tmp")).context("cannot make a folder for temporary files")?;
    Ok((installation, server))
}
