use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};

use crate::text::{checked, existing, text_type};
use crate::{Faceted, InvalidField};

text_type! {
    /// The name of a person, 1–100 characters. Personal data: kept in a [`Faceted`].
    PersonName, "name", 100
}

text_type! {
    /// The Firebase UID that a token's `sub` carries, 1–128 characters. Personal data.
    Username, "username", 128
}

/// The staff identification, 1–30 characters. It stays for audit when a user is erased, and it is
/// the only thing about a user that may be logged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(String);

impl UserId {
    /// The greatest number of characters.
    pub const MAX_CHARS: usize = 30;
    /// No ids: `/users/me` is the caller's own record; HTTP clients cannot send dots as a segment.
    pub const RESERVED: [&'static str; 3] = ["me", ".", ".."];

    /// Takes trimmed text of 1–30 characters without control characters.
    ///
    /// # Errors
    /// Names `user_id` where the text breaks one of these rules or is [`Self::RESERVED`].
    pub fn new(raw: &str) -> Result<Self, InvalidField> {
        checked("user_id", raw, Self::MAX_CHARS).and_then(Self::unreserved)
    }

    /// As [`Self::new`], for an id that is stored or looked up: earlier releases accepted bidi
    /// controls.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn existing(raw: &str) -> Result<Self, InvalidField> {
        existing("user_id", raw, Self::MAX_CHARS).and_then(Self::unreserved)
    }

    fn unreserved(id: &str) -> Result<Self, InvalidField> {
        if Self::RESERVED.contains(&id) {
            return Err(InvalidField::new("user_id", "must not be `me`, `.` or `..`"));
        }
        Ok(Self(id.to_owned()))
    }

    /// The identification as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A valid e-mail address of up to 254 characters (RFC 5321 §4.5.3.1). Personal data.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email(String);

impl Email {
    /// The greatest number of characters.
    pub const MAX_CHARS: usize = 254;

    /// Takes a trimmed address such as `phigg@home.cern`; no display name, no address literal.
    ///
    /// # Errors
    /// Names `email` where the text is no such address.
    pub fn new(raw: &str) -> Result<Self, InvalidField> {
        checked("email", raw, Self::MAX_CHARS).and_then(Self::parsed)
    }

    /// As [`Self::new`], for an address that is stored: earlier releases accepted bidi controls.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn existing(raw: &str) -> Result<Self, InvalidField> {
        existing("email", raw, Self::MAX_CHARS).and_then(Self::parsed)
    }

    fn parsed(text: &str) -> Result<Self, InvalidField> {
        let options = Options::default().without_display_text().without_domain_literal();
        EmailAddress::parse_with_options(text, options)
            .map_err(|_| InvalidField::new("email", "must be a valid e-mail address"))?;
        Ok(Self(text.to_owned()))
    }

    /// The address as given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What two addresses share when they differ only in case: the key of their uniqueness.
    pub fn uniqueness_key(&self) -> String {
        self.0.to_lowercase()
    }
}

/// A user's role, which decides the permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Manages users, experiments, associations and rejected messages; reads no measures.
    Admin,
    /// Reads the measures of the associated experiments.
    Scientist,
}

impl Role {
    /// Both roles.
    pub const ALL: [Self; 2] = [Self::Admin, Self::Scientist];

    /// The role as clients and the database know it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Scientist => "SCIENTIST",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = InvalidField;

    fn from_str(raw: &str) -> Result<Self, InvalidField> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == raw)
            .ok_or_else(|| InvalidField::new("role", "must be `ADMIN` or `SCIENTIST`"))
    }
}

/// A user. Personal data is [`Faceted`]; `user_id` and `role` are not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The staff identification.
    pub user_id: UserId,
    /// The person's name.
    pub name: Faceted<PersonName>,
    /// The Firebase UID, unique.
    pub username: Faceted<Username>,
    /// The e-mail address, unique without regard to case.
    pub email: Faceted<Email>,
    /// The role; never changes.
    pub role: Role,
}

/// The fields of a user that can be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserProfile {
    /// The person's name.
    pub name: Faceted<PersonName>,
    /// The Firebase UID.
    pub username: Faceted<Username>,
    /// The e-mail address.
    pub email: Faceted<Email>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_shows_only_id_and_role_when_printed() {
        let user = User {
            user_id: UserId::new("S001").unwrap(),
            name: PersonName::new("Canary Name").unwrap().into(),
            username: Username::new("canary-uid").unwrap().into(),
            email: Email::new("canary@home.cern").unwrap().into(),
            role: Role::Scientist,
        };
        let printed = format!("{user:?}").to_lowercase();
        assert!(!printed.contains("canary"), "{printed}");
        assert!(printed.contains("s001"));
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for raw in ["", "plain", "a@", "@b.c", "a b@c.d", "A <a@b.cd>", "a@[127.0.0.1]", "a@b@c.d"] {
            assert_eq!(Email::new(raw).unwrap_err().field, "email", "{raw:?}");
        }
        assert!(Email::new(&format!("a@{}.cern", "b".repeat(250))).is_err());
    }

    #[test]
    fn addresses_are_compared_without_case() {
        let one = Email::new("PHigg@Home.CERN").unwrap();
        assert_eq!(one.as_str(), "PHigg@Home.CERN");
        assert_eq!(one.uniqueness_key(), "phigg@home.cern");
    }

    #[test]
    fn ids_that_a_path_cannot_name_are_refused() {
        for raw in ["me", " me ", ".", ".."] {
            assert_eq!(UserId::new(raw).unwrap_err().field, "user_id");
        }
        assert!(UserId::new("Me").is_ok());
    }

    #[test]
    fn roles_are_read_exactly() {
        assert_eq!("ADMIN".parse::<Role>().unwrap(), Role::Admin);
        assert_eq!("admin".parse::<Role>().unwrap_err().field, "role");
    }
}
