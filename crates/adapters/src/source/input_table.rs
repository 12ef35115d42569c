//! `[input]`: where the source is.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::wrong;
use super::{Folder, Follow, SourceError, Where};

const SETTLE_SECONDS: f64 = 2.0;
/// Programs with buffered output flush within lines.
const LAST_LINE_SECONDS: f64 = 60.0;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputTable {
    pub(super) files: Option<Vec<PathBuf>>,
    pub(super) follow: Option<PathBuf>,
    pub(super) folder: Option<PathBuf>,
    pub(super) stdin: Option<bool>,
    pub(super) rotated: Option<String>,
    pub(super) start: Option<Start>,
    pub(super) pattern: Option<String>,
    pub(super) settle_seconds: Option<f64>,
    pub(super) last_line_seconds: Option<f64>,
    pub(super) done: Option<PathBuf>,
    pub(super) once: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Start {
    Beginning,
    End,
}

impl InputTable {
    pub(super) fn place(self, at: &dyn Fn(PathBuf) -> PathBuf) -> Result<Where, SourceError> {
        self.check_owners()?;
        let chosen =
            [self.files.is_some(), self.follow.is_some(), self.folder.is_some(), self.stdin == Some(true)];
        if chosen.iter().filter(|is_chosen| **is_chosen).count() > 1 {
            return Err(SourceError(
                "`[input]` has several of `files`, `follow`, `folder` and `stdin`; allowed is one of them"
                    .to_owned(),
            ));
        }
        if let Some(files) = self.files {
            if files.is_empty() {
                return Err(SourceError("`input.files` is empty".to_owned()));
            }
            return Ok(Where::Files(files.into_iter().map(at).collect()));
        }
        if self.follow.is_some() {
            return self.follow(at);
        }
        if let Some(path) = self.folder {
            let pattern = self.pattern.unwrap_or_else(|| "*".to_owned());
            check_pattern("input.pattern", &pattern)?;
            return Ok(Where::Folder(Folder {
                path: at(path),
                pattern,
                grows: false,
                from_end: false,
                settle: seconds("settle_seconds", self.settle_seconds, SETTLE_SECONDS)?,
                last_line: seconds("last_line_seconds", self.last_line_seconds, LAST_LINE_SECONDS)?,
                done: self.done.map(at),
                once: self.once.unwrap_or(false),
            }));
        }
        Ok(Where::StandardInput)
    }

    fn follow(self, at: &dyn Fn(PathBuf) -> PathBuf) -> Result<Where, SourceError> {
        let path = self.follow.unwrap_or_default();
        let file = path.file_name().and_then(|file| file.to_str());
        let file =
            file.ok_or_else(|| wrong("input.follow", &path.display().to_string(), "the path of a file"))?;
        let from_end = self.start == Some(Start::End);
        if file.contains(['*', '?', '[']) {
            check_pattern("input.follow", file)?;
            if self.rotated.is_some() {
                let why = "`input.rotated` belongs to an `input.follow` that names one file";
                return Err(SourceError(why.to_owned()));
            }
            let folder = path.parent().unwrap_or(std::path::Path::new(""));
            let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder.to_owned() };
            return Ok(Where::Folder(Folder {
                path: at(folder),
                pattern: file.to_owned(),
                grows: true,
                from_end,
                settle: Duration::ZERO,
                last_line: seconds("last_line_seconds", self.last_line_seconds, LAST_LINE_SECONDS)?,
                done: None,
                once: false,
            }));
        }
        let rotated = self.rotated.unwrap_or_else(|| format!("{}[.-]*", glob::Pattern::escape(file)));
        check_pattern("input.rotated", &rotated)?;
        Ok(Where::Follow(Follow { path: at(path), rotated, from_end }))
    }

    fn check_owners(&self) -> Result<(), SourceError> {
        let (folder, follow) = (self.folder.is_some(), self.follow.is_some());
        let belongs = [
            ("rotated", self.rotated.is_some(), "follow", follow),
            ("start", self.start.is_some(), "follow", follow),
            ("pattern", self.pattern.is_some(), "folder", folder),
            ("settle_seconds", self.settle_seconds.is_some(), "folder", folder),
            ("last_line_seconds", self.last_line_seconds.is_some(), "folder", folder || follow),
            ("done", self.done.is_some(), "folder", folder),
            ("once", self.once.is_some(), "folder", folder),
        ];
        match belongs.iter().find(|(_, is_set, _, has_owner)| *is_set && !has_owner) {
            None => Ok(()),
            Some((key, _, owner, _)) => {
                Err(SourceError(format!("`input.{key}` belongs to `input.{owner}`, which is not set")))
            }
        }
    }
}

fn seconds(key: &str, held: Option<f64>, default: f64) -> Result<Duration, SourceError> {
    Duration::try_from_secs_f64(held.unwrap_or(default))
        .map_err(|_| SourceError(format!("`input.{key}` must not be negative")))
}

fn check_pattern(key: &str, pattern: &str) -> Result<(), SourceError> {
    glob::Pattern::new(pattern).map(drop).map_err(|error| {
        SourceError(format!("`{key}` is `{pattern}`, which is not a pattern for names: {error}"))
    })
}
