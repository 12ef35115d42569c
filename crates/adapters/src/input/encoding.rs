//! The encodings that sources are written in.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// The encoding of a source: converts its bytes to text, and lengths of text to lengths in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceEncoding {
    encoding: &'static Encoding,
}

impl SourceEncoding {
    /// UTF-8, the default.
    pub(crate) const UTF_8: Self = Self { encoding: UTF_8 };

    /// The encoding of that name: `utf-8`, `latin1`, `windows-1252`, `utf-16le` and so on.
    ///
    /// # Errors
    /// The name is unknown, or the characters of the encoding have different lengths.
    pub(crate) fn named(name: &str) -> Result<Self, String> {
        const ALLOWED: &str = "allowed are `utf-8`, `utf-16le`, `utf-16be`, `latin1`, `windows-1252` and other encodings of one byte per character";
        let encoding = Encoding::for_label(name.as_bytes())
            .ok_or_else(|| format!("there is no encoding `{name}`; {ALLOWED}"))?;
        let this = Self { encoding };
        if this.is_utf8() || this.is_utf16() || encoding.is_single_byte() {
            Ok(this)
        } else {
            Err(format!("`{name}` cannot be read; {ALLOWED}"))
        }
    }

    /// The encoding of a byte order mark, and the length of that mark.
    pub(crate) fn of_mark(head: &[u8]) -> Option<(Self, usize)> {
        Encoding::for_bom(head).map(|(encoding, length)| (Self { encoding }, length))
    }

    pub(crate) fn name(self) -> &'static str {
        self.encoding.name()
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.encoding == UTF_8
    }

    pub(crate) fn is_utf16(self) -> bool {
        self.encoding == UTF_16LE || self.encoding == UTF_16BE
    }

    /// The bytes of a line feed.
    fn line_feed(self) -> &'static [u8] {
        match () {
            () if self.encoding == UTF_16LE => b"\n\0",
            () if self.encoding == UTF_16BE => b"\0\n",
            () => b"\n",
        }
    }

    /// The bytes of a code unit; a character has one or more units.
    pub(crate) fn unit(self) -> usize {
        self.line_feed().len()
    }

    /// The ends of lines in `bytes`: behind each CR, LF or CRLF. `bytes` begin with a whole code
    /// unit.
    pub(crate) fn line_ends(self, bytes: &[u8]) -> impl Iterator<Item = usize> {
        let unit = self.unit();
        let found = memchr::memchr2_iter(b'\n', b'\r', bytes).map(move |at| at - at % unit);
        let is_end = move |at: &usize| bytes.get(*at..at + unit).is_some_and(|bytes| self.is_line_end(bytes));
        found.filter(is_end).filter_map(move |at| {
            let next = bytes.get(at + unit..at + 2 * unit);
            let is_split = self.is_return(&bytes[at..at + unit]) && next == Some(self.line_feed());
            (!is_split).then_some(at + unit)
        })
    }

    /// Whether the bytes of a code unit are a carriage return.
    pub(crate) fn is_return(self, bytes: &[u8]) -> bool {
        bytes.contains(&b'\r') && self.is_line_end(bytes)
    }

    /// Whether the bytes of a code unit end a line: a line feed or a carriage return.
    pub(crate) fn is_line_end(self, bytes: &[u8]) -> bool {
        let unit = match *bytes {
            [byte] => byte,
            [byte, 0] if self.encoding == UTF_16LE => byte,
            [0, byte] if self.encoding == UTF_16BE => byte,
            _ => return false,
        };
        bytes.len() == self.unit() && matches!(unit, b'\n' | b'\r')
    }

    /// The length of `text` in the source. Single-byte encodings have a byte per character; UTF-16
    /// has two bytes per unit, and two units for characters beyond 65,535.
    pub(crate) fn source_bytes(self, text: &[u8]) -> u64 {
        let bytes = if self.is_utf8() {
            text.len()
        } else {
            let characters = text.iter().filter(|byte| **byte & 0xc0 != 0x80).count();
            if self.is_utf16() {
                2 * (characters + text.iter().filter(|byte| **byte >= 0xf0).count())
            } else {
                characters
            }
        };
        bytes as u64
    }

    /// The decoder to UTF-8; `None` if the source is UTF-8.
    pub(super) fn transcoder(self) -> Option<Transcoder> {
        (!self.is_utf8()).then(|| Transcoder { decoder: self.encoding.new_decoder_without_bom_handling() })
    }
}

/// Decodes bytes to UTF-8, piece by piece. Invalid bytes become U+FFFD.
pub(super) struct Transcoder {
    decoder: Decoder,
}

impl Transcoder {
    /// Appends the text of `bytes`; `is_last` marks the last piece.
    pub(super) fn append(&mut self, mut bytes: &[u8], is_last: bool, text: &mut Vec<u8>) {
        loop {
            let start = text.len();
            let room = self.decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()).max(16);
            text.resize(start + room, 0);
            let (result, read, written, _) = self.decoder.decode_to_utf8(bytes, &mut text[start..], is_last);
            text.truncate(start + written);
            bytes = &bytes[read..];
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_a_text_in_its_source_is_known() {
        let text = "aé€😀\n";
        for (name, bytes) in [
            ("utf-8", text.as_bytes().to_vec()),
            ("utf-16le", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            ("utf-16be", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            ("latin1", b"a\xe9\x80\n".to_vec()),
        ] {
            let encoding = SourceEncoding::named(name).unwrap();
            let mut decoded = Vec::new();
            match encoding.transcoder() {
                Some(mut transcoder) => {
                    for byte in &bytes {
                        transcoder.append(&[*byte], false, &mut decoded);
                    }
                    transcoder.append(&[], true, &mut decoded);
                }
                None => decoded.clone_from(&bytes),
            }
            let expected = if name == "latin1" { "aé€\n" } else { text };
            assert_eq!(String::from_utf8(decoded.clone()).unwrap(), expected, "{name}");
            assert_eq!(encoding.source_bytes(&decoded), bytes.len() as u64, "{name}");
        }
    }

    #[test]
    fn line_ends_are_found_in_every_encoding() {
        // U+0A00 and U+000A have the same bytes, in other order.
        for (name, bytes, ends) in [
            ("utf-8", &b"a\nb\r\n"[..], vec![2, 5]),
            ("utf-8", b"a\rb\r\r\nc", vec![2, 4, 6]),
            ("utf-16le", b"a\0\r\0\n\0b\0\r\0", vec![6, 10]),
            ("utf-16le", b"a\0\n\0\0\n\n\0", vec![4, 8]),
            ("utf-16be", b"\0a\0\n\n\0\0\n", vec![4, 8]),
        ] {
            let encoding = SourceEncoding::named(name).unwrap();
            assert_eq!(encoding.line_ends(bytes).collect::<Vec<_>>(), ends, "{name}");
        }
        let is_end = |name: &str, bytes: &[u8]| SourceEncoding::named(name).unwrap().is_line_end(bytes);
        assert!(is_end("utf-8", b"\n") && is_end("latin1", b"\r") && is_end("utf-16le", b"\n\0"));
        assert!(is_end("utf-16be", b"\0\r") && !is_end("utf-16le", b"1\0") && !is_end("utf-8", b"1"));
    }

    #[test]
    fn unsupported_encodings_are_refused_with_the_supported_ones() {
        for name in ["shift_jis", "gbk", "klingon", ""] {
            assert!(SourceEncoding::named(name).unwrap_err().contains("`utf-16le`"), "{name}");
        }
    }
}
