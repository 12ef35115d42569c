//! The data folder of a fresh server, made once and copied from then on: copying takes a twentieth of the
//! time that MariaDB needs to make one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

use anyhow::Context as _;

use super::SERVER_PACKAGE;
use crate::program;

/// What `root` signs in with, over TCP; it is no secret, and the server listens on the loopback address only.
pub(super) const ROOT_PASSWORD: &str = "password";

/// To be counted up when anything in this file changes what a template holds.
const EDITION: u32 = 1;

/// Options that shape the files, and so are the same for the template and for the server.
pub(super) fn data_options() -> [&'static str; 2] {
    ["--innodb-log-file-size=16M", "--skip-log-bin"]
}

/// A server started by root wants to be told that this is meant.
pub(super) fn account_option() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// Makes `folder` the data folder of a fresh server.
pub(super) fn copy_to(mariadbd: &Path, folder: &Path) -> anyhow::Result<()> {
    let template = made(mariadbd)?;
    copy(&template, folder).with_context(|| format!("cannot copy {}", template.display()))
}

/// The template for this version of MariaDB, made now if there is none.
fn made(mariadbd: &Path) -> anyhow::Result<PathBuf> {
    let cache = cache_folder();
    let template = cache.join(format!("mariadb-{}-edition-{EDITION}", version(mariadbd)?));
    if template.is_dir() {
        return Ok(template);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot make the folder {}", cache.display()))?;
    // Test processes that start at once make it once: the others wait here, until the file is closed.
    let lock = File::create(template.with_extension("lock")).context("cannot make a lock file")?;
    lock.lock().context("cannot lock the template")?;
    if !template.is_dir() {
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(&cache)?;
        let data = unfinished.path().join("data");
        install(&data, unfinished.path())?;
        fs::rename(&data, &template).context("cannot put the template into its place")?;
    }
    Ok(template)
}

/// Cargo's target folder, known by the tag that Cargo leaves there, where the running test lies in one.
fn cache_folder() -> PathBuf {
    let test = env::current_exe().unwrap_or_default();
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    match target.filter(|target| is_writable(target)) {
        Some(target) => target.join("test-support"),
        None => env::temp_dir().join(format!("mymonit-test-support-{}", rustix::process::geteuid().as_raw())),
    }
}

/// Somebody else may have compiled the tests.
fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// The version that the server states, in a form that suits a file name.
fn version(mariadbd: &Path) -> anyhow::Result<String> {
    let stated = program::run(Command::new(mariadbd).args(["--no-defaults", "--version"]))?;
    let version = stated.split_whitespace().skip_while(|word| *word != "Ver").nth(1).unwrap_or("unknown");
    Ok(version.replace(|character: char| !character.is_ascii_alphanumeric(), "-"))
}

fn install(data: &Path, workspace: &Path) -> anyhow::Result<()> {
    // The installation runs without accounts; only after FLUSH PRIVILEGES can one be made.
    let accounts = workspace.join("accounts.sql");
    fs::write(
        &accounts,
        format!(
            "FLUSH PRIVILEGES;\n\
             CREATE OR REPLACE USER root@'127.0.0.1' IDENTIFIED BY '{ROOT_PASSWORD}';\n\
             GRANT ALL PRIVILEGES ON *.* TO root@'127.0.0.1' WITH GRANT OPTION;\n"
        ),
    )?;
    let program = program::find("mariadb-install-db", SERVER_PACKAGE)?;
    let mut command = Command::new(program);
    command.arg("--no-defaults").args(account_option());
    command.arg(format!("--datadir={}", program::text(data)?));
    command.arg(format!("--extra-file={}", program::text(&accounts)?));
    // --force: also where the machine's own name cannot be looked up, which is of no use here.
    command.arg("--force");
    command.args(["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
    command.args(data_options());
    program::run(&mut command).context("cannot make a data folder").map(drop)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
