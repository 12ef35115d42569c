//! The initialised data folder of a server, as a template. Copying takes a twentieth of the time of
//! an initialisation.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use anyhow::Context as _;

use super::make::Installation;
use crate::program;

/// Increase it when the content of a template changes.
const EDITION: u32 = 2;

/// The option that a server started by root needs.
pub(super) fn account_option() -> Option<&'static str> {
    rustix::process::geteuid().is_root().then_some("--user=root")
}

/// Copies the template for these options to `folder`.
pub(super) fn copy_to(installation: &Installation, options: &[&str], folder: &Path) -> anyhow::Result<()> {
    let template = made(installation, options)?;
    copy(&template, folder).with_context(|| format!("cannot copy {}", template.display()))
}

/// The template for this server; creates it if missing.
fn made(installation: &Installation, options: &[&str]) -> anyhow::Result<PathBuf> {
    let cache = cache_folder();
    let template = cache.join(format!(
        "{}-edition-{EDITION}{}",
        installation.edition()?,
        options.concat().replace('=', "-")
    ));
    if template.is_dir() {
        return Ok(template);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot make the folder {}", cache.display()))?;
    // Concurrent test processes create it once; the others wait for this lock.
    let lock = File::create(template.with_extension("lock")).context("cannot make a lock file")?;
    lock.lock().context("cannot lock the template")?;
    if !template.is_dir() {
        let unfinished = tempfile::Builder::new().prefix("unfinished-").tempdir_in(&cache)?;
        let data = unfinished.path().join("data");
        let mut install = installation.install(&data, unfinished.path())?;
        install.args(account_option()).args(options);
        program::run(&mut install).context("cannot make a data folder")?;
        fs::rename(&data, &template).context("cannot put the template into its place")?;
    }
    Ok(template)
}

/// Cargo's target folder, found by Cargo's tag file, if the running test is in one.
fn cache_folder() -> PathBuf {
    let test = env::current_exe().unwrap_or_default();
    let target = test.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    match target.filter(|target| is_writable(target)) {
        Some(target) => target.join("test-support"),
        None => env::temp_dir().join(format!("mymonit-test-support-{}", rustix::process::geteuid().as_raw())),
    }
}

/// Another user may have compiled the tests.
fn is_writable(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
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
