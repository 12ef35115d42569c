use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::fault::DocumentFault;

/// The largest document in bytes: many times the need of a thousand users, yet fits in memory.
pub const MAX_DOCUMENT_BYTES: usize = 16 * 1024 * 1024;

/// JSON as written, with every field of an object, duplicates included.
#[derive(Debug)]
pub(super) enum Tree {
    Null,
    Bool(bool),
    /// A whole number that is not negative, if it is one.
    Number(Option<u64>),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// Reads a document. JSON that nests deeper than 128 levels counts as malformed.
    pub(super) fn parse(document: &[u8]) -> Result<Self, DocumentFault> {
        let whole = |message: String| DocumentFault::new("", message);
        if document.len() > MAX_DOCUMENT_BYTES {
            return Err(whole(format!("the document has more than {MAX_DOCUMENT_BYTES} bytes")));
        }
        let text =
            std::str::from_utf8(document).map_err(|_| whole("the document is not valid UTF-8".to_owned()))?;
        serde_json::from_str(text).map_err(|error| whole(format!("the document is not JSON: {error}")))
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Number(Some(number)))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Number(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Number(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Tree, A::Error> {
        let mut array = Vec::new();
        while let Some(element) = elements.next_element()? {
            array.push(element);
        }
        Ok(Tree::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Tree, A::Error> {
        let mut object = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            object.push(entry);
        }
        Ok(Tree::Object(object))
    }
}
