use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::Timestamp;
use mymonit_services::message::MessageId;
use mymonit_services::ports::{
    IngestMessage, IngestOutcome, IngestStore, NewMeasure, NewRejectedMessage, StorageError,
};
use shaku::Component;
use sqlx::{AssertSqlSafe, SqliteConnection, query, query_as};

use super::SqliteDatabase;
use crate::error::Fault;
use crate::ingest_plan::{KnownIds, Plan, kept_detail};
use crate::sizes::{BODY_CHUNK, MAX_ROWS, padded, repeated, statement_sizes};

/// The way of messages into SQLite.
#[derive(Component)]
#[shaku(interface = IngestStore)]
pub struct SqliteIngestStore {
    /// Where they go.
    database: SqliteDatabase,
}

#[cfg(test)]
impl SqliteIngestStore {
    /// The store of that database, without a container.
    pub(super) fn on(database: SqliteDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl IngestStore for SqliteIngestStore {
    async fn commit(&self, batch: &[IngestMessage]) -> Result<Vec<IngestOutcome>, StorageError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let plan = Plan::new(batch.to_vec());
        self.database.write(move |connection| async move { commit(connection, &plan).await }.boxed()).await
    }

    async fn forget_message_ids(&self, seen_before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        // NULL, the mark of a rejected message's id, is before nothing.
        const FORGET: &str = "DELETE FROM MESSAGE_IDS WHERE MESSAGE_ID IN \
            (SELECT MESSAGE_ID FROM MESSAGE_IDS WHERE SEEN_AT < ? ORDER BY SEEN_AT LIMIT ?)";
        self.database
            .write(move |connection| {
                async move {
                    let forgotten =
                        query(FORGET).bind(seen_before.unix_nanos()).bind(limit).execute(connection).await?;
                    Ok(forgotten.rows_affected())
                }
                .boxed()
            })
            .await
    }
}

/// There is one writer at a time, so what is known does not change before the commit.
async fn commit(connection: &mut SqliteConnection, plan: &Plan) -> Result<Vec<IngestOutcome>, Fault> {
    let known = look_up(connection, plan).await?;
    let decision = plan.decide(&known);
    let now = Timestamp::now().unix_nanos();
    insert_ids(connection, &decision.new_ids, now).await?;
    for (id, number) in &decision.superseded {
        supersede(connection, id, *number, now).await?;
    }
    insert_measures(connection, decision.measure_count(), decision.measures()).await?;
    for (id, message) in &decision.rejected {
        insert_rejected(connection, *id, message).await?;
    }
    Ok(decision.outcomes)
}

/// Which ids of the batch are known.
async fn look_up(connection: &mut SqliteConnection, plan: &Plan) -> Result<KnownIds, Fault> {
    let mut known = KnownIds::default();
    for ids in plan.ids().chunks(MAX_ROWS) {
        let values: Vec<_> = padded(ids).collect();
        let list = repeated("?", values.len());
        let seen = format!("SELECT MESSAGE_ID, SEEN_AT FROM MESSAGE_IDS WHERE MESSAGE_ID IN ({list})");
        let mut seen = query_as::<_, (Vec<u8>, Option<i64>)>(AssertSqlSafe(seen));
        let rejected = format!("SELECT MESSAGE_ID, ID FROM REJECTED_MESSAGES WHERE MESSAGE_ID IN ({list})");
        let mut rejected = query_as::<_, (Vec<u8>, u64)>(AssertSqlSafe(rejected));
        for id in values {
            seen = seen.bind(id.as_bytes());
            rejected = rejected.bind(id.as_bytes());
        }
        for (id, seen_at) in seen.fetch_all(&mut *connection).await? {
            known.add_seen(&id, seen_at.is_some());
        }
        for (id, number) in rejected.fetch_all(&mut *connection).await? {
            known.add_rejected(&id, number);
        }
    }
    Ok(known)
}

async fn insert_ids(
    connection: &mut SqliteConnection,
    ids: &[(&MessageId, bool)],
    now: i64,
) -> Result<(), Fault> {
    let mut ids = ids.iter();
    for size in statement_sizes(ids.len()) {
        let statement =
            format!("INSERT INTO MESSAGE_IDS (MESSAGE_ID, SEEN_AT) VALUES {}", repeated("(?, ?)", size));
        let mut insert = query(AssertSqlSafe(statement));
        for (id, is_rejected) in ids.by_ref().take(size) {
            insert = insert.bind(id.as_bytes()).bind((!is_rejected).then_some(now));
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes the rejected copy of a message, with its body, that is about to be stored.
async fn supersede(
    connection: &mut SqliteConnection,
    id: &MessageId,
    number: Option<u64>,
    now: i64,
) -> Result<(), Fault> {
    if let Some(number) = number {
        query("DELETE FROM REJECTED_MESSAGES WHERE ID = ?")
            .bind(number.cast_signed())
            .execute(&mut *connection)
            .await?;
    }
    mark_seen(connection, id, now).await?;
    Ok(())
}

/// Notes of a message that is about to be stored that it is no longer among the rejected ones. `false` if a copy
/// of it was stored already.
pub(super) async fn mark_seen(
    connection: &mut SqliteConnection,
    id: &MessageId,
    now: i64,
) -> Result<bool, Fault> {
    const MARK: &str = "INSERT INTO MESSAGE_IDS (MESSAGE_ID, SEEN_AT) VALUES (?, ?) \
        ON CONFLICT (MESSAGE_ID) DO UPDATE SET SEEN_AT = excluded.SEEN_AT WHERE SEEN_AT IS NULL";
    let marked = query(MARK).bind(id.as_bytes()).bind(now).execute(connection).await?;
    Ok(marked.rows_affected() > 0)
}

/// Writes `count` measures.
pub(super) async fn insert_measures<'a>(
    connection: &mut SqliteConnection,
    count: usize,
    mut measures: impl Iterator<Item = &'a NewMeasure>,
) -> Result<(), Fault> {
    for size in statement_sizes(count) {
        let statement = format!(
            "INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES {}",
            repeated("(?, ?, ?, ?)", size)
        );
        let mut insert = query(AssertSqlSafe(statement));
        for NewMeasure { experiment_id, measure_type, timestamp, value } in measures.by_ref().take(size) {
            insert = insert
                .bind(measure_type.get())
                .bind(timestamp.unix_nanos())
                .bind(experiment_id.get())
                .bind(value.get());
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn insert_rejected(
    connection: &mut SqliteConnection,
    id: Option<&MessageId>,
    message: &NewRejectedMessage,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO REJECTED_MESSAGES \
        (REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE) VALUES (?, ?, ?, ?, ?, ?)";
    const INSERT_BODY: &str =
        "INSERT INTO REJECTED_MESSAGE_BODIES (REJECTED_MESSAGE_ID, CHUNK, BODY) VALUES (?, ?, ?)";
    let number = query(INSERT)
        .bind(message.rejection.reason.code())
        .bind(kept_detail(&message.rejection.detail))
        .bind(message.received_at.unix_nanos())
        .bind(id.map(MessageId::as_bytes))
        .bind(message.properties.to_string())
        .bind(i64::try_from(message.body.len()).unwrap_or(i64::MAX))
        .execute(&mut *connection)
        .await?
        .last_insert_rowid();
    for (chunk, body) in (0_u32..).zip(message.body.chunks(BODY_CHUNK)) {
        query(INSERT_BODY).bind(number).bind(chunk).bind(body).execute(&mut *connection).await?;
    }
    Ok(())
}
