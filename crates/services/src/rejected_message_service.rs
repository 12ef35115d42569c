use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use mymonit_model::User;
use shaku::{Component, Interface};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::warn;

use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::message::{IncomingMessage, Rejection, decode};
use crate::names::Names;
use crate::ports::{
    ExperimentStore, NewMeasure, RejectedMessage, RejectedMessageFilter, RejectedMessageId,
    RejectedMessagePosition, RejectedMessageStore, StorageError,
};
use crate::user_service::require_admin;
use crate::{MeasureTypeService, ServiceError, cursor};

const NO_SUCH_MESSAGE: ServiceError = ServiceError::NotFound("there is no such rejected message");

/// The greatest `limit` of a page of rejected messages. A page is held in memory, so it needs a bound; a list
/// without `limit` is streamed and has none.
pub const MAX_REJECTED_MESSAGES: u32 = 1_000;

/// How many messages a stream or a replay of many reads at a time.
const PORTION: u32 = 100;

/// Which rejected messages a client wants to see.
#[derive(Debug, Clone, Default)]
pub struct RejectedMessageRequest {
    /// Those of this filter only.
    pub filter: RejectedMessageFilter,
    /// At most this many, 1 to [`MAX_REJECTED_MESSAGES`]; `None` means all.
    pub limit: Option<u32>,
    /// Only what comes after this cursor, which an earlier answer gave.
    pub cursor: Option<String>,
}

/// Rejected messages in portions, read from the database as the consumer asks for them. An error ends it; what
/// came before is then not the whole answer.
pub type RejectedMessagePages = BoxStream<'static, Result<Vec<RejectedMessage>, ServiceError>>;

/// An answer to a [`RejectedMessageRequest`].
pub struct RejectedMessageList {
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The messages, last received first, without their bodies.
    pub pages: RejectedMessagePages,
}

/// What became of a replayed message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replay {
    /// Its measures are stored, and it is no longer among the rejected messages.
    Stored {
        /// How many measures.
        measures: usize,
    },
    /// It still cannot be stored, for this reason, and stays.
    StillRejected(Rejection),
}

/// What became of some messages of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplaySummary {
    /// How many messages were stored.
    pub stored: u64,
    /// How many still cannot be.
    pub still_rejected: u64,
    /// The cursor to go on from, as long as there are messages of the filter that were not tried yet.
    pub next: Option<String>,
}

/// What could never be stored, and may be after all (specification §4, §5). All of it is for administrators.
#[async_trait]
pub trait RejectedMessageService: Interface {
    /// The messages of the filter, last received first. With `limit` there may be fewer although more follow, if
    /// they are very large; `next` alone says whether any do.
    ///
    /// No database connection is held between two portions. Each message that is there from the beginning of the
    /// reading to its end is given once, whatever is received, replayed or discarded meanwhile.
    async fn list(
        &self,
        caller: &User,
        request: RejectedMessageRequest,
    ) -> Result<RejectedMessageList, ServiceError>;
    /// One message with its body, byte for byte.
    async fn get(
        &self,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError>;
    /// Tries to store a message again, as if it had just been delivered. Safe to repeat: it is stored once.
    async fn replay(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError>;
    /// Replays messages of the filter one after the other, last received first, from the beginning or from a
    /// `cursor` on. Once `within` is over it begins with no further one and says where to go on. Safe to repeat.
    ///
    /// # Errors
    /// Only if it fails at the first message. If it fails at a later one, that is where to go on.
    async fn replay_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
    ) -> Result<ReplaySummary, ServiceError>;
    /// Removes a message for good.
    async fn discard(&self, caller: &User, id: RejectedMessageId) -> Result<(), ServiceError>;
}

/// The one implementation of [`RejectedMessageService`].
#[derive(Component)]
#[shaku(interface = RejectedMessageService)]
pub struct RejectedMessageServiceImpl {
    #[shaku(inject)]
    rejected: Arc<dyn RejectedMessageStore>,
    #[shaku(inject)]
    experiments: Arc<dyn ExperimentStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    /// The largest body that is stored, as for deliveries.
    max_message_bytes: usize,
}

impl RejectedMessageServiceImpl {
    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    fn require_admin(&self, caller: &User, operation: Operation) -> Result<(), ServiceError> {
        match require_admin(caller) {
            Ok(()) => Ok(()),
            refused => self.attempt(caller, operation).conclude(refused),
        }
    }

    /// Tries one message again and tells the auditor how that ended.
    async fn try_again(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        let attempt = self.attempt(caller, Operation::ReplayRejectedMessage);
        let mut attempt = attempt.on(Resource::RejectedMessage(id));
        match self.store_at_last(id).await {
            Ok(Replay::StillRejected(rejection)) => {
                attempt.fail(rejection.reason.code());
                Ok(Replay::StillRejected(rejection))
            }
            Ok(Replay::Stored { measures }) => {
                attempt.stored(measures);
                attempt.conclude(Ok(Replay::Stored { measures }))
            }
            failed => attempt.conclude(failed),
        }
    }

    async fn store_at_last(&self, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        let (message, body) = self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)?;
        let rejection = match self.measures_of(body).await? {
            Ok(measures) => match self.rejected.replay(id, &measures).await {
                Ok(true) => return Ok(Replay::Stored { measures: measures.len() }),
                // Somebody else replayed or discarded it, or it was delivered again, since it was found.
                Ok(false) => return Err(NO_SUCH_MESSAGE),
                // As for a delivery: one message that the database refuses does not stand in the way of others.
                Err(StorageError::Data(_)) => Rejection::refused_by_database(),
                Err(error) => return Err(error.into()),
            },
            Err(rejection) => rejection,
        };
        let is_there = rejection == message.rejection || self.rejected.reject_again(id, &rejection).await?;
        if !is_there {
            return Err(NO_SUCH_MESSAGE);
        }
        Ok(Replay::StillRejected(rejection))
    }

    /// What a delivery of this body would store now.
    async fn measures_of(&self, body: Bytes) -> Result<Result<Vec<NewMeasure>, Rejection>, ServiceError> {
        let message = match self.decode_aside(body).await? {
            Ok(message) => message,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let messages = || std::iter::once(&message);
        let names = Names::look_up(&*self.experiments, &*self.measure_types, messages).await?;
        Ok(names.resolve(&message))
    }

    /// Reads a body on a thread of its own, since a long one would keep other requests waiting.
    async fn decode_aside(&self, body: Bytes) -> Result<Result<IncomingMessage, Rejection>, ServiceError> {
        let max_bytes = self.max_message_bytes;
        let decoded = spawn_blocking(move || decode(&body, max_bytes)).await;
        decoded.map_err(|died| ServiceError::Internal(Arc::new(died)))
    }

    /// Replays what comes after `position`, which goes along, until `deadline`. `true` if nothing is left.
    async fn replay_until(
        &self,
        caller: &User,
        filter: &RejectedMessageFilter,
        deadline: Instant,
        position: &mut Option<RejectedMessagePosition>,
        summary: &mut ReplaySummary,
    ) -> Result<bool, ServiceError> {
        let beginning = *position;
        loop {
            let portion = self.rejected.page(filter, *position, PORTION).await?;
            for message in portion.messages {
                if *position != beginning && Instant::now() >= deadline {
                    return Ok(false);
                }
                match self.try_again(caller, message.id).await {
                    Ok(Replay::Stored { .. }) => summary.stored += 1,
                    Ok(Replay::StillRejected(_)) => summary.still_rejected += 1,
                    // Replayed or discarded by somebody else meanwhile.
                    Err(ServiceError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
                *position = Some(message.position());
            }
            if !portion.has_more {
                return Ok(true);
            }
        }
    }
}

#[async_trait]
impl RejectedMessageService for RejectedMessageServiceImpl {
    async fn list(
        &self,
        caller: &User,
        request: RejectedMessageRequest,
    ) -> Result<RejectedMessageList, ServiceError> {
        self.require_admin(caller, Operation::ListRejectedMessages)?;
        let RejectedMessageRequest { filter, limit, cursor } = request;
        let after = cursor.as_deref().map(cursor::decode_rejected).transpose()?;
        match limit {
            Some(limit) => page(&*self.rejected, &filter, after, limit).await,
            None => Ok(RejectedMessageList { next: None, pages: all(self.rejected.clone(), filter, after) }),
        }
    }

    async fn get(
        &self,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError> {
        self.require_admin(caller, Operation::ReadRejectedMessage)?;
        self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)
    }

    async fn replay(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        self.require_admin(caller, Operation::ReplayRejectedMessage)?;
        self.try_again(caller, id).await
    }

    async fn replay_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
    ) -> Result<ReplaySummary, ServiceError> {
        self.require_admin(caller, Operation::ReplayRejectedMessage)?;
        let deadline = Instant::now() + within;
        let beginning = cursor.as_deref().map(cursor::decode_rejected).transpose()?;
        let mut position = beginning;
        let mut summary = ReplaySummary::default();
        let ended = self.replay_until(caller, &filter, deadline, &mut position, &mut summary).await;
        let is_over = match ended {
            // What was done before is told, and the next call tells what is wrong, if it still is.
            Err(error) if position != beginning => {
                let cause = error.source().map(ToString::to_string);
                warn!(cause, "a replay of many rejected messages stops on its way: {error}");
                false
            }
            ended => ended?,
        };
        summary.next = position.filter(|_| !is_over).map(cursor::encode_rejected);
        Ok(summary)
    }

    async fn discard(&self, caller: &User, id: RejectedMessageId) -> Result<(), ServiceError> {
        self.require_admin(caller, Operation::DiscardRejectedMessage)?;
        let attempt = self.attempt(caller, Operation::DiscardRejectedMessage);
        let attempt = attempt.on(Resource::RejectedMessage(id));
        let discarded = match self.rejected.discard(id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NO_SUCH_MESSAGE),
            Err(error) => Err(error.into()),
        };
        attempt.conclude(discarded)
    }
}

/// At most `limit` messages, with the cursor of what follows.
async fn page(
    rejected: &dyn RejectedMessageStore,
    filter: &RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
    limit: u32,
) -> Result<RejectedMessageList, ServiceError> {
    if !(1..=MAX_REJECTED_MESSAGES).contains(&limit) {
        let allowed = format!("must be an integer from 1 to {MAX_REJECTED_MESSAGES}");
        return Err(ServiceError::invalid("limit", allowed));
    }
    let page = rejected.page(filter, after, limit).await?;
    let last = page.messages.last().filter(|_| page.has_more);
    let next = last.map(|last| cursor::encode_rejected(last.position()));
    let messages = page.messages;
    Ok(RejectedMessageList { next, pages: stream::once(async { Ok(messages) }).boxed() })
}

/// All messages, portion by portion.
fn all(
    rejected: Arc<dyn RejectedMessageStore>,
    filter: RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
) -> RejectedMessagePages {
    let from = Some(after);
    stream::try_unfold((rejected, filter, from), |(rejected, filter, from)| async move {
        let Some(after) = from else { return Ok(None) };
        let page = rejected.page(&filter, after, PORTION).await?;
        let next = page.messages.last().filter(|_| page.has_more).map(|last| Some(last.position()));
        Ok(Some((page.messages, (rejected, filter, next))))
    })
    .boxed()
}
