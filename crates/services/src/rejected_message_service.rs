use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt};
use mymonit_model::{PublisherName, User};
use shaku::{Component, Interface};
use tokio::task::spawn_blocking;
use tokio::time::Instant;
use tracing::warn;

use crate::audit::{Attempt, AuditLog, Operation, Resource};
use crate::message::{IncomingMessage, Rejection, decode};
use crate::names::Names;
use crate::ports::{
    ExperimentStore, NewMeasure, PublisherStore, RejectedMessage, RejectedMessageFilter, RejectedMessageId,
    RejectedMessagePosition, RejectedMessageStore, StorageError,
};
use crate::user_service::require_admin;
use crate::{MeasureTypeService, ServiceError, SignIn, cursor};

const NO_SUCH_MESSAGE: ServiceError = ServiceError::NotFound("there is no such rejected message");

/// The greatest `limit` of a page of rejected messages, which is held in memory. A list without
/// `limit` is streamed.
pub const MAX_REJECTED_MESSAGES: u32 = 1_000;

/// How many messages a stream or a replay of many reads at a time.
const PAGE_SIZE: u32 = 100;

/// Which rejected messages a client requests.
#[derive(Debug, Clone, Default)]
pub struct RejectedMessageRequest {
    /// Those of this filter only.
    pub filter: RejectedMessageFilter,
    /// At most this many, 1 to [`MAX_REJECTED_MESSAGES`]; `None` means all.
    pub limit: Option<u32>,
    /// Only what comes after this cursor, which an earlier answer gave.
    pub cursor: Option<String>,
}

/// A stream of chunks of rejected messages. An error ends it; the result is then incomplete.
pub type RejectedMessagePages = BoxStream<'static, Result<Vec<RejectedMessage>, ServiceError>>;

/// An answer to a [`RejectedMessageRequest`].
pub struct RejectedMessageList {
    /// The cursor of the next page, if there is one.
    pub next: Option<String>,
    /// The messages, last received first, without their bodies.
    pub pages: RejectedMessagePages,
}

/// The outcome of the replay of a message.
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

/// The outcome of the replay of several messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReplaySummary {
    /// How many messages were stored.
    pub stored: u64,
    /// How many still cannot be.
    pub still_rejected: u64,
    /// The cursor to continue with, if messages of the filter are left.
    pub next: Option<String>,
}

/// The outcome of the removal of several messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiscardSummary {
    /// How many messages were removed.
    pub discarded: u64,
    /// The cursor to continue with, if messages of the filter are left.
    pub next: Option<String>,
}

/// Rejected messages: list, replay, discard. For administrators only.
#[async_trait]
pub trait RejectedMessageService: Interface {
    /// The messages of the filter, last received first. A page of large messages may be shorter
    /// than `limit`; only `next` tells whether more follow.
    ///
    /// No database connection is held between two chunks. A message that is present during the
    /// whole reading is returned exactly once.
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
    /// Stores a message as if it had just been delivered. Idempotent.
    async fn replay(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError>;
    /// Replays messages of the filter, last received first, from the beginning or a `cursor`. After
    /// `within` it starts no further message and returns a cursor. Idempotent.
    ///
    /// # Errors
    /// Only if the first message fails. After a later failure the cursor points to that message.
    async fn replay_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
    ) -> Result<ReplaySummary, ServiceError>;
    /// Removes a message irreversibly. Needs a recent sign-in.
    async fn discard(
        &self,
        caller: &User,
        id: RejectedMessageId,
        sign_in: SignIn,
    ) -> Result<(), ServiceError>;
    /// Removes messages of the filter irreversibly, as [`Self::replay_all`] replays them. A filter
    /// without any condition is refused. Needs a recent sign-in.
    ///
    /// # Errors
    /// As [`Self::replay_all`].
    async fn discard_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
        sign_in: SignIn,
    ) -> Result<DiscardSummary, ServiceError>;
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
    publishers: Arc<dyn PublisherStore>,
    #[shaku(inject)]
    measure_types: Arc<dyn MeasureTypeService>,
    #[shaku(inject)]
    audit: Arc<dyn AuditLog>,
    /// The largest body that is stored, as for deliveries.
    max_message_bytes: usize,
}

impl RejectedMessageServiceImpl {
    /// Refuses an irreversible removal after a sign-in that is too long ago.
    fn require_recent(
        &self,
        caller: &User,
        sign_in: SignIn,
        resource: Option<Resource>,
    ) -> Result<(), ServiceError> {
        let Err(refused) = sign_in.require_recent() else { return Ok(()) };
        let mut attempt = self.attempt(caller, Operation::DiscardRejectedMessage);
        if let Some(resource) = resource {
            attempt.concerns(resource);
        }
        attempt.conclude(Err(refused))
    }

    fn attempt<'a>(&'a self, caller: &'a User, operation: Operation) -> Attempt<'a> {
        Attempt::new(&*self.audit, caller, operation)
    }

    fn require_admin(&self, caller: &User, operation: Operation) -> Result<(), ServiceError> {
        match require_admin(caller) {
            Ok(()) => Ok(()),
            refused => self.attempt(caller, operation).conclude(refused),
        }
    }

    async fn try_list(
        &self,
        caller: &User,
        request: RejectedMessageRequest,
    ) -> Result<RejectedMessageList, ServiceError> {
        require_admin(caller)?;
        let RejectedMessageRequest { filter, limit, cursor } = request;
        let after = cursor.as_deref().map(cursor::decode_rejected).transpose()?;
        match limit {
            Some(limit) => page(&*self.rejected, &filter, after, limit).await,
            None => Ok(RejectedMessageList { next: None, pages: all(self.rejected.clone(), filter, after) }),
        }
    }

    async fn try_get(
        &self,
        attempt: &mut Attempt<'_>,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError> {
        require_admin(caller)?;
        attempt.concerns(Resource::RejectedMessage(id));
        self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)
    }

    /// Replays one message and records the audit event.
    async fn try_again(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        let attempt = self.attempt(caller, Operation::ReplayRejectedMessage);
        let mut attempt = attempt.on(Resource::RejectedMessage(id));
        match self.replay_one(id).await {
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

    async fn replay_one(&self, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        let (message, body) = self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)?;
        let rejection = match self.measures_of(message.publisher.as_ref(), body).await? {
            Ok((measures, names, content)) => match self.rejected.replay(id, &measures).await {
                Ok(true) => return Ok(Replay::Stored { measures: measures.len() }),
                // Replayed, discarded or delivered again since it was found.
                Ok(false) => return Err(NO_SUCH_MESSAGE),
                // As in ingest: one message that the database refuses does not block others.
                Err(StorageError::Data(_)) => Rejection::refused_by_database(),
                Err(StorageError::TooManySensors(messages)) if !messages.is_empty() => {
                    names.too_many_sensors(&content, messages[0].1)
                }
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

    /// What a delivery of this body would store now. A `user-id` is not required: an administrator
    /// vouches for the message.
    async fn measures_of(
        &self,
        publisher: Option<&PublisherName>,
        body: Bytes,
    ) -> Result<Result<(Vec<NewMeasure>, Names, IncomingMessage), Rejection>, ServiceError> {
        let message = match self.decode_aside(body).await? {
            Ok(message) => message,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let messages = || std::iter::once((publisher, &message));
        let stores = (&*self.experiments, &*self.publishers);
        let names = Names::look_up(stores, &*self.measure_types, messages).await?;
        Ok(names.resolve(publisher, &message).map(|measures| (measures, names, message)))
    }

    /// Decodes a body on a blocking thread, since a large one would delay other requests.
    async fn decode_aside(&self, body: Bytes) -> Result<Result<IncomingMessage, Rejection>, ServiceError> {
        let max_bytes = self.max_message_bytes;
        let decoded = spawn_blocking(move || decode(&body, max_bytes)).await;
        decoded.map_err(|died| ServiceError::Internal(Arc::new(died)))
    }

    /// Removes one message and records the audit event.
    async fn remove(&self, caller: &User, id: RejectedMessageId) -> Result<(), ServiceError> {
        let attempt = self.attempt(caller, Operation::DiscardRejectedMessage);
        let attempt = attempt.on(Resource::RejectedMessage(id));
        attempt.conclude(match self.rejected.discard(id).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(NO_SUCH_MESSAGE),
            Err(error) => Err(error.into()),
        })
    }

    /// Does something with each message of the filter, last received first, from the beginning or a
    /// `cursor`. Returns the cursor to continue with after `within`, or after a failure on the way.
    async fn each<'s>(
        &'s self,
        filter: &RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
        mut one: impl FnMut(RejectedMessageId) -> BoxFuture<'s, Result<(), ServiceError>> + Send,
    ) -> Result<Option<String>, ServiceError> {
        let deadline = Instant::now() + within;
        let beginning = cursor.as_deref().map(cursor::decode_rejected).transpose()?;
        let mut position = beginning;
        let ended = self.each_until(filter, deadline, &mut position, &mut one).await;
        let is_over = match ended {
            // Return the work done; the next call returns the error if it persists.
            Err(error) if position != beginning => {
                let cause = error.source().map(ToString::to_string);
                warn!(cause, "bulk replay or discard aborted: {error}");
                false
            }
            ended => ended?,
        };
        Ok(position.filter(|_| !is_over).map(cursor::encode_rejected))
    }

    /// Goes through messages after `position`, which advances, until `deadline`. `true` if none is
    /// left.
    async fn each_until<'s>(
        &'s self,
        filter: &RejectedMessageFilter,
        deadline: Instant,
        position: &mut Option<RejectedMessagePosition>,
        one: &mut (impl FnMut(RejectedMessageId) -> BoxFuture<'s, Result<(), ServiceError>> + Send),
    ) -> Result<bool, ServiceError> {
        let beginning = *position;
        loop {
            let batch = self.rejected.page(filter, *position, PAGE_SIZE).await?;
            for message in batch.messages {
                if *position != beginning && Instant::now() >= deadline {
                    return Ok(false);
                }
                match one(message.id).await {
                    // Replayed or discarded by another caller.
                    Ok(()) | Err(ServiceError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
                *position = Some(message.position());
            }
            if !batch.has_more {
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
        let attempt = self.attempt(caller, Operation::ListRejectedMessages);
        attempt.conclude(self.try_list(caller, request).await)
    }

    async fn get(
        &self,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError> {
        let mut attempt = self.attempt(caller, Operation::ReadRejectedMessage);
        let found = self.try_get(&mut attempt, caller, id).await;
        attempt.conclude(found)
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
        let (stored, still_rejected) = (AtomicU64::new(0), AtomicU64::new(0));
        let (stored_now, rejected_again) = (&stored, &still_rejected);
        let replay = |id| {
            async move {
                let count = match self.try_again(caller, id).await? {
                    Replay::Stored { .. } => stored_now,
                    Replay::StillRejected(_) => rejected_again,
                };
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            .boxed()
        };
        let next = self.each(&filter, cursor, within, replay).await?;
        let (stored, still_rejected) = (stored.into_inner(), still_rejected.into_inner());
        Ok(ReplaySummary { stored, still_rejected, next })
    }

    async fn discard(
        &self,
        caller: &User,
        id: RejectedMessageId,
        sign_in: SignIn,
    ) -> Result<(), ServiceError> {
        self.require_admin(caller, Operation::DiscardRejectedMessage)?;
        self.require_recent(caller, sign_in, Some(Resource::RejectedMessage(id)))?;
        self.remove(caller, id).await
    }

    async fn discard_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        cursor: Option<String>,
        within: Duration,
        sign_in: SignIn,
    ) -> Result<DiscardSummary, ServiceError> {
        self.require_admin(caller, Operation::DiscardRejectedMessage)?;
        self.require_recent(caller, sign_in, None)?;
        if filter == RejectedMessageFilter::default() {
            return Err(ServiceError::invalid("reason", "must be given, or `from` or `to`"));
        }
        let discarded = AtomicU64::new(0);
        let count = &discarded;
        let discard = |id| {
            async move {
                self.remove(caller, id).await?;
                count.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            .boxed()
        };
        let next = self.each(&filter, cursor, within, discard).await?;
        Ok(DiscardSummary { discarded: discarded.into_inner(), next })
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

/// All messages, as a stream of chunks.
fn all(
    rejected: Arc<dyn RejectedMessageStore>,
    filter: RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
) -> RejectedMessagePages {
    let from = Some(after);
    stream::try_unfold((rejected, filter, from), |(rejected, filter, from)| async move {
        let Some(after) = from else { return Ok(None) };
        let page = rejected.page(&filter, after, PAGE_SIZE).await?;
        let next = page.messages.last().filter(|_| page.has_more).map(|last| Some(last.position()));
        Ok(Some((page.messages, (rejected, filter, next))))
    })
    .boxed()
}
