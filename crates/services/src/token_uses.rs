use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use mymonit_model::{ApiTokenId, Timestamp};
use tracing::{Span, debug};

use crate::ports::{ApiTokenStore, TokenUse};

/// Notes when API tokens were used last: off the path of the request, once an hour for each token.
#[derive(Debug, Clone, Default)]
pub struct TokenUses {
    /// The tokens of which a write is under way.
    writing: Arc<Mutex<HashSet<ApiTokenId>>>,
}

impl TokenUses {
    /// Notes a use by the request of the current span.
    pub(crate) fn note(&self, token: TokenUse, store: &Arc<dyn ApiTokenStore>) {
        Span::current().record("token_id", token.id.get());
        let hour = Timestamp::now().full_hour();
        if token.last_used_at.is_some_and(|noted| noted >= hour) || !self.with(|ids| ids.insert(token.id)) {
            return;
        }
        let (uses, store) = (self.clone(), store.clone());
        tokio::spawn(async move {
            // The next use tries again.
            if let Err(error) = store.note_use(token.id, hour).await {
                debug!(token_id = token.id.get(), %error, "last use of an API token not recorded");
            }
            uses.with(|ids| ids.remove(&token.id));
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashSet<ApiTokenId>) -> T) -> T {
        work(&mut self.writing.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use mymonit_model::{ApiToken, UserId};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::ports::{NewApiToken, StorageError};

    /// Counts writes; each waits for a permit, and fails.
    struct Failing {
        begun: AtomicUsize,
        permits: Semaphore,
    }

    #[async_trait]
    impl ApiTokenStore for Failing {
        async fn list(&self, _: &UserId) -> Result<Vec<ApiToken>, StorageError> {
            Ok(Vec::new())
        }

        async fn insert(&self, _: &NewApiToken, _: u32) -> Result<Option<ApiTokenId>, StorageError> {
            Ok(None)
        }

        async fn delete(&self, _: &UserId, _: ApiTokenId) -> Result<bool, StorageError> {
            Ok(false)
        }

        async fn note_use(&self, _: ApiTokenId, _: Timestamp) -> Result<(), StorageError> {
            self.begun.fetch_add(1, Ordering::SeqCst);
            self.permits.acquire().await.unwrap().forget();
            Err(StorageError::Internal(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(
                "read-only",
            ))))
        }
    }

    #[tokio::test]
    async fn a_use_is_written_once_an_hour_and_again_after_a_failure() {
        let failing = Arc::new(Failing { begun: AtomicUsize::new(0), permits: Semaphore::new(0) });
        let store: Arc<dyn ApiTokenStore> = failing.clone();
        let uses = TokenUses::default();
        let settle = async || {
            while failing.permits.available_permits() > 0 || !uses.with(|ids| ids.is_empty()) {
                tokio::task::yield_now().await;
            }
        };
        let token = |last_used_at| TokenUse { id: ApiTokenId::new(1), last_used_at };
        // Of this hour or a later one: nothing to write.
        for noted in [Timestamp::now().full_hour(), Timestamp::now().plus_days(1)] {
            uses.note(token(Some(noted)), &store);
        }
        assert!(uses.with(|ids| ids.is_empty()));
        for round in 1..=2 {
            for _ in 0..5 {
                uses.note(token(None), &store);
                uses.note(token(Some(Timestamp::UNIX_EPOCH)), &store);
            }
            failing.permits.add_permits(1);
            settle().await;
            assert_eq!(failing.begun.load(Ordering::SeqCst), round);
        }
    }
}
