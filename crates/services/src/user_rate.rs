use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};
use mymonit_model::UserId;

use crate::ServiceError;

/// A user who has made no request for a while may make the requests of this many seconds at once.
const BURST: NonZeroU32 = NonZeroU32::new(4).unwrap();

type Limiter = RateLimiter<UserId, HashMapStateStore<UserId>, DefaultClock>;

/// Limits the requests of each user to this process, over all tokens. No limit by default.
///
/// Users are counted, not addresses or tokens: a proxy sees those, and a user has many. Only known
/// users are counted, so that the memory is bounded by their number.
#[derive(Debug, Clone, Default)]
pub struct UserRate(Option<Arc<Limiter>>);

impl UserRate {
    /// The limit in requests per second; 0 means no limit.
    pub fn per_second(requests: u32) -> Self {
        let quota = NonZeroU32::new(requests)
            .map(|requests| Quota::per_second(requests).allow_burst(requests.saturating_mul(BURST)));
        Self(quota.map(|quota| Arc::new(RateLimiter::hashmap(quota))))
    }

    /// Counts a request.
    ///
    /// # Errors
    /// [`ServiceError::TooManyRequests`] if it is one too many.
    pub(crate) fn count(&self, user_id: &UserId) -> Result<(), ServiceError> {
        const REFUSED: ServiceError =
            ServiceError::TooManyRequests("the user makes too many requests; wait a second");
        match &self.0 {
            Some(limiter) => limiter.check_key(user_id).map_err(|_| REFUSED),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// More than a stalled host can take minutes for.
    const MANY: usize = 1_000;

    #[test]
    fn each_user_has_a_rate_of_the_own() {
        let rate = UserRate::per_second(1);
        let (one, other) = (UserId::new("S001").unwrap(), UserId::new("S002").unwrap());
        let accepted = (0..MANY).take_while(|_| rate.clone().count(&one).is_ok()).count();
        assert!((4..MANY).contains(&accepted), "{accepted}");
        assert!(rate.count(&other).is_ok());
    }

    #[test]
    fn without_a_rate_nothing_is_refused() {
        let user = UserId::new("S001").unwrap();
        for rate in [UserRate::default(), UserRate::per_second(0)] {
            assert!((0..MANY).all(|_| rate.count(&user).is_ok()));
        }
    }
}
