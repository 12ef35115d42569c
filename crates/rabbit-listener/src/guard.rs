//! Filters what the broker sends before lapin parses it.
//!
//! **Properties.** Publishers may put any bytes into them. lapin ends the connection at the first
//! text that is not UTF-8, and its parser overflows the stack on deep header tables. The broker
//! would deliver such a message on each new connection again. So lapin gets deliveries without
//! properties and names; [`Properties`] reads them.
//!
//! **Bytes.** The prefetch bounds the number of messages in memory, not their size, and RabbitMQ
//! knows no limit in bytes. The guard reads no further while [`MAX_BYTES`] are taken, so that TCP
//! stops the broker.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::{FutureExt, StreamExt};
use mymonit_broker::Stream;
use tokio::io::{AsyncRead, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, TryAcquireError};
use tokio::time::sleep;
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::properties::Properties;

/// Maximum bytes of bodies and properties in memory. A larger message is admitted alone.
const MAX_BYTES: usize = 32 << 20;
/// Bytes read, and handed to lapin, at once.
const BUFFER: usize = 64 << 10;
/// Longer frames are not AMQP: RabbitMQ's messages have at most 128 MiB.
const MAX_FRAME: usize = 256 << 20;
/// How often lapin gets a heartbeat while the guard does not read. lapin waits at least two seconds
/// for one.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const HEARTBEAT: [u8; 8] = [8, 0, 0, 0, 0, 0, 0, FRAME_END];

/// Type, channel and payload size before the payload of a frame.
const FRAME_START: usize = 7;
const FRAME_END: u8 = 0xce;
/// `basic.deliver`, as class and method.
const DELIVER: [u8; 4] = [0, 60, 0, 60];
/// Class, weight and body size before the flags of the properties.
const BEFORE_FLAGS: usize = 12;

/// What a session needs from the guard of its connection.
pub(crate) struct Guard {
    /// The properties of each delivery, in the order of deliveries.
    pub(crate) deliveries: Receiver<GuardedDelivery>,
    /// Closing it discards all further deliveries; the broker keeps them.
    pub(crate) memory: Arc<Semaphore>,
}

/// What the guard took out of a delivery.
#[derive(Debug)]
pub(crate) struct GuardedDelivery {
    pub(crate) properties: Properties,
    /// The bytes that the message takes, until this is dropped.
    pub(crate) memory: OwnedSemaphorePermit,
}

/// Puts a guard between the stream and lapin. It ends when the stream ends, or when lapin drops its
/// side.
pub(crate) fn guard(stream: Box<dyn Stream>, prefetch: u16) -> (Box<dyn Stream>, Guard) {
    let (from_broker, to_broker) = tokio::io::split(stream);
    let (for_lapin, lapin) = tokio::io::duplex(BUFFER);
    let (sender, deliveries) = channel(prefetch.into());
    let memory = Arc::new(Semaphore::new(MAX_BYTES));
    let filter = Filter::new(memory.clone(), sender, lapin);
    // An error ends the pipe, which lapin reports as the end of the connection.
    tokio::spawn(async move { filter.run(from_broker).await });
    (Box::new(tokio::io::join(for_lapin, to_broker)), Guard { deliveries, memory })
}

/// Follows the frames of a connection with one channel.
struct Filter {
    memory: Arc<Semaphore>,
    deliveries: Sender<GuardedDelivery>,
    lapin: DuplexStream,
    /// What lapin gets next.
    out: BytesMut,
    /// A `basic.deliver` whose header frame has not come yet.
    deliver: Option<BytesMut>,
    /// Whether the body frames that come next are discarded.
    is_discarding: bool,
}

impl Filter {
    fn new(memory: Arc<Semaphore>, deliveries: Sender<GuardedDelivery>, lapin: DuplexStream) -> Self {
        Self { memory, deliveries, lapin, out: BytesMut::new(), deliver: None, is_discarding: false }
    }

    async fn run(mut self, broker: impl AsyncRead + Unpin) -> io::Result<()> {
        let codec = LengthDelimitedCodec::builder()
            .length_field_offset(3)
            .length_field_length(4)
            .length_adjustment(8)
            .num_skip(0)
            .max_frame_length(MAX_FRAME)
            .new_codec();
        let mut frames = FramedRead::with_capacity(broker, codec, BUFFER);
        loop {
            let frame = match frames.next().now_or_never() {
                Some(frame) if self.out.len() < BUFFER => frame,
                Some(frame) => {
                    self.flush().await?;
                    frame
                }
                None => {
                    self.flush().await?;
                    frames.next().await
                }
            };
            match frame {
                Some(Ok(frame)) => self.filter(frame).await?,
                Some(Err(_)) => {
                    // Not AMQP, or cut off: lapin reports it.
                    self.out.extend_from_slice(frames.read_buffer());
                    self.flush().await?;
                    return tokio::io::copy(frames.get_mut(), &mut self.lapin).await.map(drop);
                }
                None => return self.flush().await,
            }
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.lapin.write_all_buf(&mut self.out).await
    }

    /// Hands the frame to lapin, unless it belongs to a delivery that has to wait or is discarded.
    async fn filter(&mut self, frame: BytesMut) -> io::Result<()> {
        match (frame[0], self.deliver.take()) {
            (METHOD, _) => {
                self.is_discarding = false;
                match without_names(&frame) {
                    Some(deliver) => self.deliver = Some(deliver),
                    None => self.out.extend_from_slice(&frame),
                }
            }
            (HEADER, Some(deliver)) => self.header(&deliver, frame).await?,
            (BODY, _) if self.is_discarding => {}
            (_, deliver) => {
                self.deliver = deliver;
                self.out.extend_from_slice(&frame);
            }
        }
        Ok(())
    }

    async fn header(&mut self, deliver: &[u8], mut frame: BytesMut) -> io::Result<()> {
        let payload = &frame[FRAME_START..frame.len() - 1];
        let Some((start, mut rest)) =
            payload.split_at_checked(BEFORE_FLAGS).filter(|(_, rest)| rest.len() > 1)
        else {
            self.out.extend_from_slice(deliver);
            self.out.extend_from_slice(&frame);
            return Ok(());
        };
        let body = usize::try_from((&start[4..]).get_u64()).unwrap_or(usize::MAX);
        let properties = Properties::read(rest.get_u16(), rest);
        let Some(memory) = self.reserve(body.saturating_add(properties.bytes)).await? else {
            self.is_discarding = true;
            return Ok(());
        };
        // Fails if the session has ended; the broker delivers no more than the prefetch.
        self.deliveries.try_send(GuardedDelivery { properties, memory }).map_err(io::Error::other)?;
        frame.truncate(FRAME_START + BEFORE_FLAGS);
        frame.extend_from_slice(&[0, 0]);
        self.out.extend_from_slice(deliver);
        self.out.extend_from_slice(&finished(frame));
        Ok(())
    }

    /// Waits for memory; `None` once the session takes nothing more.
    async fn reserve(&mut self, bytes: usize) -> io::Result<Option<OwnedSemaphorePermit>> {
        let bytes = u32::try_from(bytes.min(MAX_BYTES)).unwrap_or(u32::MAX);
        match self.memory.clone().try_acquire_many_owned(bytes) {
            Ok(memory) => return Ok(Some(memory)),
            Err(TryAcquireError::Closed) => return Ok(None),
            Err(TryAcquireError::NoPermits) => {}
        }
        let mut memory = pin!(self.memory.clone().acquire_many_owned(bytes));
        loop {
            // lapin needs the previous frames to free memory, and heartbeats to keep the
            // connection.
            self.flush().await?;
            tokio::select! {
                memory = &mut memory => return Ok(memory.ok()),
                () = sleep(HEARTBEAT_INTERVAL) => self.out.extend_from_slice(&HEARTBEAT),
            }
        }
    }
}

/// A `basic.deliver` frame with empty names of exchange and routing key, which may have any bytes.
/// `None` for other frames.
fn without_names(frame: &[u8]) -> Option<BytesMut> {
    let arguments = frame.get(FRAME_START..)?.strip_prefix(&DELIVER)?;
    // Consumer tag, delivery tag, whether it is a redelivery.
    let kept = 1 + usize::from(*arguments.first()?) + 8 + 1;
    // An incomplete frame is not changed; lapin refuses it.
    arguments.get(kept + 2)?;
    let mut deliver = BytesMut::from(&frame[..FRAME_START + DELIVER.len() + kept]);
    deliver.extend_from_slice(&[0, 0]);
    Some(finished(deliver))
}

/// Sets the size of a frame without its end, and adds that.
fn finished(mut frame: BytesMut) -> BytesMut {
    let size = u32::try_from(frame.len() - FRAME_START).unwrap_or(u32::MAX);
    frame[3..FRAME_START].copy_from_slice(&size.to_be_bytes());
    frame.extend_from_slice(&[FRAME_END]);
    frame
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tokio::io::AsyncReadExt;
    use tokio::time::timeout;

    use super::*;
    use crate::properties::tests::{HEADERS, MESSAGE_ID, long};

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&[kind, 0, 1], &size[..], payload, &[FRAME_END]].concat()
    }

    fn deliver(tag: u64, exchange: &[u8], routing_key: &[u8]) -> Vec<u8> {
        let short = |text: &[u8]| [&[u8::try_from(text.len()).unwrap()], text].concat();
        let names = [short(exchange), short(routing_key)].concat();
        frame(METHOD, &[&DELIVER[..], b"\x03tag", &tag.to_be_bytes(), b"\0", &names].concat())
    }

    fn header(body: u64, flags: u16, list: &[u8]) -> Vec<u8> {
        frame(HEADER, &[&[0, 60, 0, 0], &body.to_be_bytes()[..], &flags.to_be_bytes(), list].concat())
    }

    /// A delivery as the broker sends it, and as lapin gets it.
    fn delivery(tag: u64, flags: u16, list: &[u8], body: &[&[u8]]) -> (Vec<u8>, Vec<u8>) {
        let size = body.concat().len().try_into().unwrap();
        let body = body.iter().map(|part| frame(BODY, part)).collect::<Vec<_>>().concat();
        let sent = [deliver(tag, b"mymonit", b"\xffkey"), header(size, flags, list), body.clone()].concat();
        (sent, [deliver(tag, b"", b""), header(size, 0, b""), body].concat())
    }

    struct Guarded {
        broker: DuplexStream,
        lapin: Box<dyn Stream>,
        guard: Guard,
    }

    impl Guarded {
        fn new() -> Self {
            let (broker, stream) = tokio::io::duplex(1 << 20);
            let (lapin, guard) = guard(Box::new(stream), 3);
            Self { broker, lapin, guard }
        }

        /// Lets the broker send bytes in pieces of `size`, and close.
        async fn pass(mut self, bytes: &[u8], size: usize) -> (Vec<u8>, Vec<Properties>) {
            let mut out = Vec::new();
            let send = async {
                for piece in bytes.chunks(size) {
                    self.broker.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(self.broker);
            };
            tokio::join!(send, async { self.lapin.read_to_end(&mut out).await.unwrap() });
            let mut properties = Vec::new();
            while let Some(delivery) = self.guard.deliveries.recv().await {
                properties.push(delivery.properties);
            }
            (out, properties)
        }

        /// What lapin has got within a second.
        async fn received(&mut self, length: usize) -> Vec<u8> {
            let mut out = vec![0; length];
            self.lapin.read_exact(&mut out).await.unwrap();
            out
        }
    }

    #[tokio::test]
    async fn lapin_gets_deliveries_without_properties_however_they_are_cut() {
        let heartbeat = frame(8, b"");
        let (first, first_out) = delivery(1, MESSAGE_ID, b"\x02id", &[&[FRAME_END; 300], b"x"]);
        let (second, second_out) = delivery(2, MESSAGE_ID, b"\x02\xff\xfe", &[b"{}"]);
        let other = frame(METHOD, &[0, 60, 0, 31]);
        let sent = [first, heartbeat.clone(), second, other.clone()].concat();
        let expected = [first_out, heartbeat, second_out, other].concat();
        for size in [1, 7, 8, 63, sent.len()] {
            let (out, properties) = Guarded::new().pass(&sent, size).await;
            assert_eq!(out, expected, "pieces of {size}");
            assert_eq!(properties[0].json, json!({ "message_id": "id" }));
            assert_eq!(
                properties[1].json,
                json!({ "$raw": { "flags": MESSAGE_ID, "list": { "$base64": "Av/+" } } })
            );
        }
    }

    #[tokio::test]
    async fn other_protocols_and_cut_frames_pass() {
        let cut = &deliver(1, b"mymonit", b"measures")[..20];
        let short_header = [deliver(1, b"", b""), frame(HEADER, &[0; BEFORE_FLAGS + 1])].concat();
        for bytes in [
            &b"AMQP\0\0\x09\x01"[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            &[METHOD, 0, 0, 0xff, 0xff, 0xff, 0xff, 1],
            &frame(METHOD, &[&DELIVER[..], &[3; 9]].concat()),
            cut,
            &short_header,
        ] {
            assert_eq!(Guarded::new().pass(bytes, 3).await.0, bytes);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_delivery_waits_for_memory_and_lapin_gets_heartbeats() {
        let mut guarded = Guarded::new();
        let taken = guarded.guard.memory.clone().acquire_many_owned(u32::try_from(MAX_BYTES).unwrap());
        let taken = taken.await.unwrap();
        let (sent, out) = delivery(1, HEADERS, &long(&[b'?'; 5_000]), &[b"123456", b"78"]);
        guarded.broker.write_all(&sent).await.unwrap();
        assert_eq!(guarded.received(16).await, HEARTBEAT.repeat(2));
        assert!(guarded.guard.deliveries.try_recv().is_err());

        drop(taken);
        assert_eq!(guarded.received(out.len()).await, out);
        let delivery = guarded.guard.deliveries.try_recv().unwrap();
        assert_eq!(delivery.memory.num_permits(), delivery.properties.bytes + 8);
        assert!(delivery.properties.bytes > 5_000);
        drop(delivery);
        assert_eq!(guarded.guard.memory.available_permits(), MAX_BYTES);
    }

    #[tokio::test]
    async fn a_message_larger_than_the_memory_is_accepted_alone() {
        let mut guarded = Guarded::new();
        guarded.broker.write_all(&deliver(1, b"", b"")).await.unwrap();
        guarded.broker.write_all(&header(u64::MAX, 0, b"")).await.unwrap();
        let delivery = guarded.guard.deliveries.recv().await.unwrap();
        assert_eq!(delivery.memory.num_permits(), MAX_BYTES);
    }

    #[tokio::test]
    async fn after_closing_deliveries_are_discarded_and_nothing_else() {
        let (heartbeat, cancelled) = (frame(8, b""), frame(METHOD, &[0, 60, 0, 31, 3, b't', b'a', b'g']));
        let sent = [
            delivery(1, 0, b"", &[b"12", b"3"]).0,
            heartbeat.clone(),
            delivery(2, 0, b"", &[]).0,
            delivery(3, 0, b"", &[&[FRAME_END; 100]]).0,
            cancelled.clone(),
        ]
        .concat();
        for size in [1, 9, 50, sent.len()] {
            let guarded = Guarded::new();
            guarded.guard.memory.close();
            let (out, properties) = guarded.pass(&sent, size).await;
            assert_eq!(out, [heartbeat.clone(), cancelled.clone()].concat(), "pieces of {size}");
            assert!(properties.is_empty());
        }
    }

    #[tokio::test]
    async fn closing_ends_the_wait_for_memory() {
        let mut guarded = Guarded::new();
        guarded.guard.memory.forget_permits(MAX_BYTES);
        let other = frame(METHOD, &[0, 60, 0, 31]);
        guarded.broker.write_all(&delivery(1, 0, b"", &[b"1"]).0).await.unwrap();
        guarded.broker.write_all(&other).await.unwrap();
        assert!(timeout(Duration::from_millis(50), guarded.lapin.read_u8()).await.is_err());
        guarded.guard.memory.close();
        assert_eq!(guarded.received(other.len()).await, other);
    }
}
