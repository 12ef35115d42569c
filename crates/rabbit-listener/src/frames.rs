//! What comes from the broker, frame by frame, before lapin sees it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::gate::Gate;
use crate::raw_properties::{RawProperties, Reader, blank, weight};

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: u8 = 8;

/// Type, channel and size before a frame's payload, and the octet that ends it.
const FRAME_START: usize = 7;
const FRAME_END: usize = 1;

/// `basic.deliver`, as class and method.
const DELIVER: [u8; 4] = [0, 60, 0, 60];

/// Class, weight and body size before the properties' flags in a header frame.
const BEFORE_FLAGS: usize = 12;

/// Methods and headers that are larger are not looked at: no broker sends them, and lapin has its own limit.
const MAX_INSPECTED: usize = 1 << 20;

/// Properties that take no more bytes than this are not counted against the gate, since the prefetch bounds them well
/// enough: with the default one 12 MB in all.
const LIGHT: usize = 4_096;

/// What was noted of the properties of deliveries, by delivery tag, until their message asks for it.
#[derive(Debug, Default)]
pub(crate) struct NotedProperties(Mutex<HashMap<u64, Noted>>);

/// What was noted of the properties of a delivery; nothing if they are as most are.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Noted {
    /// The original ones, if they were blanked.
    pub(crate) original: Option<RawProperties>,
    /// The bytes that the gate holds for them.
    pub(crate) bytes: usize,
}

impl NotedProperties {
    /// What was noted of that delivery.
    pub(crate) fn take(&self, delivery_tag: u64) -> Noted {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always empty: not even a hash is needed then.
        if noted.is_empty() { Noted::default() } else { noted.remove(&delivery_tag).unwrap_or_default() }
    }

    fn put(&self, delivery_tag: u64, noted: Noted) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery_tag, noted);
    }
}

/// What is to be done with the bytes that come next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many may be handed on to lapin.
    Pass(usize),
    /// So many belong to a delivery that is not wanted any more.
    Drop(usize),
    /// A delivery begins and has to wait until the gate opens.
    Hold,
    /// They are nothing yet, or the beginning of a frame that has to be looked at as a whole.
    More,
}

/// Follows the frames in a stream of bytes, lets deliveries in as the [`Gate`] allows, and blanks the properties
/// that lapin could not or must not read ([`crate::raw_properties`]). Lengths never change, so nothing else has to.
///
/// Delivery tags belong to a channel; this follows a connection with one channel.
#[derive(Debug, Default)]
pub(crate) struct FrameGuard {
    /// Bytes that may pass without being looked at: bodies, and what is no frame.
    passing: usize,
    /// Bytes that are dropped without being looked at.
    dropping: usize,
    /// What is still to come of a delivery that is dropped.
    unwanted: Option<Unwanted>,
    /// The tag of the delivery whose header frame comes next.
    delivery_tag: u64,
}

#[derive(Debug)]
enum Unwanted {
    Header,
    Body(u64),
}

impl FrameGuard {
    /// Looks at what comes next, one frame or what is there of it. What is neither passed nor dropped has to be given
    /// again, with what follows it.
    pub(crate) fn inspect(&mut self, bytes: &mut [u8], gate: &Gate, noted: &NotedProperties) -> Verdict {
        if bytes.is_empty() {
            return Verdict::More;
        }
        if self.passing > 0 {
            let length = self.passing.min(bytes.len());
            self.passing -= length;
            return Verdict::Pass(length);
        }
        if self.dropping > 0 {
            let length = self.dropping.min(bytes.len());
            self.dropping -= length;
            return Verdict::Drop(length);
        }
        let Some((kind, size)) = frame_start(bytes) else { return Verdict::More };
        let whole = FRAME_START.saturating_add(size).saturating_add(FRAME_END);
        match kind {
            METHOD | HEADER if size <= MAX_INSPECTED => {
                let Some(frame) = bytes.get_mut(..whole) else { return Verdict::More };
                let payload = &mut frame[FRAME_START..FRAME_START + size];
                match kind {
                    METHOD => self.method(payload, whole, gate),
                    _ => self.header(payload, whole, gate, noted),
                }
            }
            BODY => self.body(size, whole, bytes.len(), gate),
            METHOD | HEADER | HEARTBEAT => self.pass(whole, bytes.len()),
            // Not AMQP, or not this version of it: lapin is to say so.
            _ => self.pass(usize::MAX, bytes.len()),
        }
    }

    fn pass(&mut self, whole: usize, here: usize) -> Verdict {
        let length = whole.min(here);
        self.passing = whole - length;
        Verdict::Pass(length)
    }

    fn drop(&mut self, whole: usize, here: usize) -> Verdict {
        let length = whole.min(here);
        self.dropping = whole - length;
        Verdict::Drop(length)
    }

    fn method(&mut self, payload: &mut [u8], whole: usize, gate: &Gate) -> Verdict {
        if let Some((&mut DELIVER, arguments)) = payload.split_first_chunk_mut() {
            if gate.is_closed() {
                self.unwanted = Some(Unwanted::Header);
                return Verdict::Drop(whole);
            }
            if gate.is_full() {
                return Verdict::Hold;
            }
            self.deliver(arguments);
        }
        Verdict::Pass(whole)
    }

    fn body(&mut self, size: usize, whole: usize, here: usize, gate: &Gate) -> Verdict {
        let Some(Unwanted::Body(left)) = self.unwanted else {
            gate.hold(size);
            return self.pass(whole, here);
        };
        self.unwanted = unwanted_body(left.saturating_sub(u64::try_from(size).unwrap_or(u64::MAX)));
        self.drop(whole, here)
    }

    fn deliver(&mut self, arguments: &mut [u8]) {
        let length = arguments.len();
        let mut reader = Reader(arguments);
        let Some(tag) = reader.short_string().and_then(|_consumer| reader.array()) else { return };
        self.delivery_tag = u64::from_be_bytes(tag);
        // After the octet that says whether it is a redelivery come the exchange and the routing key. A queue that
        // is bound in other ways too can see keys of any bytes. Nothing depends on either here.
        let mut at = length - reader.0.len() + 1;
        for _ in ["exchange", "routing key"] {
            let Some(name_length) = arguments.get(at).map(|length| usize::from(*length)) else { return };
            let Some(name) = arguments.get_mut(at + 1..at + 1 + name_length) else { return };
            if std::str::from_utf8(name).is_err() {
                name.fill(b'?');
            }
            at += 1 + name_length;
        }
    }

    fn header(&mut self, payload: &mut [u8], whole: usize, gate: &Gate, noted: &NotedProperties) -> Verdict {
        let Some((start, rest)) = payload.split_first_chunk_mut::<BEFORE_FLAGS>() else {
            return Verdict::Pass(whole);
        };
        if matches!(self.unwanted, Some(Unwanted::Header)) {
            self.unwanted = unwanted_body(u64::from_be_bytes(body_size(start)));
            return Verdict::Drop(whole);
        }
        if let Some((flags, list)) = rest.split_first_chunk_mut() {
            let read = u16::from_be_bytes(*flags);
            let (original, bytes) = match weight(read, list) {
                Some(bytes) => (None, bytes),
                None => {
                    let original = RawProperties { flags: read, list: (&*list).into() };
                    *flags = blank(list).to_be_bytes();
                    // Kept here, and by lapin as what they were replaced with.
                    (Some(original), 2 * list.len())
                }
            };
            let bytes = if bytes > LIGHT { bytes } else { 0 };
            if original.is_some() || bytes > 0 {
                gate.hold(bytes);
                noted.put(self.delivery_tag, Noted { original, bytes });
            }
        }
        Verdict::Pass(whole)
    }
}

fn unwanted_body(left: u64) -> Option<Unwanted> {
    (left > 0).then_some(Unwanted::Body(left))
}

/// The size of the whole body stands behind class and weight.
fn body_size([_, _, _, _, size @ ..]: &[u8; BEFORE_FLAGS]) -> [u8; 8] {
    *size
}

fn frame_start(bytes: &[u8]) -> Option<(u8, usize)> {
    let mut reader = Reader(bytes);
    let [kind] = reader.array()?;
    if !matches!(kind, METHOD | HEADER | BODY | HEARTBEAT) {
        return Some((kind, 0));
    }
    let [_, _] = reader.array()?;
    Some((kind, usize::try_from(u32::from_be_bytes(reader.array()?)).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1], &size[..], payload, &[0xce]].concat()
    }

    fn deliver(tag: u64, routing_key: &[u8]) -> Vec<u8> {
        let key = [&[u8::try_from(routing_key.len()).unwrap()], routing_key].concat();
        frame(METHOD, &[&DELIVER[..], b"\x03tag", &tag.to_be_bytes(), b"\0\x07mymonit", &key].concat())
    }

    fn header(flags: u16, list: &[u8]) -> Vec<u8> {
        frame(HEADER, &[&[0, 60, 0, 0], &2_u64.to_be_bytes()[..], &flags.to_be_bytes(), list].concat())
    }

    /// The bytes as they come out when they come in in pieces of `size`.
    fn pass(bytes: &[u8], size: usize, blanked: &NotedProperties) -> Vec<u8> {
        pass_through(bytes, size, &Gate::new(usize::MAX), blanked)
    }

    fn pass_through(bytes: &[u8], size: usize, gate: &Gate, blanked: &NotedProperties) -> Vec<u8> {
        let (mut guard, mut here, mut out) = (FrameGuard::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            here.extend_from_slice(piece);
            loop {
                match guard.inspect(&mut here, gate, blanked) {
                    Verdict::Pass(length) => out.extend(here.drain(..length)),
                    Verdict::Drop(length) => drop(here.drain(..length)),
                    Verdict::Hold | Verdict::More => break,
                }
            }
        }
        out
    }

    const BAD_ID: &[u8] = b"\x02\xff\xfe";
    const MESSAGE_ID: u16 = 1 << 7;

    #[test]
    fn a_good_stream_comes_out_as_it_went_in_however_it_is_cut() {
        let one = [
            deliver(1, b"measures"),
            header(MESSAGE_ID, b"\x02id"),
            frame(BODY, &[0xce; 300]),
            frame(HEARTBEAT, b""),
            frame(METHOD, &[0, 60, 0, 31]),
        ]
        .concat();
        let bytes = [one.clone(), one].concat();
        for size in [1, 2, 7, 8, 63, 64, bytes.len()] {
            let blanked = NotedProperties::default();
            assert_eq!(pass(&bytes, size, &blanked), bytes, "pieces of {size}");
            assert!(blanked.0.lock().unwrap().is_empty());
        }
    }

    #[test]
    fn unreadable_properties_are_blanked_and_kept_by_their_delivery_tag() {
        let bytes = [
            deliver(6, b"measures"),
            header(MESSAGE_ID, b"\x02id"),
            frame(BODY, b"{}"),
            deliver(7, b"measures"),
            header(MESSAGE_ID, BAD_ID),
            frame(BODY, b"{}"),
            deliver(8, b"measures"),
            header(MESSAGE_ID, b"\x02id"),
            frame(BODY, b"{}"),
        ]
        .concat();
        for size in [1, 5, 31, bytes.len()] {
            let blanked = NotedProperties::default();
            let out = pass(&bytes, size, &blanked);
            assert_eq!(out.len(), bytes.len());
            assert!(!out.windows(3).any(|window| window == BAD_ID), "pieces of {size}");
            assert_eq!((blanked.take(6), blanked.take(8)), (Noted::default(), Noted::default()));
            let kept = blanked.take(7).original.unwrap();
            assert_eq!((kept.flags, &*kept.list), (MESSAGE_ID, BAD_ID));
            assert_eq!(blanked.take(7), Noted::default());
        }
    }

    #[test]
    fn a_routing_key_of_any_bytes_passes() {
        let out = pass(&deliver(1, b"\xffkey"), 4, &NotedProperties::default());
        assert_eq!(out, deliver(1, b"????"));
    }

    #[test]
    fn what_is_no_amqp_passes_untouched() {
        for bytes in [
            &b"AMQP\0\0\x09\x01"[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            &[METHOD, 0, 0, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(pass(bytes, 3, &NotedProperties::default()), bytes);
        }
    }

    fn message(tag: u64, body: &[&[u8]]) -> Vec<u8> {
        let length = u64::try_from(body.concat().len()).unwrap().to_be_bytes();
        let header = frame(HEADER, &[&[0, 60, 0, 0], &length[..], &0_u16.to_be_bytes()].concat());
        let body = body.iter().map(|part| frame(BODY, part)).collect::<Vec<_>>().concat();
        [deliver(tag, b"measures"), header, body].concat()
    }

    #[test]
    fn a_full_gate_holds_the_next_delivery_and_lets_the_one_that_has_begun_in_whole() {
        let heartbeat = frame(HEARTBEAT, b"");
        let (first, second) = (message(1, &[b"123456", b"78"]), message(2, &[b"9"]));
        let bytes = [first.clone(), heartbeat.clone(), second.clone()].concat();
        let before = [first, heartbeat].concat();
        for size in [1, 9, bytes.len()] {
            let gate = Gate::new(6);
            assert_eq!(
                pass_through(&bytes, size, &gate, &NotedProperties::default()),
                before,
                "pieces of {size}"
            );
            let mut guard = FrameGuard::default();
            let mut second = second.clone();
            assert_eq!(guard.inspect(&mut second, &gate, &NotedProperties::default()), Verdict::Hold);
            gate.release(8);
            assert!(matches!(
                guard.inspect(&mut second, &gate, &NotedProperties::default()),
                Verdict::Pass(_)
            ));
        }
    }

    #[test]
    fn large_properties_fill_the_gate_as_bodies_do_and_small_ones_do_not() {
        let table = |bytes: usize| {
            let text =
                [b"\x01kS", &u32::try_from(bytes).unwrap().to_be_bytes()[..], &vec![b'x'; bytes]].concat();
            [&u32::try_from(text.len()).unwrap().to_be_bytes()[..], &text].concat()
        };
        const HEADERS: u16 = 1 << 13;
        for (bytes, is_counted) in [(100, false), (5_000, true)] {
            let mut first =
                [deliver(1, b"measures"), header(HEADERS, &table(bytes)), frame(BODY, b"{}")].concat();
            let (gate, noted) = (Gate::new(100), NotedProperties::default());
            let length = first.len();
            assert_eq!(pass_through(&first, length, &gate, &noted), first);
            assert_eq!(gate.is_full(), is_counted);
            let held = noted.take(1).bytes;
            assert_eq!(held > bytes, is_counted);
            gate.release(held + 2);
            assert!(!gate.is_full());
            // Nothing is left behind, so the next one is let in.
            assert!(matches!(FrameGuard::default().inspect(&mut first, &gate, &noted), Verdict::Pass(_)));
        }
    }

    #[test]
    fn a_closed_gate_drops_deliveries_and_nothing_else() {
        let (heartbeat, cancelled) =
            (frame(HEARTBEAT, b""), frame(METHOD, &[0, 60, 0, 31, 3, b't', b'a', b'g']));
        let bytes = [
            message(1, &[b"12", b"3"]),
            heartbeat.clone(),
            message(2, &[]),
            message(3, &[&[0xce; 100]]),
            cancelled.clone(),
        ]
        .concat();
        for size in [1, 9, 50, bytes.len()] {
            let gate = Gate::new(1);
            gate.close();
            let out = pass_through(&bytes, size, &gate, &NotedProperties::default());
            assert_eq!(out, [heartbeat.clone(), cancelled.clone()].concat(), "pieces of {size}");
        }
    }

    #[test]
    fn a_gate_that_closes_in_the_middle_of_a_delivery_lets_it_in_whole() {
        let (first, second) = (message(1, &[b"123", b"456"]), message(2, &[b"7"]));
        let (gate, blanked) = (Gate::new(usize::MAX), NotedProperties::default());
        let (mut guard, mut bytes, mut out) =
            (FrameGuard::default(), [first.clone(), second].concat(), Vec::new());
        loop {
            match guard.inspect(&mut bytes, &gate, &blanked) {
                Verdict::Pass(length) => out.extend(bytes.drain(..length)),
                Verdict::Drop(length) => drop(bytes.drain(..length)),
                Verdict::Hold | Verdict::More => break,
            }
            gate.close();
        }
        assert_eq!(out, first);
    }

    #[test]
    fn a_truncated_header_frame_passes_without_a_panic() {
        for length in 0..=BEFORE_FLAGS + 2 {
            let bytes = frame(HEADER, &vec![0; length]);
            assert_eq!(pass(&bytes, 4, &NotedProperties::default()), bytes, "{length}");
        }
        for length in 0..20 {
            let payload = [&DELIVER[..], &vec![3; length]].concat();
            assert_eq!(
                pass(&frame(METHOD, &payload), 4, &NotedProperties::default()).len(),
                payload.len() + 8
            );
        }
    }
}
