//! How a statement about one experiment finds the user of a request.

use mymonit_model::ExperimentId;
use mymonit_services::ports::Identity;

use crate::connection::Value;

/// Parts of a statement. Each table gives one row at most, by a unique key.
pub(crate) struct UserLookup {
    /// The tables up to and with `USERS U`, to be continued with joins.
    pub(crate) from: &'static str,
    /// The values of the placeholders in `from`.
    pub(crate) from_values: Vec<Value>,
    /// Whether the user is found and not erased.
    pub(crate) condition: &'static str,
    /// The values of the placeholders in `condition`.
    pub(crate) condition_values: Vec<Value>,
    /// Whether an API token may read the experiment; begins with `AND` if it is not empty.
    pub(crate) may_read: &'static str,
    /// The API token's ID and LAST_USED_AT.
    pub(crate) token_columns: &'static str,
}

impl UserLookup {
    pub(crate) fn of(identity: &Identity, experiment_id: ExperimentId) -> Self {
        match identity {
            Identity::Username(username) => Self {
                from: "USERS U",
                from_values: Vec::new(),
                condition: "U.USERNAME = ? AND U.ERASED_AT IS NULL",
                condition_values: vec![username.reveal().as_str().into()],
                may_read: "",
                token_columns: "NULL, NULL",
            },
            Identity::ApiToken(digest, at) => Self {
                from: "API_TOKENS T LEFT JOIN API_TOKEN_EXPERIMENTS X \
                    ON X.TOKEN_ID = T.ID AND X.EXPERIMENT_ID = ? \
                    CROSS JOIN USERS U ON U.ID = T.USER_ID",
                from_values: vec![experiment_id.get().into()],
                condition: "T.SECRET_SHA256 = ? AND T.EXPIRES_AT > ? AND U.ERASED_AT IS NULL",
                condition_values: vec![Value::Bytes(digest.reveal().to_vec()), at.unix_nanos().into()],
                may_read: "AND (T.IS_RESTRICTED = 0 OR X.TOKEN_ID IS NOT NULL)",
                token_columns: "T.ID, T.LAST_USED_AT",
            },
        }
    }
}
