//! The fields of one JSON value.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::scanner::without_not_finite;
use crate::record::Record;
use crate::source::Field;

/// The fields to read from the records, and from the document around them.
#[derive(Debug, Default)]
pub(in crate::format) struct Fields {
    /// The number of slots.
    pub(in crate::format) slots: usize,
    root: Node,
    /// Slots and their paths from the record.
    pub(in crate::format) of_record: Vec<(usize, Vec<String>)>,
    /// Slots and their paths from the root of the document, which are written with a leading `/`.
    pub(in crate::format) of_document: Vec<(usize, Vec<String>)>,
}

/// A place in a record from which paths continue.
#[derive(Debug, Default)]
struct Node {
    slots: Vec<usize>,
    children: Vec<(String, Node)>,
}

impl Fields {
    /// # Errors
    /// Names the field that is not a path.
    pub(in crate::format) fn new(fields: &[Field]) -> Result<Self, String> {
        let mut this = Self { slots: fields.len(), ..Self::default() };
        for (slot, field) in fields.iter().enumerate() {
            let path = match field {
                Field::Name(name) => match name.strip_prefix('/') {
                    Some(path) => {
                        this.of_document.push((slot, path.split('/').map(str::to_owned).collect()));
                        continue;
                    }
                    None => segments(name),
                },
                Field::Path(path) => path.clone(),
                Field::Number(index) => vec![index.to_string()],
                Field::Head(_) => {
                    return Err(format!("JSON has no lines before its records, as {field} needs"));
                }
            };
            this.root.insert(&path, slot);
            this.of_record.push((slot, path));
        }
        Ok(this)
    }
}

/// The keys of a path such as `sensor.readings.0`; an empty one leads to the value itself.
pub(in crate::format) fn segments(path: &str) -> Vec<String> {
    if path.is_empty() { Vec::new() } else { path.split('.').map(str::to_owned).collect() }
}

impl Node {
    fn insert(&mut self, path: &[String], slot: usize) {
        let Some((key, rest)) = path.split_first() else {
            self.slots.push(slot);
            return;
        };
        let at = self.children.iter().position(|(child, _)| child == key).unwrap_or_else(|| {
            self.children.push((key.clone(), Self::default()));
            self.children.len() - 1
        });
        self.children[at].1.insert(rest, slot);
    }

    fn child(&self, key: &str) -> Option<&Self> {
        self.children.iter().find(|(child, _)| child == key).map(|(_, node)| node)
    }
}

/// Why a value cannot be read. The position is relative to its start; lines and columns are from 1.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::format) struct JsonError {
    pub(in crate::format) line: u64,
    pub(in crate::format) column: u64,
    pub(in crate::format) reason: String,
}

/// Fills a record from the text of one JSON value. NaN and Infinity, which are not JSON, are empty.
pub(in crate::format) fn fill_in(text: &str, fields: &Fields, record: &mut Record) -> Result<(), JsonError> {
    fill(text, fields, record).or_else(|error| match without_not_finite(text) {
        Some(text) => fill(&text, fields, record),
        None => Err(error),
    })
}

fn fill(text: &str, fields: &Fields, record: &mut Record) -> Result<(), JsonError> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let walk = Walk { node: &fields.root, record, whole: text };
    walk.deserialize(&mut deserializer).and_then(|()| deserializer.end()).map_err(|error| {
        let said = error.to_string();
        let reason = said.rsplit_once(" at line ").map_or(said.as_str(), |(reason, _)| reason).to_owned();
        JsonError { line: error.line().max(1) as u64, column: error.column().max(1) as u64, reason }
    })
}

/// The text of a value: the content of a string, or the raw text of other values. `null` has none.
pub(in crate::format) fn plain_text(raw: &str) -> Result<Option<Cow<'_, str>>, serde_json::Error> {
    if raw == "null" {
        return Ok(None);
    }
    match raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        None => Ok(Some(raw.into())),
        Some(plain) if !plain.contains('\\') => Ok(Some(plain.into())),
        Some(_) => serde_json::from_str::<String>(raw).map(|text| Some(text.into())),
    }
}

struct Walk<'a, 'r> {
    node: &'a Node,
    record: &'r mut Record,
    /// The text of the whole value, to calculate the positions of its parts.
    whole: &'a str,
}

impl<'a, 'r> Walk<'a, 'r> {
    fn below<'s>(&'s mut self, node: &'a Node) -> Walk<'a, 's> {
        Walk { node, record: self.record, whole: self.whole }
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        if self.node.slots.is_empty() {
            return deserializer.deserialize_any(self);
        }
        // Raw, because a number must keep its digits.
        let raw: &RawValue = serde::Deserialize::deserialize(deserializer)?;
        let raw = raw.get();
        let start = (raw.as_ptr() as usize).saturating_sub(self.whole.as_ptr() as usize);
        // A null is an empty value: the field exists.
        let text = plain_text(raw).map_err(serde::de::Error::custom)?.unwrap_or_default();
        for slot in &self.node.slots {
            self.record.set_at(*slot, &text, start);
        }
        if !self.node.children.is_empty() {
            let node = self.node;
            let mut deserializer = serde_json::Deserializer::from_str(raw);
            return deserializer.deserialize_any(self.below(node)).map_err(serde::de::Error::custom);
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = vec![false; self.node.children.len()];
        while let Some(key) = map.next_key::<Cow<'de, str>>()? {
            let at = self.node.children.iter().position(|(child, _)| *child == key);
            let Some(at) = at else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            // If a field has two values, the correct one is unknown.
            if std::mem::replace(&mut seen[at], true) {
                return Err(serde::de::Error::custom(format_args!("`{key}` occurs twice in one object")));
            }
            let node = &self.node.children[at].1;
            map.next_value_seed(self.below(node))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut elements: A) -> Result<(), A::Error> {
        for index in 0_u64.. {
            let more = match self.node.child(&index.to_string()) {
                Some(node) => elements.next_element_seed(self.below(node))?.is_some(),
                None => elements.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}
