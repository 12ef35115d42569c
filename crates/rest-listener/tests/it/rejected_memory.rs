//! The rejected messages, kept in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use mymonit_model::Timestamp;
use mymonit_services::message::{MessageId, Rejection, RejectionReason};
use mymonit_services::ports::{
    NewMeasure, RejectedMessage, RejectedMessageFilter, RejectedMessageId, RejectedMessagePosition,
    RejectedMessageStore, RejectedMessages, StorageError,
};
use serde_json::json;
use shaku::Component;

use crate::memory::{Memory, cause};

/// The rejected messages, and how their store behaves.
#[derive(Default)]
pub(crate) struct RejectedMemory {
    pub(crate) messages: Mutex<Vec<(RejectedMessage, Bytes)>>,
    /// The message at which every call fails.
    pub(crate) fails_at: Mutex<Option<u64>>,
    /// The message for which the database takes that long.
    pub(crate) slow: Mutex<Option<(u64, Duration)>>,
    /// The message that the database refuses for its data.
    pub(crate) refused: Mutex<Option<u64>>,
    /// The message that another caller removes just before its replay.
    pub(crate) snatched: Mutex<Option<u64>>,
}

impl RejectedMemory {
    /// Adds a message for an unknown experiment, received at that second of 1970; returns its id.
    pub(crate) fn add(&self, second: i64, message_id: Option<&[u8]>, body: impl Into<Bytes>) -> u64 {
        let body = body.into();
        let mut messages = self.messages.lock().unwrap();
        let id = messages.len() as u64 + 1;
        let message = RejectedMessage {
            id: RejectedMessageId::new(id),
            rejection: Rejection::new(RejectionReason::UnknownExperiment, "`experiment`: unknown"),
            received_at: Timestamp::from_unix_nanos(second * 1_000_000_000).unwrap(),
            publisher: None,
            message_id: message_id.and_then(MessageId::new),
            properties: json!({ "content_type": "application/json", "headers": { "a": [1, null] } }),
            size: body.len() as u64,
        };
        messages.push((message, body));
        id
    }

    /// Changes the reason of a message.
    pub(crate) fn set_reason(&self, id: u64, reason: RejectionReason) {
        let mut messages = self.messages.lock().unwrap();
        let (message, _) = messages.iter_mut().find(|(message, _)| message.id.get() == id).unwrap();
        message.rejection.reason = reason;
    }

    fn check(&self, id: RejectedMessageId) -> Result<(), StorageError> {
        match *self.fails_at.lock().unwrap() == Some(id.get()) {
            true => Err(StorageError::Unavailable(cause())),
            false => Ok(()),
        }
    }

    fn remove(&self, id: RejectedMessageId) -> bool {
        let mut messages = self.messages.lock().unwrap();
        let before = messages.len();
        messages.retain(|(message, _)| message.id != id);
        messages.len() < before
    }
}

#[derive(Component)]
#[shaku(interface = RejectedMessageStore)]
pub(crate) struct FakeRejectedMessageStore {
    memory: Arc<Memory>,
}

#[async_trait]
impl RejectedMessageStore for FakeRejectedMessageStore {
    async fn page(
        &self,
        filter: &RejectedMessageFilter,
        after: Option<RejectedMessagePosition>,
        limit: u32,
    ) -> Result<RejectedMessages, StorageError> {
        self.memory.available()?;
        let kept = self.memory.rejected.messages.lock().unwrap();
        let mut messages: Vec<_> = kept
            .iter()
            .map(|(message, _)| message.clone())
            .filter(|message| filter.reason.is_none_or(|reason| message.rejection.reason == reason))
            .filter(|message| filter.from.is_none_or(|from| message.received_at >= from))
            .filter(|message| filter.to.is_none_or(|to| message.received_at < to))
            .filter(|message| after.is_none_or(|after| message.position() < after))
            .collect();
        messages.sort_by_key(|message| std::cmp::Reverse(message.position()));
        let has_more = messages.len() > limit as usize;
        messages.truncate(limit as usize);
        Ok(RejectedMessages { messages, has_more })
    }

    async fn find(&self, id: RejectedMessageId) -> Result<Option<(RejectedMessage, Bytes)>, StorageError> {
        self.memory.rejected.check(id)?;
        let slow = *self.memory.rejected.slow.lock().unwrap();
        if let Some((_, takes)) = slow.filter(|(slow, _)| *slow == id.get()) {
            tokio::time::sleep(takes).await;
        }
        let kept = self.memory.rejected.messages.lock().unwrap();
        Ok(kept.iter().find(|(message, _)| message.id == id).cloned())
    }

    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError> {
        if *self.memory.rejected.snatched.lock().unwrap() == Some(id.get()) {
            self.memory.rejected.remove(id);
        }
        if *self.memory.rejected.refused.lock().unwrap() == Some(id.get()) {
            return Err(StorageError::Data(cause()));
        }
        if !self.memory.rejected.remove(id) {
            return Ok(false);
        }
        for measure in measures {
            self.memory.add_measure(measure.experiment_id, measure.timestamp, measure.value.get());
        }
        Ok(true)
    }

    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError> {
        let mut kept = self.memory.rejected.messages.lock().unwrap();
        let found = kept.iter_mut().find(|(message, _)| message.id == id);
        Ok(found.map(|(message, _)| message.rejection = rejection.clone()).is_some())
    }

    async fn total_bytes(&self) -> Result<u64, StorageError> {
        Ok(self.memory.rejected.messages.lock().unwrap().iter().map(|(message, _)| message.size).sum())
    }

    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError> {
        Ok(self.memory.rejected.remove(id))
    }
}
