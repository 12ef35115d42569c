use std::fmt;

use thiserror::Error;

/// A mistake in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentFault {
    /// Where, such as `users[3].email`; empty where it is about the whole document.
    pub path: String,
    /// What is wrong; continues the path. It never repeats a value, which may be personal data.
    pub message: String,
}

impl DocumentFault {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for DocumentFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.is_empty() {
            true => f.write_str(&self.message),
            false => write!(f, "`{}` {}", self.path, self.message),
        }
    }
}

/// Why a document was not imported: every mistake in it, in its order. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct Refusal(pub Vec<DocumentFault>);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        write!(f, "the document has {count} {mistakes}; nothing was changed")?;
        self.0.iter().try_for_each(|fault| write!(f, "\n{fault}"))
    }
}
