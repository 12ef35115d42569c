use std::collections::VecDeque;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use lapin::options::BasicPublishOptions;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{BasicProperties, Confirmation, ErrorKind};
use tokio::sync::mpsc::{Receiver, Sender};
use tokio::time::{Instant, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use super::connection::{Link, Trouble};
use crate::broker::Broker;
use crate::message::{Group, Message};
use crate::say::Say;

/// Groups that may be on their way to the broker: with the size of a group this bounds memory.
const GROUPS_IN_FLIGHT: usize = 8;
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// How long a stop waits for confirms. What is not confirmed by then is on the disk.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// How often to look whether the broker takes anything.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Why nothing will be published any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The broker says no.
    Refused(String),
    /// The broker has been away for longer than allowed.
    GaveUp(String),
}

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Everything has been confirmed.
    Done,
    /// It was stopped, and so many messages have not been confirmed. They are on the disk.
    Stopped(usize),
    /// It cannot go on. Everything that has not been confirmed is on the disk.
    Refused(Refusal),
}

/// Publishes groups and hands them on once all their messages are confirmed.
pub(crate) struct Publisher {
    pub(crate) broker: Broker,
    pub(crate) groups: Receiver<Group>,
    /// Where they go, without their messages.
    pub(crate) confirmed: Sender<Group>,
    pub(crate) stop: CancellationToken,
    /// How long the broker may be away.
    pub(crate) patience: Option<Duration>,
    pub(crate) say: Say,
}

/// A group on its way.
struct InFlight {
    group: Group,
    confirmed: Vec<bool>,
    open: usize,
}

/// Why a connection is of no use any more.
enum Broken {
    Connection(String),
    /// The broker did not take a message: it is not to be had at the moment.
    NotTaken(String),
    /// The broker does not let this account publish.
    Refused(String),
    /// The broker has taken nothing for longer than allowed.
    GaveUp(String),
    /// Somebody has asked to stop, and the broker has taken nothing since.
    Stopped,
}

/// How it goes, over all connections.
struct Course {
    was_connected: bool,
    /// Whether the broker has taken anything.
    has_taken: bool,
    /// Whether the broker has told that it takes nothing for now.
    is_blocked: bool,
    away_since: Option<Instant>,
    delay: Duration,
}

impl Course {
    /// The broker is back only when it takes messages. Says whether it had told that it takes none.
    fn goes_well(&mut self) -> bool {
        (self.has_taken, self.away_since, self.delay) = (true, None, FIRST_DELAY);
        std::mem::take(&mut self.is_blocked)
    }

    /// Notes that the broker is not to be had, and says whether that has gone on for too long.
    fn is_over(&mut self, patience: Option<Duration>) -> bool {
        let since = *self.away_since.get_or_insert_with(Instant::now);
        patience.is_some_and(|patience| since.elapsed() >= patience)
    }
}

impl Publisher {
    /// Publishes until there are no more groups.
    pub(crate) async fn run(mut self) -> Ended {
        let mut in_flight = VecDeque::new();
        let mut course = Course {
            was_connected: false,
            has_taken: false,
            is_blocked: false,
            away_since: None,
            delay: FIRST_DELAY,
        };
        loop {
            // Nothing to send needs no broker.
            if in_flight.is_empty() && !self.next_group(&mut in_flight).await {
                return Ended::Done;
            }
            let trouble = match self.connect().await {
                Some(Ok(link)) => {
                    if course.away_since.is_some() {
                        self.say.note("connected to the broker again");
                    }
                    course.was_connected = true;
                    match self.session(&link, &mut in_flight, &mut course).await {
                        Ok(ended) => {
                            link.close().await;
                            return ended;
                        }
                        Err(Broken::Refused(why)) if !course.has_taken => {
                            return Ended::Refused(Refusal::Refused(why));
                        }
                        Err(Broken::GaveUp(why)) => return Ended::Refused(Refusal::GaveUp(why)),
                        Err(Broken::Stopped) => return Ended::Stopped(open_messages(&in_flight)),
                        Err(Broken::Connection(why) | Broken::NotTaken(why) | Broken::Refused(why)) => why,
                    }
                }
                // Where it was let in once, a refusal is a matter of time, too: a broker that starts, say.
                Some(Err(Trouble::Refused(why))) if !course.was_connected => {
                    return Ended::Refused(Refusal::Refused(why));
                }
                Some(Err(Trouble::Away(why) | Trouble::Refused(why))) => why,
                None => return Ended::Stopped(open_messages(&in_flight)),
            };
            self.say.trouble(&format!("{trouble}; trying again"));
            if course.is_over(self.patience) {
                return Ended::Refused(Refusal::GaveUp(trouble));
            }
            let next = Instant::now() + course.delay.mul_f64(rand::random_range(0.5..=1.0));
            course.delay = (course.delay * 2).min(LONGEST_DELAY);
            tokio::select! {
                () = sleep_until(next) => {}
                () = self.stop.cancelled() => return Ended::Stopped(open_messages(&in_flight)),
            }
        }
    }

    async fn connect(&self) -> Option<Result<Link, Trouble>> {
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

    /// Hands on the groups at the front that are confirmed in full.
    async fn hand_on(&self, in_flight: &mut VecDeque<InFlight>) {
        while in_flight.front().is_some_and(|first| first.open == 0) {
            if let Some(mut done) = in_flight.pop_front() {
                done.group.messages.clear();
                // Nobody listens any more only where the process ends.
                let _ = self.confirmed.send(done.group).await;
            }
        }
    }

    /// Publishes on one connection, first of all what has not been confirmed on another one.
    async fn session(
        &mut self,
        link: &Link,
        in_flight: &mut VecDeque<InFlight>,
        course: &mut Course,
    ) -> Result<Ended, Broken> {
        let mut confirms = FuturesUnordered::new();
        for flight in &*in_flight {
            for index in flight.unconfirmed() {
                confirms.push(self.publish(link, flight, index, course).await?);
            }
        }
        let mut is_open = true;
        let mut deadline = None;
        let mut looks = interval(LOOK_EVERY);
        loop {
            if in_flight.is_empty() && !is_open {
                return Ok(Ended::Done);
            }
            if deadline.is_none() && self.stop.is_cancelled() {
                deadline = Some(Instant::now() + STOP_LIMIT);
            }
            tokio::select! {
                Some(confirmed) = confirms.next(), if !confirms.is_empty() => {
                    let (number, index, confirmation) = confirmed;
                    taken(confirmation)?;
                    if course.goes_well() {
                        self.say.note("the broker takes messages again");
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
                        // Noted before anything is sent: a connection that breaks on the way must not lose it.
                        in_flight.push_back(flight);
                        if let Some(flight) = in_flight.back() {
                            for index in unconfirmed {
                                confirms.push(self.publish(link, flight, index, course).await?);
                            }
                        }
                        self.hand_on(in_flight).await;
                    }
                    None => is_open = false,
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    return Ok(Ended::Stopped(open_messages(in_flight)));
                }
                () = self.stop.cancelled(), if deadline.is_none() => {}
                _ = looks.tick() => self.look(link, course)?,
            }
        }
    }

    /// Looks whether the broker takes anything; nothing else would tell that it has stopped to read.
    fn look(&self, link: &Link, course: &mut Course) -> Result<(), Broken> {
        if !link.is_blocked() {
            return Ok(());
        }
        let why = "the broker takes no messages: it is short of memory or disk";
        course.is_blocked = true;
        self.say.trouble(&format!("{why}; waiting until it does"));
        if course.is_over(self.patience) { Err(Broken::GaveUp(why.to_owned())) } else { Ok(()) }
    }

    /// Looks for as long as a message cannot even be handed over, and says why to wait no longer.
    async fn held_up(&self, link: &Link, course: &mut Course) -> Broken {
        let (mut looks, mut deadline) = (interval(LOOK_EVERY), None);
        loop {
            let now = looks.tick().await;
            if let Err(broken) = self.look(link, course) {
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
        course: &mut Course,
    ) -> Result<impl Future<Output = (u64, usize, lapin::Result<Confirmation>)> + use<>, Broken> {
        let message = &flight.group.messages[index];
        let number = flight.group.number;
        // Returned where no queue would get it: without that flag such a message would be confirmed and gone.
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.broker.exchange.as_str().into(), self.broker.routing_key.as_str().into());
        let publish = link.channel.basic_publish(exchange, key, options, &message.body, properties(message));
        let confirm = tokio::select! {
            biased;
            confirm = publish => confirm.map_err(|error| broken(&error))?,
            broken = self.held_up(link, course) => return Err(broken),
        };
        Ok(async move { (number, index, confirm.await) })
    }
}

fn properties(message: &Message) -> BasicProperties {
    BasicProperties::default()
        .with_content_type("application/json".into())
        // Outlasts a restart of the broker.
        .with_delivery_mode(2)
        .with_message_id(ShortString::from(message.id.clone()))
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
        _ => Broken::Connection(format!("the broker is away: {error}")),
    }
}

/// Makes sure that the broker has taken responsibility for a message, and that a queue has it.
fn taken(confirmation: lapin::Result<Confirmation>) -> Result<(), Broken> {
    match confirmation {
        Ok(Confirmation::Ack(None)) => Ok(()),
        Ok(Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) => Err(Broken::NotTaken(
            "no queue is bound for the messages: is MyMONIT running, and are RABBIT_EXCHANGE and RABBIT_ROUTING the same there?".to_owned(),
        )),
        Ok(Confirmation::Nack(None)) => Err(Broken::NotTaken("the broker refuses a message: its queue may be full".to_owned())),
        Ok(Confirmation::NotRequested) => Err(Broken::Connection("the broker confirms nothing".to_owned())),
        Err(error) => Err(broken(&error)),
    }
}

fn open_messages(in_flight: &VecDeque<InFlight>) -> usize {
    in_flight.iter().map(|flight| flight.open).sum()
}

impl InFlight {
    fn new(group: Group) -> Self {
        let open = group.messages.len();
        Self { confirmed: vec![false; open], open, group }
    }

    fn unconfirmed(&self) -> impl Iterator<Item = usize> + use<> {
        let open: Vec<_> =
            self.confirmed.iter().enumerate().filter(|(_, is)| !**is).map(|(index, _)| index).collect();
        open.into_iter()
    }

    fn confirm(&mut self, index: usize) {
        if !std::mem::replace(&mut self.confirmed[index], true) {
            self.open -= 1;
        }
    }
}
