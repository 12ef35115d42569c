//! What comes from the broker, frame by frame, before lapin sees it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::raw_properties::{RawProperties, Reader, blank, is_readable};

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

/// The properties that were blanked, by delivery tag, until their message asks for them.
#[derive(Debug, Default)]
pub(crate) struct BlankedProperties(Mutex<HashMap<u64, RawProperties>>);

impl BlankedProperties {
    /// The original properties of that delivery, if they were blanked.
    pub(crate) fn take(&self, delivery_tag: u64) -> Option<RawProperties> {
        let mut blanked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Nearly always empty: not even a hash is needed then.
        if blanked.is_empty() { None } else { blanked.remove(&delivery_tag) }
    }

    fn put(&self, delivery_tag: u64, properties: RawProperties) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(delivery_tag, properties);
    }
}

/// Follows the frames in a stream of bytes and blanks the properties that lapin could not read
/// ([`crate::raw_properties`]). Lengths never change, so nothing else has to.
///
/// Delivery tags belong to a channel; this follows a connection with one channel.
#[derive(Debug, Default)]
pub(crate) struct FrameGuard {
    /// Bytes that may pass without being looked at: bodies, and what is no frame.
    passing: usize,
    /// The tag of the delivery whose header frame comes next.
    delivery_tag: u64,
}

impl FrameGuard {
    /// Looks at the bytes that come next; gives how many of them may be handed on. The rest is the beginning of a
    /// frame that has to be looked at as a whole: it must be given again, with what follows it.
    pub(crate) fn inspect(&mut self, bytes: &mut [u8], blanked: &BlankedProperties) -> usize {
        let mut done = 0;
        loop {
            let rest = &mut bytes[done..];
            if self.passing > 0 {
                let pass = self.passing.min(rest.len());
                self.passing -= pass;
                done += pass;
                if self.passing > 0 || pass == rest.len() {
                    return done;
                }
                continue;
            }
            let Some((kind, size)) = frame_start(rest) else { return done };
            let whole = FRAME_START.saturating_add(size).saturating_add(FRAME_END);
            match kind {
                METHOD | HEADER if size <= MAX_INSPECTED => {
                    let Some(frame) = rest.get_mut(..whole) else { return done };
                    let payload = &mut frame[FRAME_START..FRAME_START + size];
                    if kind == METHOD {
                        self.method(payload)
                    } else {
                        self.header(payload, blanked)
                    }
                    done += whole;
                }
                METHOD | HEADER | BODY | HEARTBEAT => self.passing = whole,
                // Not AMQP, or not this version of it: lapin is to say so.
                _ => self.passing = usize::MAX,
            }
        }
    }

    fn method(&mut self, payload: &mut [u8]) {
        let Some((&mut DELIVER, arguments)) = payload.split_first_chunk_mut() else { return };
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

    fn header(&mut self, payload: &mut [u8], blanked: &BlankedProperties) {
        let Some((flags, list)) = payload.get_mut(BEFORE_FLAGS..).and_then(<[u8]>::split_first_chunk_mut)
        else {
            return;
        };
        let read = u16::from_be_bytes(*flags);
        if !is_readable(read, list) {
            blanked.put(self.delivery_tag, RawProperties { flags: read, list: (&*list).into() });
            *flags = blank(list).to_be_bytes();
        }
    }
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
    fn pass(bytes: &[u8], size: usize, blanked: &BlankedProperties) -> Vec<u8> {
        let (mut guard, mut held, mut out) = (FrameGuard::default(), Vec::new(), Vec::new());
        for piece in bytes.chunks(size) {
            held.extend_from_slice(piece);
            let released = guard.inspect(&mut held, blanked);
            out.extend(held.drain(..released));
        }
        assert!(held.is_empty());
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
            let blanked = BlankedProperties::default();
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
            let blanked = BlankedProperties::default();
            let out = pass(&bytes, size, &blanked);
            assert_eq!(out.len(), bytes.len());
            assert!(!out.windows(3).any(|window| window == BAD_ID), "pieces of {size}");
            assert_eq!((blanked.take(6), blanked.take(8)), (None, None));
            let kept = blanked.take(7).unwrap();
            assert_eq!((kept.flags, &*kept.list), (MESSAGE_ID, BAD_ID));
            assert_eq!(blanked.take(7), None);
        }
    }

    #[test]
    fn a_routing_key_of_any_bytes_passes() {
        let out = pass(&deliver(1, b"\xffkey"), 4, &BlankedProperties::default());
        assert_eq!(out, deliver(1, b"????"));
    }

    #[test]
    fn what_is_no_amqp_passes_untouched() {
        for bytes in [
            &b"AMQP\0\0\x09\x01"[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            &[METHOD, 0, 0, 0xff, 0xff, 0xff, 0xff, 1],
        ] {
            assert_eq!(pass(bytes, 3, &BlankedProperties::default()), bytes);
        }
    }

    #[test]
    fn a_truncated_header_frame_passes_without_a_panic() {
        for length in 0..=BEFORE_FLAGS + 2 {
            let bytes = frame(HEADER, &vec![0; length]);
            assert_eq!(pass(&bytes, 4, &BlankedProperties::default()), bytes, "{length}");
        }
        for length in 0..20 {
            let payload = [&DELIVER[..], &vec![3; length]].concat();
            assert_eq!(
                pass(&frame(METHOD, &payload), 4, &BlankedProperties::default()).len(),
                payload.len() + 8
            );
        }
    }
}
