//! Invariants of all formats: the sizes of the pieces of a source change nothing, and reading can
//! continue after any record.

use std::io;

use crate::format::{ParserOptions, ReadError, SharedHeader, Start, Step, open};
use crate::input::Bytes;
use crate::input::encoding::SourceEncoding;
use crate::record::Record;
use crate::source::{CsvFormat, Field, Format, JsonFormat, NdjsonFormat, PassOver, TextFormat, XmlFormat};

const LIMIT: usize = 200;

/// Bytes that are read in pieces of a given size.
struct Pieces {
    bytes: Vec<u8>,
    size: usize,
    offset: usize,
}

impl Bytes for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = &self.bytes[self.offset.min(self.bytes.len())..];
        let count = rest.len().min(self.size).min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.offset += count;
        Ok(count)
    }

    fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = usize::try_from(offset).map_err(io::Error::other)?;
        Ok(())
    }
}

/// A record or its complaint, its end, and its original bytes.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    fields: Result<Vec<Option<String>>, (u64, u64, String)>,
    end: u64,
    end_line: u64,
    original: Vec<u8>,
}

struct Sample {
    format: Format,
    encoding: Option<SourceEncoding>,
    fields: Vec<Field>,
    bytes: Vec<u8>,
}

impl Sample {
    /// All records from a position on, and the error that ended reading, if any.
    fn read(&self, size: usize, from: Start) -> (Vec<Seen>, Option<String>) {
        let bytes = Box::new(Pieces { bytes: self.bytes.clone(), size, offset: 0 });
        let options = ParserOptions { record_bytes: LIMIT, header: SharedHeader::default() };
        let mut seen = Vec::new();
        let mut parser = match open(bytes, &self.format, self.encoding, &self.fields, &options, from) {
            Ok(parser) => parser,
            Err(error) => return (seen, Some(error.to_string())),
        };
        let mut record = Record::default();
        loop {
            let fields = match parser.next(&mut record) {
                Ok(Step::Record) => {
                    Ok((0..self.fields.len()).map(|slot| record.get(slot).map(str::to_owned)).collect())
                }
                Ok(Step::Complaint(complaint) | Step::Misfit(complaint)) => {
                    Err((complaint.place.line, complaint.place.column, complaint.reason))
                }
                Ok(Step::End) => return (seen, None),
                Err(ReadError::Broken(complaint)) => return (seen, Some(complaint.reason)),
                Err(error) => return (seen, Some(error.to_string())),
            };
            let mut original = parser.original().bytes;
            // How much of a too long record is kept depends on the size of the pieces.
            original.truncate(LIMIT / 2);
            seen.push(Seen { fields, end: record.span.end, end_line: record.end_line, original });
        }
    }

    fn check(&self, records: usize, complaints: usize) -> Vec<Seen> {
        let (whole, broken) = self.read(usize::MAX, Start::BEGINNING);
        assert_eq!(broken, None);
        let bad = whole.iter().filter(|seen| seen.fields.is_err()).count();
        assert_eq!((whole.len() - bad, bad), (records, complaints), "{whole:#?}");
        for size in [1, 2, 3, 7, 64, 211] {
            assert_eq!(self.read(size, Start::BEGINNING), (whole.clone(), None), "in pieces of {size}");
        }
        for (index, seen) in whole.iter().enumerate() {
            let from = Start { offset: seen.end, line: seen.end_line };
            for size in [1, usize::MAX] {
                assert_eq!(self.read(size, from).0, whole[index + 1..], "behind record {index}");
            }
        }
        whole
    }
}

fn names(names: &[&str]) -> Vec<Field> {
    names.iter().map(|name| Field::Name((*name).to_owned())).collect()
}

fn csv_format() -> CsvFormat {
    CsvFormat {
        delimiter: b',',
        quote: Some(b'"'),
        header: true,
        skip_lines: 1,
        skip_rows: 0,
        short_rows: false,
        comment: Some(b'#'),
        pass_over: PassOver::default(),
    }
}

fn csv() -> Format {
    Format::Csv(csv_format())
}

fn fields(seen: &Seen) -> Vec<&str> {
    seen.fields.as_ref().unwrap().iter().map(|field| field.as_deref().unwrap_or("-")).collect()
}

proptest::proptest! {
    #[test]
    fn rows_without_quotes_are_parsed_as_by_csv_core(
        text in "([a1é,\"\n\r# ]|1,2,3\n|\"a\nb\",|\r\n){0,60}", has_quotes: bool, header: bool
    ) {
        let quote = has_quotes.then_some(b'"');
        let format = CsvFormat { quote, header, skip_lines: 0, ..csv_format() };
        let fields = [1, 2].map(Field::Number).to_vec();
        let sample = Sample { format: Format::Csv(format), encoding: None, fields, bytes: text.into_bytes() };
        // With pieces of one byte, csv-core reads every row: none is in the window as a whole.
        let by_csv_core = sample.read(1, Start::BEGINNING);
        proptest::prop_assert_eq!(sample.read(usize::MAX, Start::BEGINNING), by_csv_core);
    }
}

const CSV: &str = "some title\na,\"b \"\"c\"\"\",d\r\n1,2,x\r\n\r\n# no, row\n\"1\",\"two\nlines\",\"\"\"\"\nshort\n3,4 \"x\",é\u{1f600}\n5,6,";

#[test]
fn csv_is_read_in_any_pieces_and_from_any_record_on() {
    let long = format!("{CSV}{}\n7,8,\"{}\n9,\"\n10,11,last", "y".repeat(300), "z".repeat(200));
    let sample = Sample {
        format: csv(),
        encoding: None,
        fields: names(&["b \"c\"", "a", "d"]),
        bytes: long.into_bytes(),
    };
    let seen = sample.check(4, 3);
    assert_eq!(fields(&seen[1]), ["two\nlines", "1", "\""]);
    assert_eq!(fields(&seen[3]), ["4 \"x\"", "3", "é\u{1f600}"]);
    assert_eq!(fields(&seen[6]), ["11", "10", "last"]);
    assert_eq!(seen[2].fields, Err((8, 1, "the row has 1 columns, and the header 3".to_owned())));
    assert_eq!(seen[2].original, b"short");
}

#[test]
fn every_encoding_is_read_in_any_pieces_and_from_any_record_on() {
    let utf16 = |bytes: fn(u16) -> [u8; 2], mark: &str| {
        format!("{mark}{CSV}").encode_utf16().flat_map(bytes).collect::<Vec<u8>>()
    };
    let latin: Vec<u8> =
        CSV.replace('\u{1f600}', "").chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (encoding, bytes) in [
        (None, format!("\u{feff}{CSV}").into_bytes()),
        (None, utf16(u16::to_le_bytes, "\u{feff}")),
        (None, utf16(u16::to_be_bytes, "\u{feff}")),
        (Some("utf-16le"), utf16(u16::to_le_bytes, "")),
        (Some("latin1"), latin),
    ] {
        let encoding = encoding.map(|name| SourceEncoding::named(name).unwrap());
        let seen = Sample { format: csv(), encoding, fields: names(&["d"]), bytes }.check(4, 1);
        assert!(fields(&seen[3])[0].starts_with('é'));
    }
}

#[test]
fn text_is_read_in_any_pieces_and_from_any_record_on() {
    let pattern = regex::Regex::new("(?<v>[0-9]+)( (?<u>[A-Z]+))?").unwrap();
    let format = Format::Text(TextFormat {
        pattern: Some(pattern),
        skip_lines: 2,
        comment: Some(b'%'),
        pass_over: PassOver::default(),
    });
    let text = format!("1 SKIPPED\n2\n3 A\n\n  \r\n% 9\nnone\nxy 4\r\n{}\n5 B", "6".repeat(201));
    let seen =
        Sample { format, encoding: None, fields: names(&["v", "u"]), bytes: text.into_bytes() }.check(3, 2);
    assert_eq!((fields(&seen[0]), fields(&seen[2])), (vec!["3", "A"], vec!["4", "-"]));
    assert_eq!(seen[1].fields, Err((7, 1, "the line does not match the pattern".to_owned())));
}

#[test]
fn ndjson_is_read_in_any_pieces_and_from_any_record_on() {
    let text = "{\"a\": {\"b\": [1, 0.10]}, \"x.y\": \"\\u00e9\\\"\"}\n\n[1]\n{\"a\": 1\n{\"a\":{},\"a\":{}}\n{\"a\": {\"b\": [0, null]}} ";
    let mut wanted = names(&["a.b.1"]);
    wanted.push(Field::Path(vec!["x.y".to_owned()]));
    let seen = Sample {
        format: Format::Ndjson(NdjsonFormat::default()),
        encoding: None,
        fields: wanted,
        bytes: text.into(),
    }
    .check(3, 2);
    assert_eq!(fields(&seen[0]), ["0.10", "é\""]);
    assert_eq!(fields(&seen[4]), ["", "-"], "a null is an empty value");
}

#[test]
fn json_is_read_in_any_pieces_and_from_any_record_on() {
    let long = "z".repeat(300);
    let text = format!(
        "{{\"skip\": [{{\"x\": \"]}}\\\\\\\"\"}}, {long:?}], \"runs\": [\n {{\"by\": \"S\\u00e9\", \"s\": [{{\"v\": 1}}, 7 , {{\"v\": {long:?}}}]}},\n\
         {{\"s\": [ ], \"by\": 5}}, {{\"s\": [{{\"v\": -0.5e3}}, {{\"v\": }}, \"x\"]}}], \"end\": null}}\n"
    );
    let format = Format::Json(JsonFormat { records: "runs.*.s".to_owned(), parallel: false });
    let sample =
        Sample { format, encoding: None, fields: names(&["v", "/runs/*/by"]), bytes: text.into_bytes() };
    let seen = sample.check(4, 2);
    assert_eq!(fields(&seen[0]), ["1", "Sé"]);
    assert_eq!(fields(&seen[1]), ["-", "Sé"]);
    assert_eq!(fields(&seen[3]), ["-0.5e3", "-"], "what is said of one run does not count in another");
}

#[test]
fn json_that_is_none_is_broken_at_its_place() {
    for (text, reason) in [
        ("[1 2]", "`2` where `,` or `]` is expected"),
        ("[1, 2", "the document ends where `,` or `]` is expected"),
        ("[1, {\"a\": [2]", "the document ends in the middle of a value"),
        ("[1, 2,", "the document ends where a value is expected"),
        ("{\"a\" 1}", "`1` where `:` is expected"),
        ("{1: 2}", "`1` where a key in quotation marks is expected"),
        ("[1] x", "`x` where the end of the document is expected"),
        ("}", "`}` where a value is expected"),
    ] {
        let records = if text.starts_with('{') { "a.b" } else { "" };
        let format = Format::Json(JsonFormat { records: records.to_owned(), parallel: false });
        let sample = Sample { format, encoding: None, fields: names(&["v"]), bytes: text.into() };
        assert_eq!(sample.read(1, Start::BEGINNING).1.as_deref(), Some(reason), "{text}");
    }
}

#[test]
fn xml_is_read_in_any_pieces_and_from_any_record_on() {
    let long = "z".repeat(500);
    let text = format!(
        "<?xml version='1.0'?>\n<!DOCTYPE r [<!ENTITY e 'x'>]>\n<r>\n<q by='a &amp; b'><!-- <s/> -->\n<s t='1'><v>1<![CDATA[2]]>&#51;</v>\n</s><s t='2'/>\n\
         <s t='3'><v>&e;</v></s><s><v>{long}</v></s><s t='4'><v>4</v><v>5</v></s></q><q><s t='5'><p:v xmlns:p='u'>6</p:v></s></q>\n</r>\n"
    );
    let format = Format::Xml(XmlFormat { records: "/r/q/s".to_owned() });
    let sample =
        Sample { format, encoding: None, fields: names(&["v", "@t", "/r/q/@by"]), bytes: text.into_bytes() };
    let seen = sample.check(3, 3);
    assert_eq!(fields(&seen[0]), ["123", "1", "a & b"]);
    assert_eq!(fields(&seen[1]), ["-", "2", "a & b"]);
    assert_eq!(fields(&seen[5]), ["6", "5", "-"]);
    assert_eq!(seen[1].original, b"<s t='2'/>");
    assert_eq!(seen[4].fields, Err((7, 555, "the field `v` occurs twice".to_owned())));
}

#[test]
fn xml_that_is_none_is_broken() {
    let endless_comment = format!("<r><!-- {} --></r>", "z".repeat(300_000));
    for text in ["<r><s></r>", "<r><s>1</s>", "<r", "<r/><r/>", "<r><s a=1></s>&", &endless_comment] {
        let format = Format::Xml(XmlFormat { records: "r/s".to_owned() });
        let sample = Sample { format, encoding: None, fields: names(&["."]), bytes: text.into() };
        assert!(sample.read(usize::MAX, Start::BEGINNING).1.is_some(), "{text:.30}");
    }
}
