use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jsonwebtoken::DecodingKey;
use mymonit_services::ports::{Cause, TokenError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::certificates::{CertificateAddress, CertificateSource, FetchError, Fetched, Keys};
use crate::jws::Jws;
use crate::signatures::Signatures;

/// Fetches that unknown key ids may cause at once, and the time until one more is allowed. Any
/// client can send unknown key ids; Google publishes a key long before its first use.
const UNKNOWN_KID_BURST: u32 = 3;
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(10);

/// The delay after a failure until a request without valid keys may cause another fetch.
const ON_DEMAND_RETRY_DELAY: Duration = Duration::from_secs(1);

/// The backoff of background fetches.
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Google's current signing keys for Firebase's ID tokens.
///
/// A background task fetches them at start, after 3/4 of their lifetime, and on demand. Requests
/// share one fetch and wait only if no valid key is known. Keys stay valid until they expire.
pub struct SigningKeys {
    known: watch::Receiver<Known>,
    /// The number of the fetch that requests wait for.
    wanted: watch::Sender<u64>,
    task: JoinHandle<()>,
    signatures: Signatures,
}

impl SigningKeys {
    /// Starts the background task, which ends when this value is dropped. Does not wait for the
    /// keys. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// If this machine cannot use HTTPS.
    pub fn start(address: CertificateAddress) -> Result<Self, FetchError> {
        let source = CertificateSource::new(address)?;
        let (known_sender, known) = watch::channel(Known::nothing_yet());
        let (wanted, wanted_receiver) = watch::channel(0);
        let task = tokio::spawn(keep_fetching(source, known_sender, wanted_receiver));
        Ok(Self { known, wanted, task, signatures: Signatures::new() })
    }

    /// Whether the token is signed with `key`, which is one that [`Self::find`] gave.
    pub(crate) fn has_signed(&self, key: &Arc<DecodingKey>, jws: &Jws<'_>) -> bool {
        self.signatures.is_signed_with(jws, key)
    }

    /// The current signing key with that id.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] if no valid keys are known.
    pub(crate) async fn find(&self, kid: &str) -> Result<Option<Arc<DecodingKey>>, TokenError> {
        let fetches = {
            let known = self.known.borrow();
            let now = Instant::now();
            match known.find(kid, now) {
                Ok(None) | Err(_) if known.may_fetch(now) => known.fetches,
                answer => return answer,
            }
        };
        self.want(fetches + 1);
        let mut known = self.known.clone();
        match known.wait_for(|known| known.fetches > fetches).await {
            Ok(known) => known.find(kid, Instant::now()),
            // The task does not end while this value exists.
            Err(_) => Err(unavailable(Arc::new(FetchError::NotYet))),
        }
    }

    /// Requests the fetch of that number, unless it is running or done.
    fn want(&self, number: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_new = *wanted < number;
            *wanted = number.max(*wanted);
            is_new
        });
    }
}

impl Drop for SigningKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fetches at each due time and each request.
async fn keep_fetching(
    source: CertificateSource,
    known: watch::Sender<Known>,
    mut wanted: watch::Receiver<u64>,
) {
    loop {
        let outcome = source.fetch().await;
        known.send_modify(|known| known.settle(outcome, Instant::now()));
        let (fetches, next_fetch) = {
            let known = known.borrow();
            (known.fetches, known.next_fetch)
        };
        tokio::select! {
            () = sleep_until(next_fetch) => known.send_modify(Known::begin),
            asked = wanted.wait_for(|wanted| *wanted > fetches) => {
                if asked.is_err() {
                    return;
                }
                known.send_modify(|known| known.begin_on_demand(Instant::now()));
            }
        }
    }
}

/// The cached keys and the state of their fetching.
struct Known {
    keys: Keys,
    /// The expiry of the keys.
    expire: Instant,
    /// Why the last fetch failed.
    failure: Cause,
    /// How many fetches in a row have failed.
    failures: u32,
    backoff: ExponentialBackoff,
    /// How many fetches have ended.
    fetches: u64,
    is_fetching: bool,
    /// When the next background fetch starts.
    next_fetch: Instant,
    /// The time from which a request without valid keys may cause a fetch.
    retry_from: Instant,
    /// A token bucket: when the allowance for unknown key ids is full again.
    unknown_kid_debt: Instant,
}

impl Known {
    /// The state during the first fetch.
    fn nothing_yet() -> Self {
        let now = Instant::now();
        Self {
            keys: Keys::new(),
            expire: now,
            failure: Arc::new(FetchError::NotYet),
            failures: 0,
            backoff: backoff(),
            fetches: 0,
            is_fetching: true,
            next_fetch: now,
            retry_from: now,
            unknown_kid_debt: now,
        }
    }

    fn are_valid(&self, now: Instant) -> bool {
        now < self.expire
    }

    fn find(&self, kid: &str, now: Instant) -> Result<Option<Arc<DecodingKey>>, TokenError> {
        if self.are_valid(now) {
            Ok(self.keys.get(kid).cloned())
        } else {
            Err(unavailable(self.failure.clone()))
        }
    }

    /// Whether a request that does not find its key may wait for a fetch.
    fn may_fetch(&self, now: Instant) -> bool {
        self.is_fetching
            || if self.are_valid(now) {
                self.unknown_kid_debt <= now + UNKNOWN_KID_INTERVAL * (UNKNOWN_KID_BURST - 1)
            } else {
                self.retry_from <= now
            }
    }

    fn begin(&mut self) {
        self.is_fetching = true;
    }

    fn begin_on_demand(&mut self, now: Instant) {
        self.begin();
        if self.are_valid(now) {
            self.unknown_kid_debt = self.unknown_kid_debt.max(now) + UNKNOWN_KID_INTERVAL;
        }
    }

    fn settle(&mut self, outcome: Result<Fetched, FetchError>, now: Instant) {
        self.is_fetching = false;
        self.fetches += 1;
        match outcome {
            Ok(fetched) => self.replace(fetched, now),
            Err(error) => self.keep(error, now),
        }
    }

    /// Drops the keys that the address no longer names.
    fn replace(&mut self, Fetched { keys, lifetime }: Fetched, now: Instant) {
        if self.failures > 0 || self.fetches == 1 {
            info!(keys = keys.len(), lifetime_s = lifetime.as_secs(), "signing keys fetched");
        }
        self.keys = keys;
        self.failures = 0;
        self.backoff = backoff();
        self.expire = now + lifetime;
        self.next_fetch = now + lifetime * 3 / 4;
        self.retry_from = now;
    }

    fn keep(&mut self, error: FetchError, now: Instant) {
        let error = Arc::new(error);
        self.failures = self.failures.saturating_add(1);
        self.next_fetch = now + self.backoff.next().unwrap_or(RETRY_MAX);
        self.retry_from = now + ON_DEMAND_RETRY_DELAY;
        let valid_for_s = self.expire.saturating_duration_since(now).as_secs();
        // Powers of two keep a long outage from filling the log.
        if self.failures.is_power_of_two() {
            warn!(
                error = ?error,
                failures = self.failures,
                valid_for_s,
                "signing keys not fetched; cached keys are used until they expire"
            );
        } else {
            debug!(error = ?error, failures = self.failures, valid_for_s, "signing keys not fetched");
        }
        self.failure = error;
    }
}

fn backoff() -> ExponentialBackoff {
    ExponentialBuilder::new().with_min_delay(RETRY_MIN).with_max_delay(RETRY_MAX).without_max_times().build()
}

fn unavailable(cause: Cause) -> TokenError {
    TokenError::Unavailable(cause)
}
