//! The encodings that sources are written in.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// How the bytes of a source become text, and how many bytes of the source a piece of that text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SourceEncoding {
    encoding: &'static Encoding,
}

impl SourceEncoding {
    /// UTF-8, which is what everything is unless it says otherwise.
    pub(crate) const UTF_8: Self = Self { encoding: UTF_8 };

    /// The encoding of that name: `utf-8`, `latin1`, `windows-1252`, `utf-16le` and so on.
    ///
    /// # Errors
    /// Says what names there are where it is none of them, or one whose characters have different lengths.
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

    /// The encoding that a byte order mark stands for, and the length of that mark.
    pub(crate) fn of_mark(head: &[u8]) -> Option<(Self, usize)> {
        Encoding::for_bom(head).map(|(encoding, length)| (Self { encoding }, length))
    }

    pub(crate) fn name(self) -> &'static str {
        self.encoding.name()
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.encoding == UTF_8
    }

    fn is_utf16(self) -> bool {
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

    /// How many bytes a unit of the encoding has, of which a character has one or more.
    pub(crate) fn unit(self) -> usize {
        self.line_feed().len()
    }

    /// Where the lines end in some bytes of a source, which begin with a unit of the encoding: behind each line feed.
    pub(crate) fn line_ends(self, bytes: &[u8]) -> impl Iterator<Item = usize> {
        let unit = self.unit();
        let found = memchr::memmem::find_iter(bytes, self.line_feed());
        found.filter(move |at| at.is_multiple_of(unit)).map(move |at| at + unit)
    }

    /// Whether such bytes are the last ones of a line: a line feed, or a carriage return.
    pub(crate) fn is_line_end(self, bytes: &[u8]) -> bool {
        let text = bytes.iter().filter(|byte| **byte != 0).copied().collect::<Vec<_>>();
        bytes.len() == self.unit() && matches!(text[..], [b'\n' | b'\r'])
    }

    /// How many bytes of the source this text was. Each character of an encoding of one byte is a byte, and UTF-16
    /// has two of them for each of its units, of which characters beyond 65,535 have two.
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

    /// What turns such bytes into UTF-8; nothing where they are that already.
    pub(super) fn transcoder(self) -> Option<Transcoder> {
        (!self.is_utf8()).then(|| Transcoder { decoder: self.encoding.new_decoder_without_bom_handling() })
    }
}

/// Turns bytes into UTF-8, piece by piece. What is none in the encoding becomes U+FFFD.
pub(super) struct Transcoder {
    decoder: Decoder,
}

impl Transcoder {
    /// Appends the text of some bytes; `is_last` says that no more will come.
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
    fn encodings_that_cannot_be_read_are_refused_with_what_can() {
        for name in ["shift_jis", "gbk", "klingon", ""] {
            assert!(SourceEncoding::named(name).unwrap_err().contains("`utf-16le`"), "{name}");
        }
    }
}
