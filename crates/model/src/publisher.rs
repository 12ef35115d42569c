use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use crate::text::checked;
use crate::{ExperimentId, InvalidField};

/// The name of a publisher: the broker account that is the `user-id` of its messages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherName(Arc<str>);

impl PublisherName {
    /// The greatest number of bytes, which is AMQP's for a `user-id`.
    pub const MAX_BYTES: usize = 255;
    /// Names that are steps of a path.
    pub const RESERVED: [&str; 2] = [".", ".."];

    /// Takes trimmed text of 1 to [`Self::MAX_BYTES`] bytes without control characters.
    ///
    /// # Errors
    /// Names `name` where the text breaks one of these rules or is [`Self::RESERVED`].
    pub fn new(raw: &str) -> Result<Self, InvalidField> {
        let name = checked("name", raw, Self::MAX_BYTES)?;
        if name.len() > Self::MAX_BYTES {
            return Err(InvalidField::new("name", format!("must have at most {} bytes", Self::MAX_BYTES)));
        }
        if Self::RESERVED.contains(&name) {
            return Err(InvalidField::new("name", "must not be `.` or `..`"));
        }
        Ok(Self(name.into()))
    }

    /// Takes the property `user-id` as it is. An empty one counts as none, and so does one that is
    /// not UTF-8: accounts are UTF-8, and only those that may claim any name can send another.
    pub fn from_user_id(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        (1..=Self::MAX_BYTES).contains(&text.len()).then(|| Self(text.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PublisherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A publisher that an administrator has registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// The broker account.
    pub name: PublisherName,
    /// The experiments that it may publish to; `None` means any.
    pub experiments: Option<BTreeSet<ExperimentId>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_the_broker_accepts_as_an_account() {
        assert_eq!(PublisherName::new(" station-1 ").unwrap().as_str(), "station-1");
        assert!(PublisherName::new(&"é".repeat(127)).is_ok());
        for raw in ["", " ", "a\nb", ".", "..", &"x".repeat(256), &"é".repeat(128)] {
            assert_eq!(PublisherName::new(raw).unwrap_err().field, "name", "{raw:?}");
        }
    }

    #[test]
    fn a_user_id_is_taken_as_it_is() {
        assert_eq!(PublisherName::from_user_id(b" a ").unwrap().as_str(), " a ");
        for bytes in [&b""[..], b"\xff", &[b'x'; 256]] {
            assert_eq!(PublisherName::from_user_id(bytes), None);
        }
    }
}
