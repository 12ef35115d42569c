//! A copy of the RabbitMQ installation without plugins, made of links.
//!
//! A node searches the folder of every installed plugin for each module. This halves its start.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::{program, servers};

const PACKAGE: &str = "rabbitmq-server";

/// Debian's `rabbitmq-server` on the `PATH` insists on the system's RabbitMQ account; the script
/// behind it, for which this is a link, does not.
const DEBIAN_SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

/// A folder with RabbitMQ's scripts and plugins.
#[derive(Debug)]
pub(super) struct Installation {
    home: PathBuf,
}

impl Installation {
    pub(super) fn scripts(&self) -> PathBuf {
        self.home.join("sbin")
    }

    pub(super) fn script(&self, name: &str) -> PathBuf {
        self.scripts().join(name)
    }
}

/// The lean installation that [`lean`] makes in a node's folder.
pub(super) fn lean_in(folder: &Path) -> Installation {
    Installation { home: folder.join("installation") }
}

/// Creates a lean installation in a node's folder, with these plugins and their dependencies.
pub(super) fn lean(folder: &Path, plugins: &[String]) -> anyhow::Result<()> {
    let installed = installed()?;
    let lean = lean_in(folder);
    fs::create_dir_all(lean.home.join("plugins")).context("cannot make a folder for RabbitMQ")?;
    for shared in ["sbin", "escript"] {
        symlink(installed.join(shared), lean.home.join(shared))?;
    }
    for application in needed(&installed.join("plugins"), plugins)? {
        let name = application.file_name().context("an application without a name")?;
        symlink(&application, lean.home.join("plugins").join(name))?;
    }
    Ok(())
}

/// The folder of the installed RabbitMQ: the one with `sbin`, `escript` and `plugins`.
fn installed() -> anyhow::Result<PathBuf> {
    let script = match servers::unpacked() {
        Some(folder) => folder.join(DEBIAN_SCRIPT.trim_start_matches('/')),
        None => PathBuf::from(DEBIAN_SCRIPT),
    };
    let script = if script.exists() { script } else { program::find("rabbitmq-server", PACKAGE)? };
    let script = fs::canonicalize(&script).with_context(|| format!("cannot follow {}", script.display()))?;
    match script.ancestors().nth(2) {
        Some(home) if home.join("plugins").is_dir() => Ok(home.to_owned()),
        _ => bail!("{} does not lie in a RabbitMQ installation", script.display()),
    }
}

/// The folders of the broker, the wanted plugins, and their transitive dependencies.
fn needed(plugins: &Path, wanted: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let installed = applications(plugins)?;
    let mut to_look_at = vec![String::from("rabbit")];
    to_look_at.extend_from_slice(wanted);
    let mut needed = BTreeMap::new();
    while let Some(name) = to_look_at.pop() {
        // Applications that are missing here are part of Erlang.
        let Some(folder) = installed.get(&name) else { continue };
        if needed.insert(name.clone(), folder.clone()).is_none() {
            let description = folder.join("ebin").join(format!("{name}.app"));
            let description = fs::read_to_string(&description)
                .with_context(|| format!("cannot read {}", description.display()))?;
            to_look_at.extend(applications_named_in(&description));
        }
    }
    if needed.is_empty() {
        bail!("there is no broker in {}", plugins.display());
    }
    Ok(needed.into_values().collect())
}

/// The installed applications, by name: `ra` is in `ra-2.2.0`.
fn applications(plugins: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let entries = fs::read_dir(plugins).with_context(|| format!("cannot read {}", plugins.display()))?;
    let mut applications = BTreeMap::new();
    for entry in entries {
        let folder = entry?.path();
        let name = folder.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('-'));
        if let Some((name, _version)) = name {
            applications.insert(name.to_owned(), folder);
        }
    }
    Ok(applications)
}

/// The names in `{applications, [kernel, stdlib, …]}` of an Erlang application description.
fn applications_named_in(description: &str) -> Vec<String> {
    let list = description
        .split_once("{applications")
        .and_then(|(_, rest)| rest.split_once('['))
        .and_then(|(_, rest)| rest.split_once(']'))
        .map_or("", |(list, _)| list);
    list.split(',').map(|name| name.trim().trim_matches('\'').to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_applications_that_a_description_names_are_found() {
        let description = "{application, ra,\n [{vsn, \"2\"},\n {applications, [kernel,\n\tstdlib, 'aten']},\n {mod, {a, []}}]}.";
        assert_eq!(applications_named_in(description), ["kernel", "stdlib", "aten"]);
    }
}
