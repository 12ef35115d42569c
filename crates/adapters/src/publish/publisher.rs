use std::collections::VecDeque;
use std::time::Duration;

use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::message::Delivery;
use lapin::options::BasicPublishOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation, Consumer, ErrorKind};
use mymonit_broker::ConnectError;
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, interval, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection::Link;
use super::in_flight::{InFlight, open_messages};
use super::replies::{Rejection, correlation_id, rejection, reply_to};
use crate::broker::Broker;
use crate::message::{Group, Message, Origin};
use crate::output::Output;

/// The maximum number of unconfirmed groups. With the size of a group this bounds memory.
const GROUPS_IN_FLIGHT: usize = 8;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// How long a stop waits for confirms. What is not confirmed by then is on the disk.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How long to wait for replies after the last confirm: only rejections have a reply.
const REPLY_LIMIT: Duration = Duration::from_secs(2);
/// How often to check whether the broker accepts messages.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

/// Why publishing ended early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The broker refused the account or the message.
    Refused(String),
    /// The broker has been unreachable for longer than allowed.
    GaveUp(String),
}

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything has been confirmed.
    Done,
    /// It was stopped with this many messages unconfirmed. They are on the disk.
    Stopped(usize),
    /// Publishing cannot continue. Everything unconfirmed is on the disk.
    Refused(Refusal),
}

/// An event for the committer.
#[derive(Debug)]
pub(crate) enum Confirmed {
    /// A confirmed group, without its messages.
    Group(Box<Group>),
    /// A message that the service has rejected.
    Rejected(Rejection),
}

/// Publishes groups and hands them on once all their messages are confirmed.
pub(crate) struct Publisher {
    pub(crate) broker: Broker,
    pub(crate) groups: Receiver<Group>,
    pub(crate) confirmed: Sender<Confirmed>,
    pub(crate) stop: CancellationToken,
    /// How long the broker may be unreachable.
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) output: Output,
}

/// Why a session ended.
enum Broken {
    Connection(String),
    /// The broker did not accept a message for now.
    NotAccepted(String),
    /// This account may not publish.
    Refused(String),
    /// The broker has accepted nothing for longer than allowed.
    GaveUp(String),
    /// A stop was requested, and the broker has accepted nothing since.
    Stopped,
}

/// The state of publishing across connections.
struct PublishState {
    was_connected: bool,
    /// Whether the broker has accepted any message.
    has_accepted: bool,
    /// Whether it has been reported that the broker accepts nothing for now.
    is_blocked: bool,
    unreachable_since: Option<Instant>,
    delays: ExponentialBackoff,
}

impl PublishState {
    /// Records an accepted message, which proves that the broker is back. Returns whether it was
    /// reported blocked.
    fn record_accepted(&mut self) -> bool {
        (self.has_accepted, self.unreachable_since, self.delays) = (true, None, delays());
        std::mem::take(&mut self.is_blocked)
    }

    /// Records that the broker is unreachable, and returns whether that has lasted too long.
    fn has_timed_out(&mut self, give_up_after: Option<Duration>) -> bool {
        let since = *self.unreachable_since.get_or_insert_with(Instant::now);
        give_up_after.is_some_and(|give_up_after| since.elapsed() >= give_up_after)
    }
}

/// The delays between connection attempts.
fn delays() -> ExponentialBackoff {
    let delays = ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_max_delay(LONGEST_DELAY);
    delays.with_jitter().without_max_times().build()
}

impl Publisher {
    /// Publishes until there are no more groups.
    pub(crate) async fn run(mut self) -> Ended {
        let mut in_flight = VecDeque::new();
        let mut state = PublishState {
            was_connected: false,
            has_accepted: false,
            is_blocked: false,
            unreachable_since: None,
            delays: delays(),
        };
        loop {
            // Connect only if there is a message to send.
            if in_flight.is_empty() && !self.next_group(&mut in_flight).await {
                return Ended::Done;
            }
            let trouble = match self.connect().await {
                Some(Ok(mut link)) => {
                    if state.unreachable_since.is_some() {
                        self.output.note("connected to the broker again");
                    }
                    state.was_connected = true;
                    match self.session(&mut link, &mut in_flight, &mut state).await {
                        Ok(ended) => {
                            link.close().await;
                            return ended;
                        }
                        Err(Broken::Refused(why)) if !state.has_accepted => {
                            return Ended::Refused(Refusal::Refused(why));
                        }
                        Err(Broken::GaveUp(why)) => return Ended::Refused(Refusal::GaveUp(why)),
                        Err(Broken::Stopped) => return Ended::Stopped(open_messages(&in_flight)),
                        Err(Broken::Connection(why) | Broken::NotAccepted(why) | Broken::Refused(why)) => why,
                    }
                }
                // After a first connection, a refusal may pass: the broker may be starting.
                Some(Err(error)) if error.is_refusal() && !state.was_connected => {
                    return Ended::Refused(Refusal::Refused(error.to_string()));
                }
                Some(Err(error)) => error.to_string(),
                None => return Ended::Stopped(open_messages(&in_flight)),
            };
            self.output.repeated(&format!("{trouble}; retrying"));
            if state.has_timed_out(self.give_up_after) {
                return Ended::Refused(Refusal::GaveUp(trouble));
            }
            let delay = state.delays.next().unwrap_or(LONGEST_DELAY);
            tokio::select! {
                () = sleep(delay) => {}
                () = self.stop.cancelled() => return Ended::Stopped(open_messages(&in_flight)),
            }
        }
    }

    async fn connect(&self) -> Option<Result<Link, ConnectError>> {
        tokio::select! {
            link = Link::connect(&self.broker) => Some(link),
            () = self.stop.cancelled() => None,
        }
    }

    async fn next_group(&mut self, in_flight: &mut VecDeque<InFlight>) -> bool {
        while let Some(group) = self.groups.recv().await {
            in_flight.push_back(InFlight::new(group));
            self.hand_on(in_flight).await;
            if !in_flight.is_empty() {
                return true;
            }
        }
        false
    }

    /// Hands on the fully confirmed groups at the front.
    async fn hand_on(&self, in_flight: &mut VecDeque<InFlight>) {
        while in_flight.front().is_some_and(|first| first.open == 0) {
            if let Some(mut done) = in_flight.pop_front() {
                done.group.messages.clear();
                // The receiver is dropped only when the process ends.
                let _ = self.confirmed.send(Confirmed::Group(Box::new(done.group))).await;
            }
        }
    }

    /// Publishes on one connection, unconfirmed messages of earlier connections first.
    async fn session(
        &mut self,
        link: &mut Link,
        in_flight: &mut VecDeque<InFlight>,
        state: &mut PublishState,
    ) -> Result<Ended, Broken> {
        let mut replies = link.replies.take();
        let expects_replies = replies.is_some();
        let link = &*link;
        let mut confirms = FuturesUnordered::new();
        for flight in &*in_flight {
            for index in flight.unconfirmed() {
                confirms.push(self.publish(link, flight, index, expects_replies, state).await?);
            }
        }
        let mut is_open = true;
        let mut stop_deadline = None;
        let mut reply_deadline = Instant::now() + REPLY_LIMIT;
        let mut ticks = interval(POLL_INTERVAL);
        loop {
            let is_done = in_flight.is_empty() && !is_open;
            if is_done && (replies.is_none() || Instant::now() >= reply_deadline) {
                return Ok(Ended::Done);
            }
            if stop_deadline.is_none() && self.stop.is_cancelled() {
                stop_deadline = Some(Instant::now() + STOP_LIMIT);
            }
            tokio::select! {
                Some(confirmed) = confirms.next(), if !confirms.is_empty() => {
                    let (number, index, confirmation) = confirmed;
                    check_confirmation(confirmation)?;
                    reply_deadline = Instant::now() + REPLY_LIMIT;
                    if state.record_accepted() {
                        self.output.note("the broker accepts messages again");
                    }
                    if let Some(flight) = in_flight.iter_mut().find(|flight| flight.group.number == number) {
                        flight.confirm(index);
                    }
                    self.hand_on(in_flight).await;
                }
                group = self.groups.recv(), if is_open && in_flight.len() < GROUPS_IN_FLIGHT => match group {
                    Some(group) => {
                        let flight = InFlight::new(group);
                        let unconfirmed = flight.unconfirmed();
                        // Tracked before it is sent, so that a broken connection loses nothing.
                        in_flight.push_back(flight);
                        if let Some(flight) = in_flight.back() {
                            for index in unconfirmed {
                                confirms.push(self.publish(link, flight, index, expects_replies, state).await?);
                            }
                        }
                        self.hand_on(in_flight).await;
                    }
                    None => is_open = false,
                },
                () = sleep_until(stop_deadline.unwrap_or_else(Instant::now)), if stop_deadline.is_some() => {
                    return Ok(Ended::Stopped(open_messages(in_flight)));
                }
                () = self.stop.cancelled(), if stop_deadline.is_none() => {}
                reply = next_reply(&mut replies), if replies.is_some() => match reply {
                    Some(Ok(delivery)) => self.take_reply(&delivery).await,
                    Some(Err(_)) | None => replies = None,
                },
                () = sleep_until(reply_deadline), if is_done => {}
                _ = ticks.tick() => self.check_blocked(link, state)?,
            }
        }
    }

    /// Reports a rejected message and hands the rejection on.
    async fn take_reply(&self, delivery: &Delivery) {
        let Some(rejection) = rejection(delivery) else { return };
        let Origin { file, first_line, last_line } = &rejection.origin;
        self.output.note(&format!(
            "{file}, lines {first_line} to {last_line}: the service rejects the message ({}): {}",
            rejection.reason, rejection.detail
        ));
        // The receiver is dropped only when the process ends.
        let _ = self.confirmed.send(Confirmed::Rejected(rejection)).await;
    }

    /// Checks whether the broker accepts messages; no event reports that it has stopped reading.
    fn check_blocked(&self, link: &Link, state: &mut PublishState) -> Result<(), Broken> {
        if !link.is_blocked() {
            return Ok(());
        }
        let why = "the broker accepts no messages: it is short of memory or disk";
        state.is_blocked = true;
        self.output.repeated(&format!("{why}; waiting until it does"));
        if state.has_timed_out(self.give_up_after) { Err(Broken::GaveUp(why.to_owned())) } else { Ok(()) }
    }

    /// Waits while a message cannot be sent, and returns why to stop waiting.
    async fn wait_while_blocked(&self, link: &Link, state: &mut PublishState) -> Broken {
        let (mut ticks, mut deadline) = (interval(POLL_INTERVAL), None);
        loop {
            let now = ticks.tick().await;
            if let Err(broken) = self.check_blocked(link, state) {
                return broken;
            }
            if self.stop.is_cancelled() && now >= *deadline.get_or_insert(now + STOP_LIMIT) {
                return Broken::Stopped;
            }
        }
    }

    async fn publish(
        &self,
        link: &Link,
        flight: &InFlight,
        index: usize,
        expects_replies: bool,
        state: &mut PublishState,
    ) -> Result<impl Future<Output = (u64, usize, lapin::Result<Confirmation>)> + use<>, Broken> {
        let message = &flight.group.messages[index];
        let number = flight.group.number;
        // Unroutable messages are returned; without this flag they would be confirmed and lost.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.broker.exchange.as_str().into(), self.broker.routing_key.as_str().into());
        let publish = link.channel.basic_publish(
            exchange,
            key,
            options,
            &message.body,
            self.properties(message, expects_replies),
        );
        let confirm = tokio::select! {
            biased;
            confirm = publish => confirm.map_err(|error| broken(&error))?,
            broken = self.wait_while_blocked(link, state) => return Err(broken),
        };
        Ok(async move { (number, index, confirm.await) })
    }

    fn properties(&self, message: &Message, expects_replies: bool) -> BasicProperties {
        let mut properties = BasicProperties::default()
            .with_content_type("application/json".into())
            // Persistent: survives a restart of the broker.
            .with_delivery_mode(2)
            .with_message_id(ShortString::from(message.id.clone()));
        // An older version sent the message without user, and the service deduplicates by user and
        // id.
        if let (Some(user), Some(_)) = (self.broker.user(), &message.origin) {
            properties = properties.with_user_id(user);
        }
        if expects_replies && let Some(id) = correlation_id(message) {
            properties = properties.with_reply_to(reply_to()).with_correlation_id(id);
        }
        properties
    }
}

fn broken(error: &lapin::Error) -> Broken {
    let kind = match error.kind() {
        ErrorKind::ProtocolError(error) => Some(error.kind()),
        _ => None,
    };
    match kind {
        Some(AMQPErrorKind::Soft(AMQPSoftError::NOTFOUND)) => Broken::Connection(format!(
            "the broker has no such exchange: is MyMONIT running? It declares what it needs ({error})"
        )),
        Some(AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED)) => Broken::Refused(format!(
            "this account may not publish to the exchange; an administrator of the broker can permit it ({error})"
        )),
        _ => Broken::Connection(format!("the broker is unreachable: {error}")),
    }
}

/// Checks that the broker has confirmed and routed a message.
fn check_confirmation(confirmation: lapin::Result<Confirmation>) -> Result<(), Broken> {
    match confirmation {
        Ok(Confirmation::Ack(None)) => Ok(()),
        Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => Err(Broken::NotAccepted(
            "no queue is bound for the messages: is MyMONIT running, and are RABBIT_EXCHANGE and RABBIT_ROUTING the same there?".to_owned(),
        )),
        Ok(Confirmation::Nack(None)) => Err(Broken::NotAccepted("the broker refuses a message: its queue may be full".to_owned())),
        Ok(Confirmation::NotRequested) => Err(Broken::Connection("the broker does not confirm messages".to_owned())),
        Err(error) => Err(broken(&error)),
    }
}

async fn next_reply(replies: &mut Option<Consumer>) -> Option<lapin::Result<Delivery>> {
    replies.as_mut()?.next().await
}
