use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use mymonit_services::ports::{Cause, TokenError};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};

use crate::certificates::{CertificateAddress, CertificateSource, FetchError, Fetched, Keys};
use crate::jws::Jws;
use crate::signatures::Signatures;

/// How many fetches unknown key ids may cause at once, and how long it takes until they may cause one more.
/// Anybody can send tokens that name unknown keys; Google announces a key long before it signs with it.
const UNKNOWN_KID_BURST: u32 = 3;
const UNKNOWN_KID_INTERVAL: Duration = Duration::from_secs(10);

/// How long after a failure a request that finds no keys may cause another fetch.
const RETRY_ON_DEMAND_AFTER: Duration = Duration::from_secs(1);

/// The pauses between fetches that fail with nobody asking: this one, doubled each time up to the greatest.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LAST_RETRY: Duration = Duration::from_secs(60);

/// Google's current signing keys for Firebase's ID tokens.
///
/// A task of its own fetches them: at once, again when three quarters of their lifetime have passed, and on
/// demand. Since nothing else fetches, there is one fetch at a time, shared by all who wait for it, and a
/// request that is given up cancels none. While known keys are valid, no request waits; while the address
/// cannot be reached, they go on serving until they run out.
pub struct SigningKeys {
    known: watch::Receiver<Known>,
    /// The number of the fetch that somebody waits for.
    wanted: watch::Sender<u64>,
    task: JoinHandle<()>,
    signatures: Signatures,
}

impl SigningKeys {
    /// Begins to fetch the keys, and goes on until this value is dropped. Does not wait for them: the
    /// service starts without them, and tokens are judged as soon as they are here.
    ///
    /// To be called within a tokio runtime.
    ///
    /// # Errors
    /// If this machine cannot use HTTPS at all.
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

    /// The current signing key of that id; `None` if there is none of it.
    ///
    /// # Errors
    /// [`TokenError::Unavailable`] if no keys are known, or none that may still be used.
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
            // The task has ended; it never does while this value lives.
            Err(_) => Err(unavailable(Arc::new(FetchError::NotYet))),
        }
    }

    /// Asks for the fetch of that number. One that is under way or done already is not made again.
    fn want(&self, number: u64) {
        self.wanted.send_if_modified(|wanted| {
            let is_news = *wanted < number;
            *wanted = number.max(*wanted);
            is_news
        });
    }
}

impl Drop for SigningKeys {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Fetches, then waits until it is time or somebody wants another fetch, and so on.
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

/// What is known about the keys.
struct Known {
    keys: Keys,
    /// Until when the keys may be used.
    expire: Instant,
    /// Why the last fetch failed.
    failure: Cause,
    /// How many fetches in a row have failed.
    failures: u32,
    /// How many fetches have ended.
    fetches: u64,
    is_fetching: bool,
    /// When the next fetch begins by itself.
    next_fetch: Instant,
    /// From when on a request that finds no keys may cause a fetch.
    retry_from: Instant,
    /// When the fetches caused by unknown key ids are all paid for.
    unknown_kid_debt: Instant,
}

impl Known {
    /// The state before the first fetch, which is under way.
    fn nothing_yet() -> Self {
        let now = Instant::now();
        Self {
            keys: Keys::new(),
            expire: now,
            failure: Arc::new(FetchError::NotYet),
            failures: 0,
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

    /// The keys that the address no longer names are gone with this.
    fn replace(&mut self, Fetched { keys, lifetime }: Fetched, now: Instant) {
        if self.failures > 0 || self.fetches == 1 {
            info!(keys = keys.len(), lifetime_s = lifetime.as_secs(), "the signing keys are here");
        }
        self.keys = keys;
        self.failures = 0;
        self.expire = now + lifetime;
        self.next_fetch = now + lifetime * 3 / 4;
        self.retry_from = now;
    }

    fn keep(&mut self, error: FetchError, now: Instant) {
        let error = Arc::new(error);
        let retry = FIRST_RETRY.saturating_mul(1 << self.failures.min(16)).min(LAST_RETRY);
        self.failures = self.failures.saturating_add(1);
        self.next_fetch = now + retry;
        self.retry_from = now + RETRY_ON_DEMAND_AFTER;
        let valid_for_s = self.expire.saturating_duration_since(now).as_secs();
        // An outage of a day fills no log.
        if self.failures.is_power_of_two() {
            warn!(
                error = ?error,
                failures = self.failures,
                valid_for_s,
                "the signing keys cannot be fetched; known ones serve until they run out"
            );
        } else {
            debug!(error = ?error, failures = self.failures, valid_for_s, "the signing keys cannot be fetched");
        }
        self.failure = error;
    }
}

fn unavailable(cause: Cause) -> TokenError {
    TokenError::Unavailable(cause)
}
