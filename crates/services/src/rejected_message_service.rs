use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::User;
use shaku::{Component, Interface};

use crate::message::{Rejection, decode};
use crate::names::Names;
use crate::ports::{
    ExperimentStore, NewMeasure, RejectedMessage, RejectedMessageFilter, RejectedMessageId,
    RejectedMessageStore, StorageError,
};
use crate::user_service::require_admin;
use crate::{MeasureTypeService, ServiceError};

const NO_SUCH_MESSAGE: ServiceError = ServiceError::NotFound("there is no such rejected message");

/// The greatest number of rejected messages of a page.
pub const MAX_REJECTED_MESSAGES: u32 = 1_000;

/// How many messages a replay of many lists at a time.
const REPLAY_PORTION: u32 = 100;

/// A page of rejected messages.
#[derive(Debug, Clone)]
pub struct RejectedMessagePage {
    /// The messages, last arrived first, without their bodies.
    pub messages: Vec<RejectedMessage>,
    /// Where the next page begins, if there is one.
    pub next: Option<RejectedMessageId>,
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

/// What became of the messages of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplaySummary {
    /// How many messages were stored.
    pub stored: u64,
    /// How many still cannot be.
    pub still_rejected: u64,
}

/// What could never be stored, and may be after all (specification §4, §5). All of it is for administrators.
#[async_trait]
pub trait RejectedMessageService: Interface {
    /// At most `limit` (1 to [`MAX_REJECTED_MESSAGES`]) messages of the filter, last arrived first, that arrived
    /// before `before`.
    async fn list(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        before: Option<RejectedMessageId>,
        limit: u32,
    ) -> Result<RejectedMessagePage, ServiceError>;
    /// One message with its body, byte for byte.
    async fn get(
        &self,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError>;
    /// Tries to store a message again, as if it had just been delivered. Safe to repeat: it is stored once.
    async fn replay(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError>;
    /// Replays every message of the filter that is there when it begins, last arrived first. Safe to repeat.
    async fn replay_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
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
    /// The largest body that is stored, as for deliveries.
    max_message_bytes: usize,
}

impl RejectedMessageServiceImpl {
    async fn try_again(&self, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        let (message, body) = self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)?;
        match self.measures_of(&body).await? {
            Ok(measures) => {
                if self.rejected.replay(id, &measures).await? {
                    Ok(Replay::Stored { measures: measures.len() })
                } else {
                    // Somebody else replayed or discarded it since it was found.
                    Err(NO_SUCH_MESSAGE)
                }
            }
            Err(rejection) => {
                let is_there =
                    rejection == message.rejection || self.rejected.reject_again(id, &rejection).await?;
                if is_there { Ok(Replay::StillRejected(rejection)) } else { Err(NO_SUCH_MESSAGE) }
            }
        }
    }

    /// What a delivery of this body would store now.
    async fn measures_of(&self, body: &[u8]) -> Result<Result<Vec<NewMeasure>, Rejection>, StorageError> {
        let message = match decode(body, self.max_message_bytes) {
            Ok(message) => message,
            Err(rejection) => return Ok(Err(rejection)),
        };
        let messages = || std::iter::once(&message);
        let names = Names::look_up(&*self.experiments, &*self.measure_types, messages).await?;
        Ok(names.resolve(&message))
    }
}

#[async_trait]
impl RejectedMessageService for RejectedMessageServiceImpl {
    async fn list(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
        before: Option<RejectedMessageId>,
        limit: u32,
    ) -> Result<RejectedMessagePage, ServiceError> {
        require_admin(caller)?;
        if !(1..=MAX_REJECTED_MESSAGES).contains(&limit) {
            let allowed = format!("must be an integer from 1 to {MAX_REJECTED_MESSAGES}");
            return Err(ServiceError::invalid("limit", allowed));
        }
        // One more than asked for tells whether anything follows.
        let mut messages = self.rejected.page(&filter, before, limit + 1).await?;
        let has_more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        let next = if has_more { messages.last().map(|last| last.id) } else { None };
        Ok(RejectedMessagePage { messages, next })
    }

    async fn get(
        &self,
        caller: &User,
        id: RejectedMessageId,
    ) -> Result<(RejectedMessage, Bytes), ServiceError> {
        require_admin(caller)?;
        self.rejected.find(id).await?.ok_or(NO_SUCH_MESSAGE)
    }

    async fn replay(&self, caller: &User, id: RejectedMessageId) -> Result<Replay, ServiceError> {
        require_admin(caller)?;
        self.try_again(id).await
    }

    async fn replay_all(
        &self,
        caller: &User,
        filter: RejectedMessageFilter,
    ) -> Result<ReplaySummary, ServiceError> {
        require_admin(caller)?;
        let mut summary = ReplaySummary::default();
        let mut before = None;
        loop {
            let portion = self.rejected.page(&filter, before, REPLAY_PORTION).await?;
            let Some(last) = portion.last() else { return Ok(summary) };
            before = Some(last.id);
            for message in portion {
                match self.try_again(message.id).await {
                    Ok(Replay::Stored { .. }) => summary.stored += 1,
                    Ok(Replay::StillRejected(_)) => summary.still_rejected += 1,
                    // Replayed or discarded by somebody else meanwhile.
                    Err(ServiceError::NotFound(_)) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }

    async fn discard(&self, caller: &User, id: RejectedMessageId) -> Result<(), ServiceError> {
        require_admin(caller)?;
        if self.rejected.discard(id).await? { Ok(()) } else { Err(NO_SUCH_MESSAGE) }
    }
}
