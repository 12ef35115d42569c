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

/// Who made a server. Tests ask only where the two differ by design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// MariaDB, which Debian has.
    MariaDb,
    /// MySQL itself, which production has.
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
    /// The one that the tests are to use.
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

    /// Make and version, in a form that suits a file name.
    pub(super) fn edition(&self) -> anyhow::Result<String> {
        let stated = program::run(Command::new(&self.server).args(["--no-defaults", "--version"]))?;
        let version = stated.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown");
        let name = match self.make {
            Make::MariaDb => "mariadb",
            Make::MySql => "mysql",
        };
        Ok(format!("{name}-{version}").replace(|character: char| !character.is_ascii_alphanumeric(), "-"))
    }

    /// Options that shape the files of any server, and so are the same when they are made and when
    /// they are used.
    pub(super) fn data_options(&self) -> &'static [&'static str] {
        match self.make {
            Make::MariaDb => &["--innodb-log-file-size=16M", "--skip-log-bin"],
            Make::MySql => &["--innodb-redo-log-capacity=16M", "--skip-log-bin"],
        }
    }

    /// Whether an option that a test gives shapes the files, too. MySQL refuses files that were
    /// made with another `lower_case_table_names`; MariaDB takes them.
    pub(super) fn shapes_data(&self, option: &str) -> bool {
        self.make == Make::MySql && option.starts_with("--lower-case-table-names")
    }

    /// Options that only one of them has or needs.
    pub(super) fn own_options(&self) -> &'static [&'static str] {
        match self.make {
            Make::MariaDb => &[],
            // No second protocol with its own port, and no folder for unused SQL file access.
            Make::MySql => &["--mysqlx=OFF", "--secure-file-priv=NULL"],
        }
    }

    /// The command that makes the files of a fresh server, with its accounts; `workspace` is for
    /// what it needs meanwhile.
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
                // Its installation runs without accounts; only after FLUSH PRIVILEGES can one be
                // made. It may have made this one itself, if that is this machine's name.
                let create = create.replacen("CREATE USER", "FLUSH PRIVILEGES;\nCREATE OR REPLACE USER", 1);
                std::fs::write(&accounts, create).context("cannot write the accounts")?;
                command = Command::new(program::find("mariadb-install-db", SERVER_PACKAGE)?);
                command.arg("--no-defaults").arg(datadir);
                command.arg(format!("--extra-file={}", program::text(&accounts)?));
                // --force: the host's name may be impossible to resolve, and is not needed.
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
