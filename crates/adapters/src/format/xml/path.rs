use std::fmt;

use crate::source::Field;

/// A path in a document: names of elements without prefix, `*` for any, and optionally an
/// attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XmlPath {
    /// Relative to the root of the document, not to the record.
    pub(super) is_absolute: bool,
    elements: Vec<String>,
    pub(super) attribute: Option<String>,
}

impl XmlPath {
    /// The path of the elements that are records: `run/sample`, from the root.
    pub(super) fn of_records(path: &str) -> Result<Self, String> {
        let parsed = Self::parse(path.strip_prefix('/').unwrap_or(path))?;
        if parsed.elements.is_empty() || parsed.attribute.is_some() {
            return Err(format!(
                "`records` must be the path of an element from the root, such as `run/sample`, and not `{path}`"
            ));
        }
        Ok(Self { is_absolute: true, ..parsed })
    }

    /// A field: `temperature`, `sensor/@id`, `.` for the text of the record itself; with a leading
    /// `/` from the root.
    pub(super) fn of_field(field: &Field) -> Result<Self, String> {
        match field {
            Field::Name(name) => match name.strip_prefix('/') {
                Some(path) => Ok(Self { is_absolute: true, ..Self::parse(path)? }),
                None => Self::parse(name),
            },
            _ => Err(format!("the fields of XML have paths such as `sensor/@id`, and not {field}")),
        }
    }

    fn parse(path: &str) -> Result<Self, String> {
        let mut this = Self { is_absolute: false, elements: Vec::new(), attribute: None };
        if path == "." {
            return Ok(this);
        }
        for part in path.split('/') {
            match part.strip_prefix('@') {
                _ if part.is_empty() || this.attribute.is_some() => {
                    return Err(format!("`{path}` is not a path"));
                }
                Some(attribute) => this.attribute = Some(attribute.to_owned()),
                None => this.elements.push(part.to_owned()),
            }
        }
        Ok(this)
    }

    /// Whether the path of these open elements is this path.
    pub(super) fn is_at(&self, open: &[String]) -> bool {
        self.elements.len() == open.len() && self.is_below(open)
    }

    /// Whether this path is that of the open elements, or below it.
    pub(super) fn is_below(&self, open: &[String]) -> bool {
        self.elements.len() >= open.len()
            && self.elements.iter().zip(open).all(|(wanted, name)| wanted == "*" || wanted == name)
    }
}

impl fmt::Display for XmlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attribute = self.attribute.iter().map(|attribute| format!("@{attribute}"));
        let parts: Vec<_> = self.elements.iter().cloned().chain(attribute).collect();
        if parts.is_empty() { f.write_str(".") } else { f.write_str(&parts.join("/")) }
    }
}
