use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, TryStreamExt};
use mymonit_model::Timestamp;
use mymonit_services::message::Rejection;
use mymonit_services::ports::{
    NewMeasure, RejectedMessage, RejectedMessageFilter, RejectedMessageId, RejectedMessagePosition,
    RejectedMessageStore, RejectedMessages, StorageError,
};
use shaku::Component;
use sqlx::AssertSqlSafe;
use tokio::time::sleep;

use crate::connection::{Connection, Value};
use crate::database::{Database, DatabaseHandle};
use crate::decode::{self, RejectedMessageRow};
use crate::error::{Fault, cause, is_deadlock};
use crate::ingest_plan::{IdRow, kept_detail};
use crate::measure_range::KeyRange;
use crate::new_sensors::{self, SensorIds};
use crate::rejected_page::{Filling, key_ranges};
use crate::{measure_rows, mysql, series, sqlite};

/// Attempts of a removal that deadlocks with deliveries of the same message. Each time another
/// transaction has succeeded, so that this many in a row do not happen by chance.
const ATTEMPTS: u32 = 20;

/// The messages that could not be stored.
///
/// A removal locks the message's row first and its `message-id` second, here and when a delivery
/// supersedes it.
#[derive(Component)]
#[shaku(interface = RejectedMessageStore)]
pub struct SqlRejectedMessageStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl RejectedMessageStore for SqlRejectedMessageStore {
    async fn page(
        &self,
        filter: &RejectedMessageFilter,
        after: Option<RejectedMessagePosition>,
        limit: u32,
    ) -> Result<RejectedMessages, StorageError> {
        let filter = filter.clone();
        self.database
            .read(move |mut connection| {
                async move { page(&mut connection, &filter, after, limit).await }.boxed()
            })
            .await
    }

    async fn find(&self, id: RejectedMessageId) -> Result<Option<(RejectedMessage, Bytes)>, StorageError> {
        let id = key(id);
        self.database
            .snapshot(move |mut connection| async move { find(&mut connection, id).await }.boxed())
            .await
    }

    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError> {
        let first_id = self.database.take_measure_ids(measures.len()).await?;
        let known = self.database.database().clone();
        self.remove(id, Removal::Replay(first_id, measures.into(), known)).await
    }

    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError> {
        const REJECT: &str = "UPDATE REJECTED_MESSAGES SET REASON = ?, DETAIL = ? WHERE ID = ?";
        let detail = kept_detail(&rejection.detail).into_owned();
        let values = [rejection.reason.code().into(), detail.into(), key(id).into()];
        Ok(self.database.execute(REJECT, values).await?.rows > 0)
    }

    async fn total_bytes(&self) -> Result<u64, StorageError> {
        // SIGNED is an integer on both engines.
        const SUM: &str = "SELECT CAST(COALESCE(SUM(BYTES), 0) AS SIGNED) FROM REJECTED_MESSAGES";
        let sum = self.database.row(SUM, [], Ok::<(i64,), _>).await?;
        Ok(sum.and_then(|(sum,)| sum.try_into().ok()).unwrap_or_default())
    }

    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError> {
        self.remove(id, Removal::Discard).await
    }
}

impl SqlRejectedMessageStore {
    async fn remove(&self, id: RejectedMessageId, removal: Removal) -> Result<bool, StorageError> {
        let id = key(id);
        for attempt in 1..=ATTEMPTS {
            let removal = removal.clone();
            let attempted = self.database.transaction(move |mut connection| {
                async move {
                    match remove(&mut connection, id, &removal).await {
                        Err(Fault::Sql(error)) if is_deadlock(&error) => Ok(None),
                        removed => removed.map(Some),
                    }
                }
                .boxed()
            });
            if let Some(is_removed) = attempted.await? {
                return Ok(is_removed);
            }
            sleep(Duration::from_millis(attempt.into())).await;
        }
        let message = format!("{ATTEMPTS} attempts to remove a rejected message have deadlocked");
        Err(StorageError::Unavailable(cause(message)))
    }
}

/// The number in the database. No id reaches the greatest integer of SQLite.
fn key(id: RejectedMessageId) -> i64 {
    i64::try_from(id.get()).unwrap_or(i64::MAX)
}

/// Why a message is removed.
#[derive(Clone)]
enum Removal {
    /// Its measures are stored in that database, with the ids from the first one on.
    Replay(u64, Arc<[NewMeasure]>, Database),
    /// An administrator has discarded it.
    Discard,
}

async fn page(
    connection: &mut Connection<'_>,
    filter: &RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
    limit: u32,
) -> Result<RejectedMessages, Fault> {
    let mut filling = Filling::new(limit);
    for key_range in key_ranges(filter, after) {
        if filling.is_full() {
            break;
        }
        let (select, values) = select(connection, filter, key_range, filling.rows_to_read());
        let mut rows = connection.stream::<RejectedMessageRow>(AssertSqlSafe(select), values);
        while let Some(row) = rows.try_next().await? {
            filling.take(row)?;
        }
    }
    Ok(filling.finish())
}

/// One range of an index, in its order. The optimizers sometimes prefer to sort the whole table.
fn select(
    connection: &Connection<'_>,
    filter: &RejectedMessageFilter,
    key_range: KeyRange,
    limit: u32,
) -> (String, Vec<Value>) {
    let (index, reason) = match filter.reason {
        None => ("IX_REJECTED_MESSAGES_RECEIVED", ""),
        Some(_) => ("IX_REJECTED_MESSAGES_REASON", "REASON = ? AND "),
    };
    let (condition, order, bounds) = match key_range {
        KeyRange::Moment { at, beyond } => {
            ("RECEIVED_AT = ? AND ID < ?", "ID DESC", [at, i64::try_from(beyond).unwrap_or(i64::MAX)])
        }
        KeyRange::Span { from, to } => {
            ("RECEIVED_AT BETWEEN ? AND ?", "RECEIVED_AT DESC, ID DESC", [from, to])
        }
    };
    let select = format!(
        "SELECT ID, REASON, DETAIL, RECEIVED_AT, PUBLISHER, MESSAGE_ID, PROPERTIES, SIZE \
         FROM REJECTED_MESSAGES {} WHERE {reason}{condition} ORDER BY {order} LIMIT ?",
        connection.index(index)
    );
    let values = filter.reason.map(|reason| reason.code().into()).into_iter();
    (select, values.chain(bounds.map(Value::from)).chain([limit.into()]).collect())
}

async fn find(connection: &mut Connection<'_>, id: i64) -> Result<Option<(RejectedMessage, Bytes)>, Fault> {
    const FIND: &str = "SELECT ID, REASON, DETAIL, RECEIVED_AT, PUBLISHER, MESSAGE_ID, PROPERTIES, SIZE \
        FROM REJECTED_MESSAGES WHERE ID = ?";
    const BODY: &str =
        "SELECT BODY FROM REJECTED_MESSAGE_BODIES WHERE REJECTED_MESSAGE_ID = ? ORDER BY CHUNK";
    let Some(row) = connection.row(FIND, [id.into()]).await? else { return Ok(None) };
    let message = decode::rejected_message(row)?;
    let mut body = BytesMut::with_capacity(usize::try_from(message.size).unwrap_or_default());
    let mut chunks = connection.stream::<(Vec<u8>,)>(BODY, [id.into()]);
    while let Some((chunk,)) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    decode::whole(message, body.freeze()).map(Some)
}

/// In a transaction. `false`, and nothing is stored, if the message is not there, or if a copy of
/// it was stored before: the latter only after its `message-id` was removed by hand.
async fn remove(connection: &mut Connection<'_>, id: i64, removal: &Removal) -> Result<bool, Fault> {
    const DELETE: &str = "DELETE FROM REJECTED_MESSAGES WHERE ID = ?";
    // Unless a copy of the message was stored.
    const FORGET: &str = "DELETE FROM MESSAGE_IDS WHERE PUBLISHER = ? AND MESSAGE_ID = ? AND SEEN_AT IS NULL";
    let lock = format!(
        "SELECT PUBLISHER, MESSAGE_ID FROM REJECTED_MESSAGES WHERE ID = ?{}",
        connection.for_update()
    );
    let row: Option<(Vec<u8>, Option<Vec<u8>>)> = connection.row(AssertSqlSafe(lock), [id.into()]).await?;
    let Some((publisher, message_id)) = row else { return Ok(false) };
    // Its body goes with it.
    connection.execute(DELETE, [id.into()]).await?;
    match (removal, message_id) {
        (Removal::Discard, None) => Ok(true),
        (Removal::Discard, Some(message_id)) => {
            connection.execute(FORGET, [Value::Bytes(publisher), Value::Bytes(message_id)]).await?;
            Ok(true)
        }
        (Removal::Replay(first_id, measures, database), message_id) => {
            // New sensors become known by the next measure: here the commit is still to come.
            let known = database.known_sensors();
            let sensors = new_sensors::resolve(connection, known, &[(0, measures)]).await?;
            let row = message_id.as_ref().map(|id| IdRow { publisher: &publisher, id });
            store(connection, row, *first_id, measures, &sensors).await
        }
    }
}

async fn store(
    connection: &mut Connection<'_>,
    id: Option<IdRow<'_>>,
    first_id: u64,
    measures: &[NewMeasure],
    sensors: &SensorIds,
) -> Result<bool, Fault> {
    let now = Timestamp::now().unix_nanos();
    if let Some(id) = id {
        let is_new = match connection {
            Connection::MySql(connection) => mysql::ingest::mark_seen(connection, id, now).await?,
            Connection::Sqlite(connection) => sqlite::ingest::mark_seen(connection, id, now).await?,
        };
        if !is_new {
            return Ok(false);
        }
    }
    measure_rows::insert(connection, first_id, measures.len(), measures.iter(), sensors).await?;
    series::extend(connection, first_id, measures.iter(), sensors).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use mymonit_model::Faceted;
    use mymonit_services::ports::IngestStore;
    use mymonit_test_support::MySqlServer;
    use sqlx::mysql::MySqlConnection;
    use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
    use sqlx::{ConnectOptions, Connection as _, MySql, Row, Sqlite, query, query_with};

    use super::*;
    use crate::connection::arguments;
    use crate::rejected_shapes::{messages, shapes};
    use crate::{MySqlDatabase, SqlIngestStore, SqliteDatabase};

    const LIMIT: u32 = 10;

    /// A connection to a database with rejected messages in it.
    async fn filled_mysql() -> MySqlConnection {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap();
        let database = Database::MySql(database);
        database.prepare().await.unwrap();
        SqlIngestStore::of(database).commit(messages()).await.unwrap();
        MySqlConnection::connect(&url).await.unwrap()
    }

    async fn filled_sqlite(file: &str) -> SqliteConnection {
        let database = SqliteDatabase::new(file, 1).unwrap();
        let database = Database::Sqlite(database);
        database.prepare().await.unwrap();
        SqlIngestStore::of(database).commit(messages()).await.unwrap();
        SqliteConnectOptions::new().filename(file).connect().await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_mysql_every_statement_reads_one_range_of_an_index_in_order() {
        let mut connection = filled_mysql().await;
        for (filter, after) in shapes() {
            for key_range in key_ranges(&filter, after) {
                let (select, values) = select(&Connection::MySql(&mut connection), &filter, key_range, LIMIT);
                let explain = AssertSqlSafe(format!("EXPLAIN FORMAT = TRADITIONAL {select}"));
                let plan = query_with(explain, arguments::<MySql>(values).unwrap());
                let plan = plan.fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else {
                    panic!("{filter:?} {key_range:?}: {} steps", plan.len())
                };
                let (access, key): (String, String) = (step.get("type"), step.get("key"));
                let extra: String = step.get("Extra");
                assert!(["range", "ref"].contains(&&*access), "{filter:?} {key_range:?}: {access}");
                assert!(key.starts_with("IX_REJECTED_MESSAGES_RE"), "{key}");
                assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{filter:?}: {extra}");
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn on_sqlite_every_statement_reads_one_range_of_an_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = filled_sqlite(folder.path().join("mymonit.db").to_str().unwrap()).await;
        for (filter, after) in shapes() {
            for key_range in key_ranges(&filter, after) {
                let (select, values) =
                    select(&Connection::Sqlite(&mut connection), &filter, key_range, LIMIT);
                let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {select}"));
                let plan = query_with(explain, arguments::<Sqlite>(values).unwrap());
                let plan = plan.fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else {
                    panic!("{filter:?} {key_range:?}: {} steps", plan.len())
                };
                let step: String = step.get("detail");
                let (index, reason) = match filter.reason {
                    None => ("RECEIVED", ""),
                    Some(_) => ("REASON", "REASON=? AND "),
                };
                let time = match key_range {
                    KeyRange::Moment { .. } => "RECEIVED_AT=? AND ID<?",
                    KeyRange::Span { .. } => "RECEIVED_AT>? AND RECEIVED_AT<?",
                };
                let expected = format!(
                    "SEARCH REJECTED_MESSAGES USING INDEX IX_REJECTED_MESSAGES_{index} ({reason}{time})"
                );
                assert_eq!(step, expected, "{filter:?} {key_range:?}");
            }
        }
    }

    /// Rows and index entries that the server has read for this connection so far.
    async fn reads(connection: &mut MySqlConnection) -> u64 {
        let status = query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(connection).await.unwrap();
        status.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_reads_no_more_than_it_returns() {
        let mut connection = filled_mysql().await;
        for (filter, after) in shapes() {
            let before = reads(&mut connection).await;
            let page = page(&mut Connection::MySql(&mut connection), &filter, after, LIMIT).await.unwrap();
            assert!(page.messages.len() == 10 && page.has_more, "{filter:?}");
            let cost = reads(&mut connection).await - before;
            // At most the index and the row for each, and one more at the end of each range.
            assert!(cost <= u64::from(LIMIT) * 2 + 6, "{filter:?} {after:?}: {cost} reads");
        }
    }
}
