use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Context as _;
use tokio::sync::OnceCell;

use crate::ports::ReservedPort;
use crate::program;
use crate::supervised::{Program, Supervised, environment, server_lifecycle};

mod make;
mod numbers;
mod small_disk;
mod template;

pub use make::Make;
pub use numbers::numbers;

use make::Installation;

/// A private MariaDB or MySQL server: own data folder and loopback port, no system configuration.
///
/// It survives [`MySqlServer::kill`] but not a power loss (`innodb_flush_method=nosync`).
/// Benchmarks pass other options to [`MySqlServer::start_with`]. Dropping it removes its data.
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

    /// Starts a server with more options, such as `--max-connections=5`, which override the
    /// defaults.
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn start_with(options: &[&str]) -> anyhow::Result<Self> {
        let port = ReservedPort::reserve()?;
        let options = options.iter().map(|option| (*option).to_owned()).collect::<Vec<_>>();
        let number = port.get();
        // Copying the data folder blocks for some 10 ms, creating the template for longer.
        let set_up = tokio::task::spawn_blocking(move || set_up(number, Vec::new(), &options));
        let (installation, server) = set_up.await??;
        let this = Self { installation, server, port };
        this.start_again().await?;
        Ok(this)
    }

    /// Starts a server with a private disk of that many MiB, for [`MySqlServer::fill_disk`].
    /// The disk ends with the server's process, so such a server cannot be restarted.
    ///
    /// Returns `None` if this account may not mount file systems.
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn start_on_small_disk(mebibytes: u32) -> anyhow::Result<Option<Self>> {
        let port = ReservedPort::reserve()?;
        let number = port.get();
        let server = tokio::task::spawn_blocking(move || {
            small_disk::is_possible()
                .then(|| set_up(number, small_disk::command(mebibytes, DATA), &[]))
                .transpose()
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

    /// Frees the space that [`MySqlServer::fill_disk`] has filled.
    ///
    /// # Errors
    /// If the disk was not filled, or the server is not running.
    pub async fn free_disk(&self) -> anyhow::Result<()> {
        let ballast = small_disk::ballast(self.pid()?, &self.data());
        tokio::fs::remove_file(&ballast).await.context("cannot free the disk")
    }

    fn data(&self) -> PathBuf {
        self.server.folder().join(DATA)
    }

    /// The server shared by all tests of this process, started on first use.
    /// Each test uses its own database, from [`MySqlServer::create_database`].
    ///
    /// # Errors
    /// As for [`MySqlServer::start`].
    pub async fn shared() -> anyhow::Result<&'static Self> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// The vendor.
    pub const fn make(&self) -> Make {
        self.installation.make
    }

    /// The port on 127.0.0.1; kept by [`MySqlServer::start_again`].
    pub const fn port(&self) -> u16 {
        self.port.get()
    }

    /// The connection string of a database, for the server's `root`.
    pub fn url(&self, database: &str) -> String {
        format!("mysql://root:{}@127.0.0.1:{}/{database}", make::ROOT_PASSWORD, self.port())
    }

    /// Creates an empty database with a unique name; returns its connection string.
    ///
    /// # Errors
    /// If the server does not answer.
    pub async fn create_database(&self) -> anyhow::Result<String> {
        let name = format!("test_{:016x}", rand::random::<u64>());
        self.execute(&format!("CREATE DATABASE {name}")).await?;
        Ok(self.url(&name))
    }

    /// Runs SQL statements as `root`. Returns the rows, one a line with tabs between the columns.
    ///
    /// # Errors
    /// If a statement fails; the error holds the server's message.
    pub async fn execute(&self, sql: &str) -> anyhow::Result<String> {
        let mut command = self.client()?;
        command.args(["--batch", "--skip-column-names"]);
        command.arg(format!("--execute={sql}"));
        tokio::task::spawn_blocking(move || program::run(&mut command)).await?
    }

    /// The server's own client, signed in as `root`. It reads statements from its standard input,
    /// and takes the name of a database as an argument.
    ///
    /// # Errors
    /// Where the path of the server's folder is not UTF-8.
    pub fn client(&self) -> anyhow::Result<Command> {
        let mut command = self.bare_client();
        command.args(["--user=root", "--default-character-set=utf8mb4"]);
        command.arg(format!("--socket={}", program::text(&self.server.folder().join(SOCKET))?));
        Ok(command)
    }

    /// The server's own client, without address and account.
    pub fn bare_client(&self) -> Command {
        let mut command = Command::new(&self.installation.client);
        command.arg("--no-defaults");
        command
    }
}

server_lifecycle!(MySqlServer, "ready for connections");

const SOCKET: &str = "server.sock";
const DATA: &str = "data";

/// Prepares a server; `wrapper` is a prefix of its command.
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
            // The tests of one process run in parallel, each with its own pool.
            "--max-connections=1000",
            // The default of 10 s is too short on a busy host.
            "--connect-timeout=120",
            "--innodb-flush-method=nosync",
            "--innodb-flush-log-at-trx-commit=2",
        ]
        .map(OsString::from),
    );
    command.extend(installation.own_options().iter().chain(installation.data_options()).map(OsString::from));
    // The last of several values counts, so a test can override all of the above.
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
    // Filled only now, when the supervisor removes the folder.
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
