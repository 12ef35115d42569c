use thiserror::Error;

/// A field whose value breaks a rule of the domain. `message` reads on after the field's name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{field}` {message}")]
pub struct InvalidField {
    /// The field's name as clients and publishers know it.
    pub field: &'static str,
    /// What is wrong with it; never repeats the value, which may be personal data.
    pub message: String,
}

impl InvalidField {
    /// A refusal of `field` for the given reason.
    pub fn new(field: &'static str, message: impl Into<String>) -> Self {
        Self { field, message: message.into() }
    }
}

/// The rule for all text (specification §2): trimmed, not blank, no control characters, at most
/// `max` characters, any Unicode otherwise.
pub(crate) fn checked(field: &'static str, raw: &str, max: usize) -> Result<String, InvalidField> {
    let text = raw.trim();
    if text.is_empty() {
        return Err(InvalidField::new(field, "must not be blank"));
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidField::new(field, "must not contain control characters"));
    }
    if text.chars().count() > max {
        return Err(InvalidField::new(field, format!("must have at most {max} characters")));
    }
    Ok(text.to_owned())
}

/// Defines a text type that holds only what [`checked`] lets through. Clones share the text, since each of a million
/// measures carries the name of its type.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The greatest number of characters.
            pub const MAX_CHARS: usize = $max;

            /// Takes trimmed text of 1 to [`Self::MAX_CHARS`] characters without control characters.
            ///
            /// # Errors
            /// Names the field where the text is blank, too long or holds a control character.
            pub fn new(raw: &str) -> Result<Self, $crate::InvalidField> {
                $crate::text::checked($field, raw, Self::MAX_CHARS).map(|text| Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
pub(crate) use text_type;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_trimmed_and_keeps_any_unicode() {
        assert_eq!(checked("name", "  Zoë \u{1f600} 黒穴 ", 10).unwrap(), "Zoë \u{1f600} 黒穴");
    }

    #[test]
    fn blank_long_and_control_text_is_refused_by_field_name() {
        for raw in ["", "   ", "\u{2003}", "a\u{0}b", "a\nb", "a\u{7f}b", "a\u{85}b", "elevenchars"] {
            let refusal = checked("name", raw, 10).unwrap_err();
            assert_eq!(refusal.field, "name", "{raw:?}");
        }
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(checked("name", &"é".repeat(10), 10).is_ok());
        assert!(checked("name", &"é".repeat(11), 10).is_err());
    }
}
