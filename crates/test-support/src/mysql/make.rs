//! What differs between MariaDB and MySQL servers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::{program, servers};

/// The password of `root` over TCP; not a secret, since the server listens on the loopback address
/// only.
pub(super) const ROOT_PASSWORD: &str = "password";

const SERVER_PACKAGE: &str = "mariadb-server-core";
const CLIENT_PACKAGE: &str = "mariadb-client-core";

/// The vendor of a server. Tests distinguish them only where the two differ by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// MariaDB, as in Debian.
    MariaDb,
    /// MySQL, as in production.
    MySql,
}

/// The programs of one make.
#[derive(Debug)]
pub(super) struct Installation {
    pub(super) make: Make,
    pub(super) server: PathBuf,
    pub(super) client: PathBuf,
}

impl Installation {
    /// Finds the installation for the tests.
    pub(super) fn find() -> anyhow::Result<Self> {
        match servers::unpacked() {
            Some(folder) => Ok(Self {
                make: Make::MySql,
                server: folder.join("usr/sbin/mysqld"),
                client: folder.join("usr/bin/mysql"),
            }),
            None => Ok(Self {
                make: Make::MariaDb,
                server: program::find("mariadbd", SERVER_PACKAGE)?,
                client: program::find("mariadb", CLIENT_PACKAGE)?,
            }),
        }
    }

    /// Vendor and version, as part of a file name.
    pub(super) fn edition(&self) -> anyhow::Result<String> {
        let stated = program::run(Command::new(&self.server).args(["--no-defaults", "--version"]))?;
        let version = stated.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown");
        let name = match self.make {
            Make::MariaDb => "mariadb",
            Make::MySql => "mysql",
        };
        Ok(format!("{name}-{version}").replace(|character: char| !character.is_ascii_alphanumeric(), "-"))
    }

    /// Options that affect the data files, so they must be equal at initialisation and start.
    pub(super) fn data_options(&self) -> &'static [&'static str] {
        match self.make {
            Make::MariaDb => &["--innodb-log-file-size=16M", "--skip-log-bin"],
            Make::MySql => &["--innodb-redo-log-capacity=16M", "--skip-log-bin"],
        }
    }

    /// Whether a test's option affects the data files. MySQL refuses files with another
    /// `lower_case_table_names`; MariaDB accepts them.
    pub(super) fn shapes_data(&self, option: &str) -> bool {
        self.make == Make::MySql && option.starts_with("--lower-case-table-names")
    }

    /// Options of one vendor.
    pub(super) fn own_options(&self) -> &'static [&'static str] {
        match self.make {
            Make::MariaDb => &[],
            // No second protocol with its own port, and no folder for unused SQL file access.
            Make::MySql => &["--mysqlx=OFF", "--secure-file-priv=NULL"],
        }
    }

    /// The command that initialises the data folder and the accounts; `workspace` is for temporary
    /// files.
    pub(super) fn install(&self, data: &Path, workspace: &Path) -> anyhow::Result<Command> {
        let accounts = workspace.join("accounts.sql");
        let create = format!(
            "CREATE USER root@'127.0.0.1' IDENTIFIED BY '{ROOT_PASSWORD}';\n\
             GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        );
        let datadir = format!("--datadir={}", program::text(data)?);
        let mut command;
        match self.make {
            Make::MariaDb => {
                // The bootstrap runs without accounts; FLUSH PRIVILEGES enables them. OR REPLACE:
                // it may have created this account already, for the host's name.
                let create = create.replacen("CREATE USER", "FLUSH PRIVILEGES;\nCREATE OR REPLACE USER", 1);
                std::fs::write(&accounts, create).context("cannot write the accounts")?;
                command = Command::new(program::find("mariadb-install-db", SERVER_PACKAGE)?);
                command.arg("--no-defaults").arg(datadir);
                command.arg(format!("--extra-file={}", program::text(&accounts)?));
                // --force: the host's name may not resolve, and is not needed.
                command.arg("--force");
                command.args([
                    "--auth-root-authentication-method=normal",
                    "--skip-test-db",
                    "--skip-name-resolve",
                ]);
            }
            Make::MySql => {
                std::fs::write(&accounts, create).context("cannot write the accounts")?;
                command = Command::new(&self.server);
                // Insecure: over the socket, in the test's own folder, root needs no password.
                command.args(["--no-defaults", "--initialize-insecure"]).arg(datadir);
                command.arg(format!("--init-file={}", program::text(&accounts)?));
            }
        }
        command.args(self.own_options()).args(self.data_options());
        Ok(command)
    }
}
