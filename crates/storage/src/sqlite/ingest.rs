use mymonit_model::Timestamp;
use mymonit_services::message::MessageId;
use mymonit_services::ports::{IngestMessage, IngestOutcome, NewRejectedMessage};
use sqlx::{AssertSqlSafe, SqliteConnection, query, query_as};

use crate::connection::Connection;
use crate::error::Fault;
use crate::ingest_plan::{IdRow, KnownIds, Plan, kept_detail, publisher_bytes};
use crate::known_sensors::KnownSensors;
use crate::new_sensors::{self, SensorIds};
use crate::sizes::{BODY_CHUNK, MAX_ROWS, padded, repeated, statement_sizes};
use crate::{measure_rows, series};

/// SQLite has one writer at a time, so what is known does not change before the commit. Measures
/// get the ids from `first_id` on. The sensors are to be known after the commit.
pub(crate) async fn write(
    connection: &mut SqliteConnection,
    plan: &Plan,
    known_sensors: &KnownSensors,
    first_id: u64,
) -> Result<(Vec<IngestOutcome>, SensorIds), Fault> {
    let known = look_up(connection, plan).await?;
    let decision = plan.decide(&known);
    let mut own = Connection::Sqlite(connection);
    let sensors = new_sensors::resolve(&mut own, known_sensors, &decision.stored).await?;
    let now = Timestamp::now().unix_nanos();
    insert_ids(connection, &decision.new_ids, now).await?;
    for (id, number) in &decision.superseded {
        supersede(connection, *id, *number, now).await?;
    }
    for (id, message) in &decision.rejected {
        insert_rejected(connection, id, message).await?;
    }
    let mut connection = Connection::Sqlite(connection);
    let count = decision.measure_count();
    measure_rows::insert(&mut connection, first_id, count, decision.measures(), &sensors).await?;
    series::extend(&mut connection, first_id, decision.measures(), &sensors).await?;
    Ok((decision.outcomes, sensors))
}

/// Finds the known ids of the batch.
async fn look_up(connection: &mut SqliteConnection, plan: &Plan) -> Result<KnownIds, Fault> {
    let mut known = KnownIds::default();
    for rows in plan.id_rows().chunks(MAX_ROWS) {
        let values: Vec<_> = padded(rows).collect();
        let list = repeated("(?, ?)", values.len());
        // SQLite scans the whole table for `(…, …) IN (VALUES …)`.
        let of = |table: &str| {
            format!(
                "FROM (VALUES {list}) V CROSS JOIN {table} T \
                 ON T.PUBLISHER = V.column1 AND T.MESSAGE_ID = V.column2"
            )
        };
        let seen = format!("SELECT T.PUBLISHER, T.MESSAGE_ID, T.SEEN_AT {}", of("MESSAGE_IDS"));
        let mut seen = query_as::<_, (Vec<u8>, Vec<u8>, Option<i64>)>(AssertSqlSafe(seen));
        let rejected = format!("SELECT T.PUBLISHER, T.MESSAGE_ID, T.ID {}", of("REJECTED_MESSAGES"));
        let mut rejected = query_as::<_, (Vec<u8>, Vec<u8>, u64)>(AssertSqlSafe(rejected));
        for row in values {
            seen = seen.bind(row.publisher).bind(row.id);
            rejected = rejected.bind(row.publisher).bind(row.id);
        }
        for (publisher, id, seen_at) in seen.fetch_all(&mut *connection).await? {
            known.add_seen(IdRow { publisher: &publisher, id: &id }, seen_at.is_some());
        }
        for (publisher, id, number) in rejected.fetch_all(&mut *connection).await? {
            known.add_rejected(IdRow { publisher: &publisher, id: &id }, number);
        }
    }
    Ok(known)
}

async fn insert_ids(
    connection: &mut SqliteConnection,
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

/// Removes the rejected copy of a message that is about to be stored.
async fn supersede(
    connection: &mut SqliteConnection,
    id: IdRow<'_>,
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

/// Marks the id of a message that is about to be stored. `false` if the message is stored already.
pub(crate) async fn mark_seen(
    connection: &mut SqliteConnection,
    id: IdRow<'_>,
    now: i64,
) -> Result<bool, Fault> {
    const MARK: &str = "INSERT INTO MESSAGE_IDS (PUBLISHER, MESSAGE_ID, SEEN_AT) VALUES (?, ?, ?) \
        ON CONFLICT (PUBLISHER, MESSAGE_ID) DO UPDATE SET SEEN_AT = excluded.SEEN_AT WHERE SEEN_AT IS NULL";
    let marked = query(MARK).bind(id.publisher).bind(id.id).bind(now).execute(connection).await?;
    Ok(marked.rows_affected() > 0)
}

async fn insert_rejected(
    connection: &mut SqliteConnection,
    of: &IngestMessage,
    message: &NewRejectedMessage,
) -> Result<(), Fault> {
    const INSERT: &str = "INSERT INTO REJECTED_MESSAGES \
        (REASON, DETAIL, RECEIVED_AT, PUBLISHER, MESSAGE_ID, PROPERTIES, SIZE) VALUES (?, ?, ?, ?, ?, ?, ?)";
    const INSERT_BODY: &str =
        "INSERT INTO REJECTED_MESSAGE_BODIES (REJECTED_MESSAGE_ID, CHUNK, BODY) VALUES (?, ?, ?)";
    let number = query(INSERT)
        .bind(message.rejection.reason.code())
        .bind(kept_detail(&message.rejection.detail))
        .bind(message.received_at.unix_nanos())
        .bind(publisher_bytes(of.publisher.as_ref()))
        .bind(of.message_id.as_ref().map(MessageId::as_bytes))
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
