use thiserror::Error;

/// A field whose value breaks a rule of the domain. `message` continues the field's name.
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

/// The rule for names: trimmed, not blank, no control characters, at most `max` characters.
pub(crate) fn checked<'a>(field: &'static str, raw: &'a str, max: usize) -> Result<&'a str, InvalidField> {
    let text = existing(field, raw, max)?;
    refuse_bidi_controls(field, text)?;
    Ok(text)
}

/// As [`checked`], with the bidi controls that earlier releases accepted in names.
pub(crate) fn existing<'a>(field: &'static str, raw: &'a str, max: usize) -> Result<&'a str, InvalidField> {
    if raw.trim().is_empty() {
        return Err(InvalidField::new(field, "must not be blank"));
    }
    existing_or_blank(field, raw, max)
}

/// Characters that change the order in which others are shown, so that a name can look like another
/// one (Unicode's property Bidi_Control).
fn refuse_bidi_controls(field: &'static str, text: &str) -> Result<(), InvalidField> {
    let is_bidi_control = |character| {
        matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.is_ascii() && text.chars().any(is_bidi_control) {
        return Err(InvalidField::new(field, "must not contain bidirectional control characters"));
    }
    Ok(())
}

fn existing_or_blank<'a>(field: &'static str, raw: &'a str, max: usize) -> Result<&'a str, InvalidField> {
    let text = raw.trim();
    if text.chars().any(char::is_control) {
        return Err(InvalidField::new(field, "must not contain control characters"));
    }
    if text.chars().count() > max {
        return Err(InvalidField::new(field, format!("must have at most {max} characters")));
    }
    Ok(text)
}

/// Defines a text type that holds only what [`checked`] accepts. Clones share the text, since
/// each of a million measures carries the name of its type.
macro_rules! text_type {
    ($(#[$doc:meta])* $name:ident, $field:literal, $max:literal $(, $further:path)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The greatest number of characters.
            pub const MAX_CHARS: usize = $max;

            /// Takes trimmed text of 1 to [`Self::MAX_CHARS`] characters, no control characters.
            ///
            /// # Errors
            /// Names the field where the text is blank, too long or holds a control character.
            pub fn new(raw: &str) -> Result<Self, $crate::InvalidField> {
                let text = $crate::text::checked($field, raw, Self::MAX_CHARS)?;
                $($further(text)?;)?
                Ok(Self(text.into()))
            }

            /// As [`Self::new`], for text that is stored or looked up: earlier releases accepted
            /// bidi controls.
            ///
            /// # Errors
            /// As [`Self::new`].
            pub fn existing(raw: &str) -> Result<Self, $crate::InvalidField> {
                $crate::text::existing($field, raw, Self::MAX_CHARS).map(|text| Self(text.into()))
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

/// What something is, in words: 0–2,000 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Description(String);

impl Description {
    /// The greatest number of characters.
    pub const MAX_CHARS: usize = 2_000;

    /// Takes trimmed text of up to [`Self::MAX_CHARS`] characters, no control characters.
    ///
    /// # Errors
    /// Names `description` where the text is too long or holds a control character.
    pub fn new(raw: &str) -> Result<Self, InvalidField> {
        let text = existing_or_blank("description", raw, Self::MAX_CHARS)?;
        refuse_bidi_controls("description", text)?;
        Ok(Self(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
    fn a_description_may_be_blank_and_is_refused_by_its_name() {
        assert_eq!(Description::new("  ").unwrap(), Description::default());
        assert_eq!(Description::new(" since 2022 ").unwrap().as_str(), "since 2022");
        assert!(Description::new(&"é".repeat(2_000)).is_ok());
        for raw in ["two\nlines", &"é".repeat(2_001)] {
            assert_eq!(Description::new(raw).unwrap_err().field, "description");
        }
    }

    #[test]
    fn bidi_controls_are_refused_unless_they_are_there_already() {
        for control in ['\u{61c}', '\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            let raw = format!("a{control}b");
            assert_eq!(checked("name", &raw, 10).unwrap_err().field, "name", "{raw:?}");
            assert_eq!(Description::new(&raw).unwrap_err().field, "description", "{raw:?}");
            assert_eq!(existing("name", &raw, 10).unwrap(), raw);
        }
        // Joiners, which scripts and emoji need.
        assert!(checked("name", "\u{1f469}\u{200d}\u{1f52c} \u{5d0}\u{628}", 10).is_ok());
    }

    #[test]
    fn length_counts_characters_not_bytes() {
        assert!(checked("name", &"é".repeat(10), 10).is_ok());
        assert!(checked("name", &"é".repeat(11), 10).is_err());
    }
}
