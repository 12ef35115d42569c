use mymonit_services::ports::TokenClaims;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::claims::ValidClaims;

/// Counts accepted tokens that show a wrong clock. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct TokenMetrics {
    from_future: Counter,
}

impl TokenMetrics {
    /// Registers the counter `tokens_from_future`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "tokens_from_future",
            "Accepted tokens whose iat or auth_time is ahead of this server's clock",
            self.from_future.clone(),
        );
    }

    /// How many there were.
    pub fn from_future(&self) -> u64 {
        self.from_future.get()
    }

    /// Counts a token whose signature is verified.
    pub(crate) fn accept(&self, claims: ValidClaims) -> TokenClaims {
        if claims.is_from_future {
            self.from_future.inc();
        }
        claims.claims
    }
}
