use std::time::Duration;

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
use sqlx::mysql::MySqlArguments;
use sqlx::query::Query;
use sqlx::{
    AssertSqlSafe, Connection, Executor, FromRow, MySql, MySqlConnection, query, query_as, query_scalar,
};
use tokio::time::sleep;

use super::ingest::{insert_measures, mark_seen};
use super::{MySqlDatabase, errors};
use crate::decode::{self, RejectedMessageRow};
use crate::error::Fault;
use crate::ingest_plan::kept_detail;
use crate::measure_range::Stretch;
use crate::rejected_page::{Filling, stretches};

/// How often a removal is tried that runs against deliveries of the same message: each time one of them has
/// committed or given way, so this many in a row are no chance any more.
const ATTEMPTS: u32 = 20;

/// The messages that could not be stored, on MySQL.
///
/// Whoever removes one locks its row first and its `message-id` second, here and when a delivery supersedes it:
/// so of several who try, one does it, the others find it gone, and none waits for the other crosswise.
#[derive(Component)]
#[shaku(interface = RejectedMessageStore)]
pub struct MySqlRejectedMessageStore {
    /// Where they are kept.
    database: MySqlDatabase,
}

#[async_trait]
impl RejectedMessageStore for MySqlRejectedMessageStore {
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
        self.database.read(move |connection| async move { find(connection, id).await }.boxed()).await
    }

    async fn replay(&self, id: RejectedMessageId, measures: &[NewMeasure]) -> Result<bool, StorageError> {
        let measures = measures.to_vec();
        self.remove(id, Removal::Replay(measures)).await
    }

    async fn reject_again(&self, id: RejectedMessageId, rejection: &Rejection) -> Result<bool, StorageError> {
        const REJECT: &str = "UPDATE REJECTED_MESSAGES SET REASON = ?, DETAIL = ? WHERE ID = ?";
        let (reason, detail) = (rejection.reason, kept_detail(&rejection.detail).into_owned());
        self.database
            .write(move |connection| {
                async move {
                    let update = query(REJECT).bind(reason.code()).bind(detail).bind(id.get());
                    Ok(update.execute(connection).await?.rows_affected() > 0)
                }
                .boxed()
            })
            .await
    }

    async fn discard(&self, id: RejectedMessageId) -> Result<bool, StorageError> {
        self.remove(id, Removal::Discard).await
    }
}

impl MySqlRejectedMessageStore {
    async fn remove(&self, id: RejectedMessageId, removal: Removal) -> Result<bool, StorageError> {
        self.database
            .write(move |connection| async move { remove(connection, id, &removal).await }.boxed())
            .await
    }
}

/// Why a message is removed.
enum Removal {
    /// Its measures are stored.
    Replay(Vec<NewMeasure>),
    /// Nobody wants it.
    Discard,
}

async fn page(
    connection: &mut MySqlConnection,
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

/// Both indexes hold the rows in the order of the page. Without being told, the optimizer sometimes prefers to
/// read the whole table and sort it.
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
         FROM REJECTED_MESSAGES FORCE INDEX ({index}) WHERE {reason}{condition} ORDER BY {order} LIMIT ?"
    )
}

/// The statement with its values.
fn bound(
    statement: String,
    filter: &RejectedMessageFilter,
    stretch: Stretch,
    limit: u32,
) -> Query<'static, MySql, MySqlArguments> {
    let mut bound = query(AssertSqlSafe(statement));
    if let Some(reason) = filter.reason {
        bound = bound.bind(reason.code());
    }
    match stretch {
        Stretch::Moment { at, beyond } => bound.bind(at).bind(beyond),
        Stretch::Span { from, to } => bound.bind(from).bind(to),
    }
    .bind(limit)
}

async fn find(
    connection: &mut MySqlConnection,
    id: RejectedMessageId,
) -> Result<Option<(RejectedMessage, Bytes)>, Fault> {
    const FIND: &str = "SELECT ID, REASON, DETAIL, RECEIVED_AT, MESSAGE_ID, PROPERTIES, SIZE \
        FROM REJECTED_MESSAGES WHERE ID = ?";
    const BODY: &str =
        "SELECT BODY FROM REJECTED_MESSAGE_BODIES WHERE REJECTED_MESSAGE_ID = ? ORDER BY CHUNK";
    // The next transaction sees the message and its body as they are at one moment, though somebody may remove
    // them in between.
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    let mut transaction = connection.begin_with("START TRANSACTION READ ONLY").await?;
    let row =
        query_as::<_, RejectedMessageRow>(FIND).bind(id.get()).fetch_optional(&mut *transaction).await?;
    let Some(message) = row.map(decode::rejected_message).transpose()? else { return Ok(None) };
    let mut body = BytesMut::with_capacity(usize::try_from(message.size).unwrap_or_default());
    let mut chunks = query_scalar::<_, Vec<u8>>(BODY).bind(id.get()).fetch(&mut *transaction);
    while let Some(chunk) = chunks.try_next().await? {
        body.extend_from_slice(&chunk);
    }
    drop(chunks);
    transaction.commit().await?;
    decode::whole(message, body.freeze()).map(Some)
}

async fn remove(
    connection: &mut MySqlConnection,
    id: RejectedMessageId,
    removal: &Removal,
) -> Result<bool, Fault> {
    for attempt in 1..ATTEMPTS {
        match attempt_removal(connection, id, removal).await {
            Err(Fault::Sql(error)) if errors::is_deadlock(&error) => {
                sleep(Duration::from_millis(u64::from(attempt))).await;
            }
            ended => return ended,
        }
    }
    attempt_removal(connection, id, removal).await
}

/// One transaction; dropping it without a commit rolls it back.
async fn attempt_removal(
    connection: &mut MySqlConnection,
    id: RejectedMessageId,
    removal: &Removal,
) -> Result<bool, Fault> {
    const LOCK: &str = "SELECT MESSAGE_ID FROM REJECTED_MESSAGES WHERE ID = ? FOR UPDATE";
    let mut transaction = connection.begin().await?;
    let row: Option<Option<Vec<u8>>> =
        query_scalar(LOCK).bind(id.get()).fetch_optional(&mut *transaction).await?;
    let Some(message_id) = row else { return Ok(false) };
    let message_id = message_id.and_then(|bytes| MessageId::new(&bytes));
    // Its body goes with it.
    query("DELETE FROM REJECTED_MESSAGES WHERE ID = ?").bind(id.get()).execute(&mut *transaction).await?;
    let is_done = match removal {
        Removal::Replay(measures) => store(&mut transaction, message_id.as_ref(), measures).await?,
        Removal::Discard => forget(&mut transaction, message_id.as_ref()).await.map(|()| true)?,
    };
    transaction.commit().await?;
    Ok(is_done)
}

/// Stores the measures of a message that has just been removed. `false`, and nothing is stored, if a copy of it
/// was stored before: that takes somebody who removed its `message-id` past this program, but even then it is not
/// stored twice.
async fn store(
    connection: &mut MySqlConnection,
    message_id: Option<&MessageId>,
    measures: &[NewMeasure],
) -> Result<bool, Fault> {
    if let Some(message_id) = message_id
        && !mark_seen(connection, message_id, Timestamp::now().unix_nanos()).await?
    {
        return Ok(false);
    }
    insert_measures(connection, measures.len(), measures.iter()).await?;
    Ok(true)
}

/// Forgets the `message-id` of a message that has just been removed, unless a copy of it was stored.
async fn forget(connection: &mut MySqlConnection, message_id: Option<&MessageId>) -> Result<(), Fault> {
    if let Some(message_id) = message_id {
        query("DELETE FROM MESSAGE_IDS WHERE MESSAGE_ID = ? AND SEEN_AT IS NULL")
            .bind(message_id.as_bytes())
            .execute(connection)
            .await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use mymonit_model::Faceted;
    use mymonit_services::ports::IngestStore;
    use mymonit_test_support::MySqlServer;
    use sqlx::Row;

    use super::*;
    use crate::mysql::MySqlIngestStore;
    use crate::rejected_shapes::{messages, shapes};

    const LIMIT: u32 = 10;

    /// A connection to a database with rejected messages in it.
    async fn filled() -> MySqlConnection {
        let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
        let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap().patient();
        database.prepare().await.unwrap();
        MySqlIngestStore::on(database).commit(&messages()).await.unwrap();
        MySqlConnection::connect(&url).await.unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn every_statement_reads_one_range_of_an_index_in_order() {
        let mut connection = filled().await;
        for (filter, after) in shapes() {
            for stretch in stretches(&filter, after) {
                let statement = format!("EXPLAIN FORMAT = TRADITIONAL {}", statement(&filter, stretch));
                let plan =
                    bound(statement, &filter, stretch, LIMIT).fetch_all(&mut connection).await.unwrap();
                let [step] = plan.as_slice() else { panic!("{filter:?} {stretch:?}: {} steps", plan.len()) };
                let (access, key): (String, String) = (step.get("type"), step.get("key"));
                let extra: String = step.get("Extra");
                assert!(["range", "ref"].contains(&&*access), "{filter:?} {stretch:?}: {access}");
                assert!(key.starts_with("IX_REJECTED_MESSAGES_RE"), "{key}");
                assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{filter:?}: {extra}");
            }
        }
    }

    /// What the server has read for this connection so far, in rows and index entries.
    async fn reads(connection: &mut MySqlConnection) -> u64 {
        let status = query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(connection).await.unwrap();
        status.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_page_reads_no_more_than_it_returns() {
        let mut connection = filled().await;
        for (filter, after) in shapes() {
            let before = reads(&mut connection).await;
            let page = page(&mut connection, &filter, after, LIMIT).await.unwrap();
            assert!(page.messages.len() == 10 && page.has_more, "{filter:?}");
            let cost = reads(&mut connection).await - before;
            // At most the index and the row for each, and one more at the end of each stretch.
            assert!(cost <= u64::from(LIMIT) * 2 + 6, "{filter:?} {after:?}: {cost} reads");
        }
    }
}
