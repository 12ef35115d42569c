//! The ends of JSON values, found without parsing them.

/// Looks for the end of a value.
#[derive(Debug, Default)]
pub(super) struct Scanner {
    depth: usize,
    in_string: bool,
    is_escaped: bool,
    /// Within a number or a word, which has no end mark.
    in_scalar: bool,
}

impl Scanner {
    /// How many of these bytes belong to the value, if it ends among them.
    pub(super) fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            if self.in_string {
                at = self.string(bytes, at);
                if !self.in_string && self.depth == 0 {
                    return Some(at);
                }
                continue;
            }
            match byte {
                b'"' if self.in_scalar => return Some(at),
                b'"' => self.in_string = true,
                b'{' | b'[' if self.in_scalar => return Some(at),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth == 0 => return Some(at),
                b'}' | b']' => {
                    self.depth -= 1;
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ if self.depth > 0 => {}
                b',' | b':' | b' ' | b'\t' | b'\r' | b'\n' => return Some(at),
                _ => self.in_scalar = true,
            }
            at += 1;
        }
        None
    }

    /// Continues within a string, to its end or the end of the bytes.
    fn string(&mut self, bytes: &[u8], mut at: usize) -> usize {
        if std::mem::take(&mut self.is_escaped) {
            at += 1;
        }
        while let Some(found) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
            at += found + 1;
            if bytes[at - 1] == b'"' {
                self.in_string = false;
                return at;
            }
            if at == bytes.len() {
                self.is_escaped = true;
                return at;
            }
            at += 1;
        }
        bytes.len()
    }

    /// Whether the value is complete if nothing follows.
    pub(super) fn may_end(&self) -> bool {
        self.in_scalar && self.depth == 0
    }
}

/// Not JSON, but written by Python and others for missing values.
const NOT_FINITE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Replaces such numbers by an empty text of the same length. `None` if there are none.
pub(crate) fn without_not_finite(text: &str) -> Option<String> {
    let mut changed = None;
    let (mut in_string, mut is_escaped, mut at) = (false, false, 0);
    while let Some(byte) = text.as_bytes().get(at) {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_string => is_escaped = true,
            b'"' => in_string = !in_string,
            b'-' | b'I' | b'N' if !in_string => {
                if let Some(found) = NOT_FINITE.iter().find(|name| text[at..].starts_with(**name)) {
                    let empty = format!("\"\"{}", " ".repeat(found.len() - 2));
                    let changed = changed.get_or_insert_with(|| text.to_owned());
                    changed.replace_range(at..at + found.len(), &empty);
                    at += found.len();
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn non_finite_numbers_become_empty_texts_of_the_same_length() {
        for (text, expected) in [
            ("{\"a\": NaN, \"b\": [-Infinity,Infinity]}", "{\"a\": \"\" , \"b\": [\"\"       ,\"\"      ]}"),
            ("NaN", "\"\" "),
        ] {
            assert_eq!(without_not_finite(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["{\"NaN\": \"\\\"NaN Infinity\"}", "[-1, null]", "nan", ""] {
            assert_eq!(without_not_finite(text), None, "{text}");
        }
    }
}
