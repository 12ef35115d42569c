use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Record};

/// The greatest length of a text in bytes. A bound for lines bounds the buffer for Logstash.
const MAX_TEXT: usize = 8 * 1024;

/// The value of a field, as it is to be printed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Integer(i128),
    Number(f64),
    Truth(bool),
}

/// Names and values, in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Fields(pub(crate) Vec<(&'static str, Value)>);

impl Fields {
    pub(crate) fn of_span(attributes: &Attributes<'_>) -> Self {
        let mut fields = Self::default();
        attributes.record(&mut fields);
        fields
    }

    pub(crate) fn of_event(event: &tracing::Event<'_>) -> Self {
        let mut fields = Self::default();
        event.record(&mut fields);
        fields
    }

    /// Adds fields that a span recorded later.
    pub(crate) fn add(&mut self, record: &Record<'_>) {
        record.record(self);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// A later value of the same name counts.
    fn set(&mut self, field: &Field, value: Value) {
        match self.0.iter_mut().find(|(name, _)| *name == field.name()) {
            Some((_, known)) => *known = value,
            None => self.0.push((field.name(), value)),
        }
    }

    fn set_text(&mut self, field: &Field, mut text: String) {
        if text.len() > MAX_TEXT {
            text.truncate(text.floor_char_boundary(MAX_TEXT));
            text.push_str("… (cut)");
        }
        self.set(field, Value::Text(text));
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, Value::Number(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, Value::Integer(value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, Value::Integer(value.into()));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.set(field, Value::Integer(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(
            field,
            i128::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Integer),
        );
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, Value::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set_text(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.set_text(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.set_text(field, format!("{value:?}"));
    }
}

/// Escapes line breaks and terminal control characters as JSON does, so that the text stays
/// within its line.
pub(crate) fn escape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = rest.find(needs_escape) {
        out.push_str(&rest[..at]);
        let mut characters = rest[at..].chars();
        match characters.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(other) => out.push_str(&format!("\\u{:04x}", u32::from(other))),
            None => {}
        }
        rest = characters.as_str();
    }
    out.push_str(rest);
}

fn needs_escape(character: char) -> bool {
    // Control characters, and Unicode's line and paragraph separators and changes of direction,
    // which could make a line look like another one.
    matches!(character, '"' | '\\' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || character.is_control()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_ends_its_line() {
        let mut out = String::new();
        escape("a\"b\\c\r\nd\te\u{1b}[31mf\u{85}g\u{2028}h\u{202e}i\0é", &mut out);
        let expected = r#"a\"b\\c\r\nd\te\u001b[31mf\u0085g\u2028h\u202ei\u0000é"#;
        assert_eq!(out, expected);
        let read: String = serde_json::from_str(&format!("\"{out}\"")).unwrap();
        assert_eq!(read, "a\"b\\c\r\nd\te\u{1b}[31mf\u{85}g\u{2028}h\u{202e}i\0é");
    }
}
