//! Message properties as they stand on the wire, read with more patience than lapin has.
//!
//! AMQP lets a publisher put any bytes into a short string and any depth into a header table, and the broker
//! passes both on. lapin gives the whole connection up at the first short string that is not UTF-8, and its
//! recursive parser overflows its stack on a table some hundred levels deep, which aborts the process. And a header
//! frame full of values of one byte each becomes a hundred times as large when it is parsed. Any such message would come
//! back with each new connection and block the queue for good.

use std::sync::Arc;

/// Header tables and arrays within each other that are handed on to lapin; real ones have two or three.
const MAX_DEPTH: usize = 32;
/// Values in the headers that are handed on to lapin; real ones have some dozens.
const MAX_VALUES: usize = 4_000;
/// For how many values a table counts: however little is in it, its tree takes a node of some hundred bytes, in lapin's
/// form and once more in that of JSON.
const VALUES_OF_A_TABLE: usize = 20;
/// What a value takes in these two forms besides the bytes that it has on the wire.
const BYTES_OF_A_VALUE: usize = 64;

const CONTENT_TYPE: u16 = 1 << 15;
const HEADERS: u16 = 1 << 13;
const MESSAGE_ID: u16 = 1 << 7;

/// What a table costs that holds one byte array under an empty name: its length, the name's, the type, the length.
const TABLE_OF_ONE_BYTE_ARRAY: usize = 4 + 1 + 1 + 4;

/// The kinds of property, in the order in which they stand on the wire, with the flag that says that one is there.
const KINDS: [(u16, Kind); 14] = [
    (CONTENT_TYPE, Kind::ShortString),
    (1 << 14, Kind::ShortString), // content-encoding
    (HEADERS, Kind::Table),
    (1 << 12, Kind::Octet),       // delivery-mode
    (1 << 11, Kind::Octet),       // priority
    (1 << 10, Kind::ShortString), // correlation-id
    (1 << 9, Kind::ShortString),  // reply-to
    (1 << 8, Kind::ShortString),  // expiration
    (MESSAGE_ID, Kind::ShortString),
    (1 << 6, Kind::Timestamp),
    (1 << 5, Kind::ShortString), // type
    (1 << 4, Kind::ShortString), // user-id
    (1 << 3, Kind::ShortString), // app-id
    (1 << 2, Kind::ShortString), // cluster-id
];

#[derive(Clone, Copy)]
enum Kind {
    ShortString,
    Table,
    Octet,
    Timestamp,
}

/// The flags that say which properties are there, and the properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawProperties {
    pub(crate) flags: u16,
    pub(crate) list: Arc<[u8]>,
}

impl RawProperties {
    /// The bytes of the `message-id`, if there is one and it can be found.
    pub(crate) fn message_id(&self) -> Option<&[u8]> {
        let mut reader = Reader(&self.list);
        for (flag, kind) in KINDS {
            if self.flags & flag != 0 {
                let value = reader.skip(kind)?;
                if flag == MESSAGE_ID {
                    return Some(value);
                }
            }
        }
        None
    }
}

/// How many bytes these properties take in memory once lapin has read them, roughly; `None` if it cannot or must not
/// read them. Says so where in doubt.
pub(crate) fn weight(flags: u16, list: &[u8]) -> Option<usize> {
    let (mut reader, mut values) = (Reader(list), Values::default());
    for (flag, kind) in KINDS {
        if flags & flag == 0 {
            continue;
        }
        match kind {
            Kind::ShortString => reader.text()?,
            Kind::Table => reader.table(MAX_DEPTH, &mut values)?,
            Kind::Octet | Kind::Timestamp => reader.skip(kind).map(drop)?,
        }
    }
    reader.0.is_empty().then_some(list.len() + values.0 * BYTES_OF_A_VALUE)
}

/// How many values have been read.
#[derive(Debug, Default)]
struct Values(usize);

impl Values {
    /// `None` once there are too many.
    fn count(&mut self, more: usize) -> Option<()> {
        self.0 += more;
        (self.0 <= MAX_VALUES).then_some(())
    }
}

/// Writes properties of the same length over these, which say nothing and which lapin can read. Gives the flags
/// that belong to them.
pub(crate) fn blank(list: &mut [u8]) -> u16 {
    let length = list.len();
    list.fill(b'?');
    if let Some(text_length) = length.checked_sub(1).and_then(|rest| u8::try_from(rest).ok()) {
        list[0] = text_length;
        CONTENT_TYPE
    } else if let (Some(content), Ok(table)) =
        (length.checked_sub(TABLE_OF_ONE_BYTE_ARRAY), u32::try_from(length))
    {
        list[..4].copy_from_slice(&(table - 4).to_be_bytes());
        list[4] = 0;
        list[5] = b'x';
        let content = u32::try_from(content).unwrap_or(u32::MAX);
        list[6..TABLE_OF_ONE_BYTE_ARRAY].copy_from_slice(&content.to_be_bytes());
        HEADERS
    } else {
        0
    }
}

/// What is left to read. Each method gives `None` where the bytes are not what it reads.
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.take(N)?.try_into().ok()
    }

    pub(crate) fn short_string(&mut self) -> Option<&'a [u8]> {
        let [length] = self.array()?;
        self.take(usize::from(length))
    }

    fn long_string(&mut self) -> Option<&'a [u8]> {
        let length = u32::from_be_bytes(self.array()?);
        self.take(usize::try_from(length).ok()?)
    }

    fn skip(&mut self, kind: Kind) -> Option<&'a [u8]> {
        match kind {
            Kind::ShortString => self.short_string(),
            Kind::Table => self.long_string(),
            Kind::Octet => self.take(1),
            Kind::Timestamp => self.take(8),
        }
    }

    fn text(&mut self) -> Option<()> {
        std::str::from_utf8(self.short_string()?).ok().map(drop)
    }

    fn table(&mut self, depth: usize, values: &mut Values) -> Option<()> {
        values.count(VALUES_OF_A_TABLE)?;
        let mut entries = Reader(self.long_string()?);
        while !entries.0.is_empty() {
            entries.text()?;
            entries.value(depth, values)?;
        }
        Some(())
    }

    fn list(&mut self, depth: usize, values: &mut Values) -> Option<()> {
        let mut items = Reader(self.long_string()?);
        while !items.0.is_empty() {
            items.value(depth, values)?;
        }
        Some(())
    }

    fn value(&mut self, depth: usize, values: &mut Values) -> Option<()> {
        values.count(1)?;
        let [kind] = self.array()?;
        match kind {
            b'V' => Some(()),
            b't' | b'b' | b'B' => self.take(1).map(drop),
            b's' | b'U' | b'u' => self.take(2).map(drop),
            b'I' | b'i' | b'f' => self.take(4).map(drop),
            b'D' => self.take(5).map(drop),
            b'l' | b'L' | b'd' | b'T' => self.take(8).map(drop),
            b'S' | b'x' => self.long_string().map(drop),
            b'F' => self.table(depth.checked_sub(1)?, values),
            b'A' => self.list(depth.checked_sub(1)?, values),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use lapin::protocol::basic::parse_properties;
    use proptest::prelude::*;

    use super::*;

    fn short(text: &[u8]) -> Vec<u8> {
        [&[u8::try_from(text.len()).unwrap()], text].concat()
    }

    fn long(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }

    fn nested(depth: usize) -> Vec<u8> {
        (1..depth).fold(long(b""), |inner, _| long(&[short(b"k"), vec![b'F'], inner].concat()))
    }

    fn lapin_reads(flags: u16, list: &[u8]) -> bool {
        let wire = [&flags.to_be_bytes(), list].concat();
        parse_properties(wire.as_slice()).is_ok_and(|(rest, _)| rest.is_empty())
    }

    fn is_readable(flags: u16, list: &[u8]) -> bool {
        weight(flags, list).is_some()
    }

    #[test]
    fn good_properties_are_left_alone() {
        let list = [short("é/json".as_bytes()), nested(3), vec![2], short(b"id"), vec![0; 8]].concat();
        assert!(is_readable(CONTENT_TYPE | HEADERS | 1 << 12 | MESSAGE_ID | 1 << 6, &list));
        assert!(is_readable(0, b""));
    }

    #[test]
    fn every_type_of_header_value_is_known() {
        let values: [&[u8]; 18] = [
            b"t\x01",
            b"b\x01",
            b"B\x01",
            b"s\0\x01",
            b"U\0\x01",
            b"u\0\x01",
            b"I\0\0\0\x01",
            b"i\0\0\0\x01",
            b"l\0\0\0\0\0\0\0\x01",
            b"L\0\0\0\0\0\0\0\x01",
            b"f\0\0\0\0",
            b"d\0\0\0\0\0\0\0\0",
            b"D\x02\0\0\0\x01",
            b"S\0\0\0\x02\xff\xfe",
            b"x\0\0\0\x01\xff",
            b"T\0\0\0\0\0\0\0\x01",
            b"V",
            b"A\0\0\0\x02t\x01",
        ];
        for value in values {
            let table = long(&[short(b"k"), value.to_vec()].concat());
            assert!(lapin_reads(HEADERS, &table), "{value:?}");
            assert!(is_readable(HEADERS, &table), "{value:?}");
        }
    }

    #[test]
    fn what_would_end_lapin_is_seen() {
        for (flags, list) in [
            (MESSAGE_ID, short(b"\xff\xfe")),
            (HEADERS, long(&[short(b"\xff"), b"V".to_vec()].concat())),
            (HEADERS, long(b"\x01kz")),
            (HEADERS, nested(1_000)),
            (HEADERS, nested(MAX_DEPTH + 2)),
            (MESSAGE_ID, b"\x05id".to_vec()),
            (MESSAGE_ID, [short(b"id"), b"more".to_vec()].concat()),
        ] {
            assert!(!is_readable(flags, &list), "{flags:#x} {list:?}");
        }
        assert!(is_readable(HEADERS, &nested(MAX_DEPTH + 1)));
    }

    #[test]
    fn headers_of_very_many_values_are_not_handed_on() {
        let list = |values: usize| long(&[short(b"k"), b"A".to_vec(), long(&vec![b'V'; values])].concat());
        let most = MAX_VALUES - VALUES_OF_A_TABLE - 1;
        assert!(is_readable(HEADERS, &list(most)) && !is_readable(HEADERS, &list(most + 1)));
        let tables = |number: usize| {
            let tables = [b"F".to_vec(), long(b"")].concat().repeat(number);
            long(&[short(b"k"), b"A".to_vec(), long(&tables)].concat())
        };
        assert!(is_readable(HEADERS, &tables(180)) && !is_readable(HEADERS, &tables(200)));
    }

    #[test]
    fn properties_weigh_what_they_take_in_memory() {
        let text = long(&[short(b"k"), b"S".to_vec(), long(&[b'x'; 100_000])].concat());
        assert!((100_000..102_000).contains(&weight(HEADERS, &text).unwrap()));
        let values = long(&[short(b"k"), b"A".to_vec(), long(&[b'V'; 1_000])].concat());
        assert!(weight(HEADERS, &values).unwrap() > 1_000 * size_of::<serde_json::Value>());
        assert!(weight(MESSAGE_ID, &short(b"id")).unwrap() < 10);
    }

    #[test]
    fn a_message_id_of_any_bytes_is_found_behind_any_headers() {
        let list = [short(b"t"), nested(1_000), vec![2], short(b"\xff\xfe"), short(b"user")].concat();
        let raw = RawProperties {
            flags: CONTENT_TYPE | HEADERS | 1 << 12 | MESSAGE_ID | 1 << 4,
            list: list.into(),
        };
        assert_eq!(raw.message_id(), Some(&b"\xff\xfe"[..]));
        assert_eq!(RawProperties { flags: HEADERS, ..raw.clone() }.message_id(), None);
        assert_eq!(RawProperties { flags: MESSAGE_ID, list: b"\x09id".to_vec().into() }.message_id(), None);
    }

    #[test]
    fn blanked_properties_of_every_length_are_readable() {
        for length in (0..300).chain([65_535, 131_072]) {
            let mut list = vec![0xff; length];
            let flags = blank(&mut list);
            assert!(is_readable(flags, &list), "{length}");
            assert!(lapin_reads(flags, &list), "{length}");
        }
    }

    proptest! {
        #[test]
        fn whatever_counts_as_readable_is_read_by_lapin(flags: u16, list in proptest::collection::vec(any::<u8>(), 0..64)) {
            if is_readable(flags, &list) {
                prop_assert!(lapin_reads(flags, &list));
            }
        }

        #[test]
        fn a_good_list_with_a_broken_byte_is_judged_as_lapin_judges(at in 0usize..60, byte: u8) {
            let table = long(&[short(b"a"), b"S".to_vec(), long(b"text"), short(b"b"), b"F".to_vec(), nested(3)].concat());
            let mut list = [short(b"text/json"), table, vec![2], short(b"id-1"), vec![0; 8]].concat();
            let at = at % list.len();
            list[at] = byte;
            let flags = CONTENT_TYPE | HEADERS | 1 << 12 | MESSAGE_ID | 1 << 6;
            prop_assert_eq!(is_readable(flags, &list), lapin_reads(flags, &list));
        }
    }
}
