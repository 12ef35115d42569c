use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use futures::{FutureExt, TryStreamExt};
use mymonit_model::Timestamp;
use mymonit_services::message::{MessageId, Rejection};
use mymonit_services::ports::{
    NewMeasure, RejectedMessage, RejectedMessageFilter, RejectedMessageId, RejectedMessagePosition,
    RejectedMessageStore, RejectedMessages, StorageError,
};
use shaku::Component;
use sqlx::query::Query;
use sqlx::sqlite::SqliteArguments;
use sqlx::{AssertSqlSafe, Connection, FromRow, Sqlite, SqliteConnection, query, query_as, query_scalar};

use super::SqliteDatabase;
use super::ingest::{insert_measures, mark_seen};
use crate::decode::{self, RejectedMessageRow};
use crate::error::Fault;
use crate::ingest_plan::kept_detail;
use crate::measure_range::Stretch;
use crate::rejected_page::{Filling, stretches};

/// The messages that could not be stored, on SQLite. There is one writer at a time, so of several who remove a
/// message one does it, and the others find it gone.
#[derive(Component)]
#[shaku(interface = RejectedMessageStore)]
pub struct SqliteRejectedMessageStore {
    /// Where they are kept.
    database: SqliteDatabase,
}

#[async_trait]
impl RejectedMessageStore for SqliteRejectedMessageStore {
    async fn page(
        &self,
        filter: &RejectedMessageFilter,
        after: Option<RejectedMessagePosition>,
        limit: u32,
    ) -> Result<RejectedMessages, StorageError> {
        let filter = filter.clone();
        self.database
            .read(move |connection| async move { page(connection, &filter, after, limit).await }.boxed())
            .await
    }

    async fn find(&self, id: RejectedMessageId) -> Result<Option<(RejectedMessage, Bytes)>, StorageError> {
        let Some(id) = key(id) else { return Ok(None) };
        self.database.read(move |connection| async move { find(connection, id).await }.boxed()).await
    }

    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError> {
        let Some(id) = key(id) else { return Ok(false) };
        let measures = measures.to_vec();
        self.database
            .write(move |connection| async move { replay(connection, id, &measures).await }.boxed())
            .await
    }

    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError> {
        const REJECT: &str = "UPDATE REJECTED_MESSAGES SET REASON = ?, DETAIL = ? WHERE ID = ?";
        let Some(id) = key(id) else { return Ok(false) };
        let (reason, detail) = (rejection.reason, kept_detail(&rejection.detail).into_owned());
        self.database
            .write(move |connection| {
                async move {
                    let update = query(REJECT).bind(reason.code()).bind(detail).bind(id);
                    Ok(update.execute(connection).await?.rows_affected() > 0)
                }
                .boxed()
            })
            .await
    }

    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError> {
        let Some(id) = key(id) else { return Ok(false) };
        self.database.write(move |connection| async move { discard(connection, id).await }.boxed()).await
    }
}

/// The number as SQLite knows it; one that it cannot hold names nothing.
fn key(id: RejectedMessageId) -> Option<i64> {
    i64::try_from(id.get()).ok()
}

async fn page(
    connection: &mut SqliteConnection,
    filter: &RejectedMessageFilter,
    after: Option<RejectedMessagePosition>,
    limit: u32,
) -> Result<RejectedMessages, Fault> {
    let mut filling = Filling::new(limit);
    for stretch in stretches(filter, after) {
        if filling.is_full() {
            break;
        }
        let limit = filling.rows_to_read();
        let mut rows = bound(statement(filter, stretch), filter, stretch, limit).fetch(&mut *connection);
        while let Some(row) = rows.try_next().await? {
            filling.take(RejectedMessageRow::from_row(&row)?)?;
        }
    }
    Ok(filling.finish())
}

/// Both indexes hold the rows in the order of the page. Being told to use one, SQLite fails rather than read the
/// whole table.
fn statement(filter: &RejectedMessageFilter, stretch: Stretch) -> String {
    let (index, reason) = match filter.reason {
        None => ("IX_REJECTED_MESSAGES_RECEIVED", ""),
        Some(_) => ("IX_REJECTED_MESSAGES_REASON", "REASON = ? AND "),
    };
    let (condition, order) = match stretch {
        Stretch::Moment { .. } => ("RECEIVED_AT = ? AND ID < ?", "ID DESC"),
        Stretch::Span { .. } => ("RECEIVED_AT BETWEEN ? AND ?", "RECEIVED_AT DESC, ID DESC"),
    };
    format!(
        "SELECT ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE \
         FROM REJECTED_MESSAGES INDEXED BY {index} WHERE {reason}{condition} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    filter: &RejectedMessageFilter,
    stretch: Stretch,
    limit: u32,
) -> Query<'static, Sqlite, SqliteArguments> {
    let mut bound = query(AssertSqlSafe(statement));
    if let Some(reason) = filter.reason {
        bound = bound.bind(reason.code());
    }
    match stretch {
        // No id is greater than SQLite's greatest integer.
        Stretch::Moment { at, beyond } => bound.bind(at).bind(i64::try_from(beyond).unwrap_or(i64::MAX)),
        Stretch::Span { from, to } => bound.bind(from).bind(to),
    }
    .bind(limit)
}

async fn find(connection: &mut SqliteConnection, id: i64) -> Result<Option<(RejectedMessage, Bytes)>, Fault> {
    const FIND: &str = "SELECT ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE \
        FROM REJECTED_MESSAGES WHERE ID = ?";
    const BODY: &str =
        "SELECT BODY FROM REJECTED_MESSAGE_BODIES WHERE REJECTED_MESSAGE_ID = ? ORDER BY CHUNK";
    // Within a transaction the message and its body are seen as they are at one moment, though somebody may
    // remove them in between.
    let mut transaction = connection.begin().await?;
    let row = query_as::<_, RejectedMessageRow>(FIND).bind(id).fetch_optional(&mut *transaction).await?;
    let Some(message) = row.map(decode::rejected_message).transpose()? else { return Ok(None) };
    let mut body = BytesMut::with_capacity(usize::try_from(message.size).unwrap_or_default());
    let mut chunks = query_scalar::<_, Vec<u8>>(BODY).bind(id).fetch(&mut *transaction);
    while let Some(chunk) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    drop(chunks);
    transaction.commit().await?;
    decode::whole(message, body.freeze()).map(Some)
}

/// `false` as well if a copy of the message was stored before: that takes somebody who removed its `message-id`
/// past this program, but even then it is not stored twice.
async fn replay(connection: &mut SqliteConnection, id: i64, measures: &[NewMeasure]) -> Result<bool, Fault> {
    let Some(message_id) = remove(connection, id).await? else { return Ok(false) };
    if let Some(message_id) = message_id
        && !mark_seen(connection, &message_id, Timestamp::now().unix_nanos()).await?
    {
        return Ok(false);
    }
    insert_measures(connection, measures.len(), measures.iter()).await?;
    Ok(true)
}

async fn discard(connection: &mut SqliteConnection, id: i64) -> Result<bool, Fault> {
    let Some(message_id) = remove(connection, id).await? else { return Ok(false) };
    if let Some(message_id) = message_id {
        // Unless a copy of it was stored.
        query("DELETE FROM MESSAGE_IDS WHERE MESSAGE_ID = ? AND SEEN_AT IS NULL")
            .bind(message_id.as_bytes())
            .execute(connection)
            .await?;
    }
    Ok(true)
}

/// Removes a message with its body and gives its `message-id`, if it has one; `None` if the message is not there.
async fn remove(connection: &mut SqliteConnection, id: i64) -> Result<Option<Option<MessageId>>, Fault> {
    let removed: Option<Option<Vec<u8>>> =
        query_scalar("DELETE FROM REJECTED_MESSAGES WHERE ID = ? RETURNING MESSAGE_ID")
            .bind(id)
            .fetch_optional(connection)
            .await?;
    Ok(removed.map(|message_id| message_id.and_then(|bytes| MessageId::new(&bytes))))
}

#[cfg(test)]
mod tests {
    use mymonit_services::ports::IngestStore;
    use sqlx::{ConnectOptions, Row};

    use super::*;
    use crate::rejected_shapes::{messages, shapes};
    use crate::sqlite::SqliteIngestStore;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_statement_reads_one_range_of_an_index_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mymonit.db");
        let database = SqliteDatabase::new(file.to_str().unwrap(), 1).unwrap();
        database.prepare().await.unwrap();
        SqliteIngestStore::on(database).commit(&messages()).await.unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
        let mut connection = options.connect().await.unwrap();
        for (filter, after) in shapes() {
            for stretch in stretches(&filter, after) {
                let statement = format!("EXPLAIN QUERY PLAN {}", statement(&filter, stretch));
                let plan = bound(statement, &filter, stretch, 10).fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else { panic!("{filter:?} {stretch:?}: {} steps", plan.len()) };
                let step: String = step.get("detail");
                let (index, reason) = match filter.reason {
                    None => ("RECEIVED", ""),
                    Some(_) => ("REASON", "REASON=? AND "),
                };
                let time = match stretch {
                    Stretch::Moment { .. } => "RECEIVED_AT=? AND ID<?",
                    Stretch::Span { .. } => "RECEIVED_AT>? AND RECEIVED_AT<?",
                };
                let expected = format!(
                    "SEARCH REJECTED_MESSAGES USING INDEX IX_REJECTED_MESSAGES_{index} ({reason}{time})"
                );
                assert_eq!(step, expected, "{filter:?} {stretch:?}");
            }
        }
    }
}
