use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use mymonit_model::Timestamp;
use mymonit_services::message::MessageId;
use mymonit_services::ports::{IngestMessage, IngestOutcome, NewRejectedMessage, StorageError};
use sqlx::{AssertSqlSafe, Connection as _, MySqlConnection, query, query_as, query_scalar};

use super::errors;
use crate::connection::Connection;
use crate::error::{Fault, cause};
use crate::ingest_plan::{ANY_PUBLISHER, IdRow, KnownIds, Plan, kept_detail, publisher_bytes};
use crate::known_sensors::KnownSensors;
use crate::sizes::{BODY_CHUNK, MAX_ROWS, padded, repeated, row_batches, statement_sizes};
use crate::{measure_rows, new_sensors, series};

/// Attempts at a batch whose ids other processes write at the same time. One of them commits in
/// each.
const ATTEMPTS: u32 = 20;

/// Writes the batch as if all its ids were new, which they nearly always are. Otherwise it looks
/// the ids up and writes the rest. Measures get the ids from `first_id` on.
pub(crate) async fn write(
    connection: &mut MySqlConnection,
    plan: &Plan,
    known_sensors: &KnownSensors,
    first_id: u64,
    no_old_ids: &AtomicBool,
) -> Result<Vec<IngestOutcome>, Fault> {
    let mut known = KnownIds::default();
    // The row of a new id does not collide with one that matches any publisher.
    if plan.has_ids() && !no_old_ids.load(Ordering::Relaxed) {
        if find_old_id(connection).await? {
            known = look_up(connection, plan).await?;
        } else {
            no_old_ids.store(true, Ordering::Relaxed);
        }
    }
    for _ in 0..ATTEMPTS {
        match try_write(connection, plan, &known, known_sensors, first_id).await {
            Ok(Some(outcomes)) => return Ok(outcomes),
            Ok(None) => {}
            Err(Fault::Sql(error)) if errors::is_duplicate(&error) || errors::is_deadlock(&error) => {}
            Err(fault) => return Err(fault),
        }
        known = look_up(connection, plan).await?;
    }
    let message = cause("other processes keep writing messages of the same ids");
    Err(Fault::Storage(StorageError::Unavailable(message)))
}

/// One transaction; `None` if what is known has changed. Dropped without a commit it is rolled
/// back.
async fn try_write(
    connection: &mut MySqlConnection,
    plan: &Plan,
    known: &KnownIds,
    known_sensors: &KnownSensors,
    first_id: u64,
) -> Result<Option<Vec<IngestOutcome>>, Fault> {
    let decision = plan.decide(known);
    let mut transaction = connection.begin().await?;
    let mut connection = Connection::MySql(&mut transaction);
    let sensors = new_sensors::resolve(&mut connection, known_sensors, &decision.stored).await?;
    // Then the ids: if one is taken, little else has to be rolled back.
    let now = Timestamp::now().unix_nanos();
    insert_ids(&mut transaction, &decision.new_ids, now).await?;
    for (id, number) in &decision.superseded {
        if !supersede(&mut transaction, *id, *number, now).await? {
            return Ok(None);
        }
    }
    let mut connection = Connection::MySql(&mut transaction);
    let count = decision.measure_count();
    measure_rows::insert(&mut connection, first_id, count, decision.measures(), &sensors).await?;
    insert_rejected(&mut transaction, &decision.rejected).await?;
    let mut connection = Connection::MySql(&mut transaction);
    series::extend(&mut connection, first_id, decision.measures(), &sensors).await?;
    transaction.commit().await?;
    sensors.committed(known_sensors);
    Ok(Some(decision.outcomes))
}

/// Whether any id matches any publisher.
async fn find_old_id(connection: &mut MySqlConnection) -> Result<bool, Fault> {
    const FIND: &str = "SELECT EXISTS (SELECT 1 FROM MESSAGE_IDS WHERE PUBLISHER = ?)";
    let found: i64 = query_scalar(FIND).bind(ANY_PUBLISHER).fetch_one(connection).await?;
    Ok(found > 0)
}

/// Finds the known ids of the batch. One statement reads both tables: between two, an administrator
/// could discard a rejected message, and its copy here would count as a duplicate of a message that
/// is gone.
async fn look_up(connection: &mut MySqlConnection, plan: &Plan) -> Result<KnownIds, Fault> {
    let mut known = KnownIds::default();
    for rows in plan.id_rows().chunks(MAX_ROWS) {
        let values: Vec<_> = padded(rows).collect();
        let list = repeated("(?, ?)", values.len());
        let statement = format!(
            "SELECT PUBLISHER, MESSAGE_ID, SEEN_AT, CAST(NULL AS UNSIGNED) FROM MESSAGE_IDS \
             WHERE (PUBLISHER, MESSAGE_ID) IN ({list}) \
             UNION ALL \
             SELECT PUBLISHER, MESSAGE_ID, NULL, ID FROM REJECTED_MESSAGES \
             WHERE (PUBLISHER, MESSAGE_ID) IN ({list})"
        );
        let mut select =
            query_as::<_, (Vec<u8>, Vec<u8>, Option<i64>, Option<u64>)>(AssertSqlSafe(statement));
        for row in values.iter().chain(&values) {
            select = select.bind(row.publisher).bind(row.id);
        }
        let found = select.fetch_all(&mut *connection).await?;
        for (publisher, id, seen_at, number) in &found {
            if number.is_none() {
                known.add_seen(IdRow { publisher, id }, seen_at.is_some());
            }
        }
        for (publisher, id, _, number) in &found {
            if let Some(number) = number {
                known.add_rejected(IdRow { publisher, id }, *number);
            }
        }
    }
    Ok(known)
}

async fn insert_ids(
    connection: &mut MySqlConnection,
    ids: &[(IdRow<'_>, bool)],
    now: i64,
) -> Result<(), Fault> {
    let mut ids = ids.iter();
    for size in statement_sizes(ids.len()) {
        let statement = format!(
            "INSERT INTO MESSAGE_IDS (PUBLISHER, MESSAGE_ID, SEEN_AT) VALUES {}",
            repeated("(?, ?, ?)", size)
        );
        let mut insert = query(AssertSqlSafe(statement));
        for (id, is_rejected) in ids.by_ref().take(size) {
            insert = insert.bind(id.publisher).bind(id.id).bind((!is_rejected).then_some(now));
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}

/// Removes the rejected copy of a message that is about to be stored. `false` if it has been
/// removed meanwhile: then the message may have been stored, too.
async fn supersede(
    connection: &mut MySqlConnection,
    id: IdRow<'_>,
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

/// Marks the id of a message that is about to be stored. `false` if the message is stored already.
pub(crate) async fn mark_seen(
    connection: &mut MySqlConnection,
    id: IdRow<'_>,
    now: i64,
) -> Result<bool, Fault> {
    const MARK: &str =
        "UPDATE MESSAGE_IDS SET SEEN_AT = ? WHERE PUBLISHER = ? AND MESSAGE_ID = ? AND SEEN_AT IS NULL";
    let mark = query(MARK).bind(now).bind(id.publisher).bind(id.id);
    if mark.execute(&mut *connection).await?.rows_affected() > 0 {
        return Ok(true);
    }
    match insert_ids(connection, &[(id, false)], now).await {
        Ok(()) => Ok(true),
        Err(Fault::Sql(error)) if errors::is_duplicate(&error) => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// Writes rejected messages and their bodies, many with one statement: a publisher of nothing else
/// does not delay other publishers.
async fn insert_rejected(
    connection: &mut MySqlConnection,
    rejected: &[(&IngestMessage, &NewRejectedMessage)],
) -> Result<(), Fault> {
    if rejected.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = rejected.iter().map(|(id, message)| RejectedRow::new(id, message)).collect();
    let step = query_scalar("SELECT @@SESSION.auto_increment_increment").fetch_one(&mut *connection).await?;
    let mut bodies = Vec::with_capacity(rows.len());
    for row_batch in row_batches(&rows, RejectedRow::bytes) {
        let numbers = insert_rows(connection, row_batch, step).await?;
        for (number, row) in numbers.zip(row_batch) {
            let chunks = (0_u32..).zip(row.message.body.chunks(BODY_CHUNK));
            bodies.extend(chunks.map(|(chunk, body)| (number, chunk, body)));
        }
    }
    insert_bodies(connection, &bodies).await
}

/// A row of `REJECTED_MESSAGES`.
struct RejectedRow<'a> {
    of: &'a IngestMessage,
    message: &'a NewRejectedMessage,
    detail: Cow<'a, str>,
    properties: String,
}

impl<'a> RejectedRow<'a> {
    fn new(of: &'a IngestMessage, message: &'a NewRejectedMessage) -> Self {
        let detail = kept_detail(&message.rejection.detail);
        Self { of, message, detail, properties: message.properties.to_string() }
    }

    fn bytes(&self) -> usize {
        self.detail.len() + self.properties.len()
    }
}

/// Writes the rows with one statement and returns their numbers.
///
/// InnoDB numbers such rows without gaps
/// (<https://dev.mysql.com/doc/refman/8.4/en/innodb-auto-increment-handling.html>), in steps of
/// `auto_increment_increment`, which a cluster sets to the number of its nodes.
async fn insert_rows(
    connection: &mut MySqlConnection,
    rows: &[RejectedRow<'_>],
    step: u64,
) -> Result<impl Iterator<Item = u64> + use<>, Fault> {
    let statement = format!(
        "INSERT INTO REJECTED_MESSAGES (REASON, DETAIL, RECEIVED_AT, PUBLISHER, MESSAGE_ID, PROPERTIES, SIZE) VALUES {}",
        repeated("(?, ?, ?, ?, ?, ?, ?)", rows.len())
    );
    let mut insert = query(AssertSqlSafe(statement));
    for RejectedRow { of, message, detail, properties } in rows {
        insert = insert
            .bind(message.rejection.reason.code())
            .bind(detail.as_ref())
            .bind(message.received_at.unix_nanos())
            .bind(publisher_bytes(of.publisher.as_ref()))
            .bind(of.message_id.as_ref().map(MessageId::as_bytes))
            .bind(properties)
            .bind(message.body.len() as u64);
    }
    let first = insert.execute(connection).await?.last_insert_id();
    Ok((0..).map(move |row| first + row * step))
}

/// Writes chunks of bodies: number of the message, position, bytes.
async fn insert_bodies(connection: &mut MySqlConnection, bodies: &[(u64, u32, &[u8])]) -> Result<(), Fault> {
    for row_batch in row_batches(bodies, |(_, _, body)| body.len()) {
        let statement = format!(
            "INSERT INTO REJECTED_MESSAGE_BODIES (REJECTED_MESSAGE_ID, CHUNK, BODY) VALUES {}",
            repeated("(?, ?, ?)", row_batch.len())
        );
        let mut insert = query(AssertSqlSafe(statement));
        for (number, chunk, body) in row_batch {
            insert = insert.bind(number).bind(chunk).bind(body);
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}
