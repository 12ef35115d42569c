use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, anyhow, bail, ensure};

/// Where Debian puts server programs; an ordinary user's `PATH` lacks these.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// Finds a program, or names its Debian package in the error.
pub(crate) fn find(name: &str, debian_package: &str) -> anyhow::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .ok_or_else(|| missing(name, debian_package))
}

/// The error for a missing program.
pub(crate) fn missing(name: &str, debian_package: &str) -> anyhow::Error {
    anyhow!(
        "the program {name} is missing; it comes with the Debian package {debian_package}: \
         apt-get install {debian_package}, or ./run-tests.sh, which installs all that the tests need"
    )
}

/// A path as text, for command lines and settings.
pub(crate) fn text(path: &Path) -> anyhow::Result<&str> {
    path.to_str().with_context(|| format!("the path {} is not UTF-8", path.display()))
}

/// Runs a program to its end; returns its output, or an error with it.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {name}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{name} failed ({}): {} {}", output.status, stdout.trim(), stderr.trim());
    }
    Ok(stdout)
}

/// Makes a release build of a program of this workspace, and returns its path.
///
/// # Errors
/// Where the build fails.
pub fn build_release(package: &str, binary: &str) -> anyhow::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo).args(["build", "--release", "--locked", "-p", package]).status()?;
    ensure!(status.success(), "the build of {package} ended with {status}");
    // This program is in `target/debug` or `target/release`.
    let own = env::current_exe()?;
    let target = own.parent().and_then(Path::parent).context("the folder of this program")?;
    Ok(target.join("release").join(binary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_reported_with_the_debian_package_that_brings_it() {
        let error = find("no-such-program", "some-package").unwrap_err().to_string();
        assert!(
            error.contains("no-such-program") && error.contains("apt-get install some-package"),
            "{error}"
        );
    }
}
