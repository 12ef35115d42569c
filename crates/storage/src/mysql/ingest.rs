use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{MeasureValue, Timestamp};
use mymonit_services::message::MessageId;
use mymonit_services::ports::{
    IngestMessage, IngestOutcome, IngestStore, NewMeasure, NewRejectedMessage, StorageError,
};
use shaku::Component;
use sqlx::{AssertSqlSafe, Connection, MySqlConnection, query, query_as, query_scalar};
use tokio::time::sleep;

use super::{MySqlDatabase, errors};
use crate::error::{Fault, cause};
use crate::ingest_plan::{KnownIds, Plan, kept_detail};
use crate::sizes::{BODY_CHUNK, MAX_ROWS, padded, portions, repeated, statement_sizes};

/// How often a batch is tried that meets other processes: each time one of them has committed or given way,
/// so this many in a row are no chance any more.
const ATTEMPTS: u32 = 20;

/// The way of messages into MySQL.
#[derive(Component)]
#[shaku(interface = IngestStore)]
pub struct MySqlIngestStore {
    /// Where they go.
    database: MySqlDatabase,
}

#[cfg(test)]
impl MySqlIngestStore {
    /// The store of that database, without a container.
    pub(super) fn on(database: MySqlDatabase) -> Self {
        Self { database }
    }
}

#[async_trait]
impl IngestStore for MySqlIngestStore {
    async fn commit(&self, batch: &[IngestMessage]) -> Result<Vec<IngestOutcome>, StorageError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let plan = Plan::new(batch.to_vec());
        self.database.write(move |connection| async move { commit(connection, &plan).await }.boxed()).await
    }

    async fn forget_message_ids(&self, seen_before: Timestamp, limit: u32) -> Result<u64, StorageError> {
        // NULL, the mark of a rejected message's id, is before nothing.
        const FORGET: &str = "DELETE FROM MESSAGE_IDS WHERE SEEN_AT < ? ORDER BY SEEN_AT LIMIT ?";
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

/// Writes the batch as if all its ids were new, which they nearly always are. If one is not, it asks which,
/// and writes the rest.
async fn commit(connection: &mut MySqlConnection, plan: &Plan) -> Result<Vec<IngestOutcome>, Fault> {
    let mut known = KnownIds::default();
    for attempt in 1..=ATTEMPTS {
        match attempt_commit(connection, plan, &known).await {
            Ok(Some(outcomes)) => return Ok(outcomes),
            Ok(None) => {}
            Err(Fault::Sql(error)) if errors::is_duplicate(&error) => {}
            Err(Fault::Sql(error)) if errors::is_deadlock(&error) => {
                sleep(Duration::from_millis(u64::from(attempt))).await;
            }
            Err(fault) => return Err(fault),
        }
        known = look_up(connection, plan).await?;
    }
    let message = cause("other processes keep writing messages of the same ids");
    Err(Fault::Storage(StorageError::Unavailable(message)))
}

/// One transaction; `None` if what is known has changed. Dropping it without a commit rolls it back.
async fn attempt_commit(
    connection: &mut MySqlConnection,
    plan: &Plan,
    known: &KnownIds,
) -> Result<Option<Vec<IngestOutcome>>, Fault> {
    let decision = plan.decide(known);
    let mut transaction = connection.begin().await?;
    // The ids go first: if one of them is taken, nothing else has been written in vain.
    let now = Timestamp::now().unix_nanos();
    insert_ids(&mut transaction, &decision.new_ids, now).await?;
    for (id, number) in &decision.superseded {
        if !supersede(&mut transaction, id, *number, now).await? {
            return Ok(None);
        }
    }
    insert_measures(&mut transaction, decision.measure_count(), decision.measures()).await?;
    insert_rejected(&mut transaction, &decision.rejected).await?;
    transaction.commit().await?;
    Ok(Some(decision.outcomes))
}

/// Which ids of the batch are known.
///
/// Both tables are read in one statement, which sees them as they are at one moment. Between two statements an
/// administrator could discard a rejected message: its id would still be registered and the message be gone, and
/// a copy that comes at that moment would be taken for a duplicate of something that is nowhere.
async fn look_up(connection: &mut MySqlConnection, plan: &Plan) -> Result<KnownIds, Fault> {
    let mut known = KnownIds::default();
    for ids in plan.ids().chunks(MAX_ROWS) {
        let values: Vec<_> = padded(ids).collect();
        let list = repeated("?", values.len());
        let statement = format!(
            "SELECT MESSAGE_ID, SEEN_AT, CAST(NULL AS UNSIGNED) FROM MESSAGE_IDS WHERE MESSAGE_ID IN ({list}) \
             UNION ALL \
             SELECT MESSAGE_ID, NULL, ID FROM REJECTED_MESSAGES WHERE MESSAGE_ID IN ({list})"
        );
        let mut select = query_as::<_, (Vec<u8>, Option<i64>, Option<u64>)>(AssertSqlSafe(statement));
        for id in values.iter().chain(&values) {
            select = select.bind(id.as_bytes());
        }
        let rows = select.fetch_all(&mut *connection).await?;
        for (id, seen_at, number) in &rows {
            if number.is_none() {
                known.add_seen(id, seen_at.is_some());
            }
        }
        for (id, _, number) in &rows {
            if let Some(number) = number {
                known.add_rejected(id, *number);
            }
        }
    }
    Ok(known)
}

async fn insert_ids(
    connection: &mut MySqlConnection,
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

/// Removes the rejected copy of a message, with its body, that is about to be stored. `false` if somebody else
/// has removed it meanwhile: then it may have been stored, too.
async fn supersede(
    connection: &mut MySqlConnection,
    id: &MessageId,
    number: Option<u64>,
    now: i64,
) -> Result<bool, Fault> {
    if let Some(number) = number {
        let delete = query("DELETE FROM REJECTED_MESSAGES WHERE ID = ?").bind(number);
        if delete.execute(&mut *connection).await?.rows_affected() == 0 {
            return Ok(false);
        }
    }
    mark_seen(connection, id, now).await
}

/// Notes of a message that is about to be stored that it is no longer among the rejected ones. `false` if a copy
/// of it was stored already.
pub(super) async fn mark_seen(
    connection: &mut MySqlConnection,
    id: &MessageId,
    now: i64,
) -> Result<bool, Fault> {
    let mark = query("UPDATE MESSAGE_IDS SET SEEN_AT = ? WHERE MESSAGE_ID = ? AND SEEN_AT IS NULL")
        .bind(now)
        .bind(id.as_bytes());
    if mark.execute(&mut *connection).await?.rows_affected() > 0 {
        return Ok(true);
    }
    match insert_ids(connection, &[(id, false)], now).await {
        Ok(()) => Ok(true),
        Err(Fault::Sql(error)) if errors::is_duplicate(&error) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Writes `count` measures.
pub(super) async fn insert_measures<'a>(
    connection: &mut MySqlConnection,
    count: usize,
    mut measures: impl Iterator<Item = &'a NewMeasure>,
) -> Result<(), Fault> {
    for size in statement_sizes(count) {
        let rows: Vec<_> = measures.by_ref().take(size).collect();
        // MariaDB stores a negative zero as a zero, so it takes a mark. They are so rare that all other rows
        // are spared the column.
        if rows.iter().any(|row| is_negative_zero(row.value)) {
            insert_marked(connection, &rows).await?;
        } else {
            insert_unmarked(connection, &rows).await?;
        }
    }
    Ok(())
}

fn is_negative_zero(value: MeasureValue) -> bool {
    value.get() == 0.0 && value.get().is_sign_negative()
}

async fn insert_unmarked(connection: &mut MySqlConnection, rows: &[&NewMeasure]) -> Result<(), Fault> {
    let statement = format!(
        "INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES {}",
        repeated("(?, ?, ?, ?)", rows.len())
    );
    let mut insert = query(AssertSqlSafe(statement));
    for NewMeasure { experiment_id, measure_type, timestamp, value } in rows {
        insert = insert
            .bind(measure_type.get())
            .bind(timestamp.unix_nanos())
            .bind(experiment_id.get())
            .bind(value.get());
    }
    insert.execute(connection).await?;
    Ok(())
}

async fn insert_marked(connection: &mut MySqlConnection, rows: &[&NewMeasure]) -> Result<(), Fault> {
    let statement = format!(
        "INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE, IS_NEGATIVE_ZERO) VALUES {}",
        repeated("(?, ?, ?, ?, ?)", rows.len())
    );
    let mut insert = query(AssertSqlSafe(statement));
    for NewMeasure { experiment_id, measure_type, timestamp, value } in rows {
        insert = insert
            .bind(measure_type.get())
            .bind(timestamp.unix_nanos())
            .bind(experiment_id.get())
            .bind(value.get())
            .bind(is_negative_zero(*value));
    }
    insert.execute(connection).await?;
    Ok(())
}

/// Writes rejected messages and their bodies, many with one statement: a publisher that sends nothing else is not to
/// hold up the others.
async fn insert_rejected(
    connection: &mut MySqlConnection,
    rejected: &[(Option<&MessageId>, &NewRejectedMessage)],
) -> Result<(), Fault> {
    if rejected.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rejected.iter().map(|(id, message)| RejectedRow::new(*id, message)).collect();
    let step = query_scalar("SELECT @@SESSION.auto_increment_increment").fetch_one(&mut *connection).await?;
    let mut bodies = Vec::with_capacity(rows.len());
    for portion in portions(&rows, RejectedRow::bytes) {
        let numbers = insert_rows(connection, portion, step).await?;
        for (number, row) in numbers.zip(portion) {
            let chunks = (0_u32..).zip(row.message.body.chunks(BODY_CHUNK));
            bodies.extend(chunks.map(|(chunk, body)| (number, chunk, body)));
        }
    }
    insert_bodies(connection, &bodies).await
}

/// A rejected message as it stands in its table.
struct RejectedRow<'a> {
    id: Option<&'a MessageId>,
    message: &'a NewRejectedMessage,
    detail: Cow<'a, str>,
    properties: String,
}

impl<'a> RejectedRow<'a> {
    fn new(id: Option<&'a MessageId>, message: &'a NewRejectedMessage) -> Self {
        let detail = kept_detail(&message.rejection.detail);
        Self { id, message, detail, properties: message.properties.to_string() }
    }

    fn bytes(&self) -> usize {
        self.detail.len() + self.properties.len()
    }
}

/// Writes the rows with one statement and gives their numbers.
///
/// InnoDB numbers the rows of an insert whose number of rows is known beforehand without gaps, in each of its lock modes
/// (<https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html>), in steps of
/// `auto_increment_increment`, which a cluster sets to the number of its nodes.
async fn insert_rows(
    connection: &mut MySqlConnection,
    rows: &[RejectedRow<'_>],
    step: u64,
) -> Result<impl Iterator<Item = u64> + use<>, Fault> {
    let statement = format!(
        "INSERT INTO REJECTED_MESSAGES (REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE) VALUES {}",
        repeated("(?, ?, ?, ?, ?, ?)", rows.len())
    );
    let mut insert = query(AssertSqlSafe(statement));
    for RejectedRow { id, message, detail, properties } in rows {
        insert = insert
            .bind(message.rejection.reason.code())
            .bind(detail.as_ref())
            .bind(message.received_at.unix_nanos())
            .bind(id.map(MessageId::as_bytes))
            .bind(properties)
            .bind(message.body.len() as u64);
    }
    let first = insert.execute(connection).await?.last_insert_id();
    Ok((0..).map(move |row| first + row * step))
}

/// Writes the pieces of bodies: the number of each one's message, its place, and its bytes.
async fn insert_bodies(connection: &mut MySqlConnection, bodies: &[(u64, u32, &[u8])]) -> Result<(), Fault> {
    for portion in portions(bodies, |(_, _, body)| body.len()) {
        let statement = format!(
            "INSERT INTO REJECTED_MESSAGE_BODIES (REJECTED_MESSAGE_ID, CHUNK, BODY) VALUES {}",
            repeated("(?, ?, ?)", portion.len())
        );
        let mut insert = query(AssertSqlSafe(statement));
        for (number, chunk, body) in portion {
            insert = insert.bind(number).bind(chunk).bind(body);
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}
