//! Readings of measures, from rows and blocks.

mod found;
mod merge;
mod reduce;
mod statement;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use futures::{FutureExt, TryStreamExt};
use mymonit_model::{StoredMeasure, Window};
use mymonit_services::ports::{
    Access, Identity, MeasurePosition, MeasureQuery, MeasureStore, ReducedMeasures, StorageError,
};
use shaku::Component;
use sqlx::AssertSqlSafe;

use self::found::{Found, FoundFor};
use self::merge::{Chunk, Wanted, measure_position};
use crate::connection::Connection;
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::Fault;
use crate::flagged_page::{FlaggedPage, NextRead};

/// The most blocks of one statement: some hundred kilobytes.
const MAX_BLOCKS: u32 = 16;
/// Measures of a small block.
const MEASURES_OF_BLOCK: u32 = 2_048;

/// The measures.
#[derive(Component)]
#[shaku(interface = MeasureStore)]
pub struct SqlMeasureStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl MeasureStore for SqlMeasureStore {
    async fn page(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Vec<StoredMeasure>, StorageError> {
        let mut page = FlaggedPage::new(query.clone(), after, limit);
        self.database
            .read(move |mut connection| {
                async move {
                    while let Some(NextRead { query, after, limit }) = page.next_read() {
                        let mut measures = Vec::new();
                        read(&mut connection, &query, after, limit, &mut measures).await?;
                        page.take(measures);
                    }
                    Ok(page.into_measures())
                }
                .boxed()
            })
            .await
    }

    async fn page_for(
        &self,
        identity: &Identity,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        limit: u32,
    ) -> Result<Option<(Access, Vec<StoredMeasure>)>, StorageError> {
        let (query, identity) = (query.clone(), identity.clone());
        self.database
            .read(move |mut connection| {
                async move {
                    let mut page = Vec::new();
                    let read = read_for(&mut connection, &identity, &query, after, limit, &mut page);
                    Ok(read.await?.map(|access| (access, page)))
                }
                .boxed()
            })
            .await
    }

    async fn reduce(
        &self,
        query: &MeasureQuery,
        after: Option<MeasurePosition>,
        window: Window,
    ) -> Result<ReducedMeasures, StorageError> {
        let query = query.clone();
        self.database
            .read(move |mut connection| {
                async move { reduce::reduce(&mut connection, &query, after, window).await }.boxed()
            })
            .await
    }
}

/// Reads on into `page`, until it holds `limit` measures or there are no more.
async fn read(
    connection: &mut Connection<'_>,
    query: &MeasureQuery,
    mut after: Option<MeasurePosition>,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<(), Fault> {
    while let Some(left) = left(limit, page) {
        let blocks = blocks_of(left);
        let selects = statement::page(connection, query, after, None, left.into(), blocks.into());
        if selects.is_empty() {
            return Ok(());
        }
        let (sql, values) = statement::union(connection, selects);
        let mut chunk = Chunk::default();
        let mut found = connection.stream(AssertSqlSafe(sql), values);
        while let Some(found) = found.try_next().await? {
            take(found, query, &mut chunk);
        }
        drop(found);
        match merge(chunk, query, after, (blocks, limit), page)? {
            Some(next) => after = Some(next),
            None => return Ok(()),
        }
    }
    Ok(())
}

/// [`read`], and what the user of that identity may read; `None` without rows.
async fn read_for(
    connection: &mut Connection<'_>,
    identity: &Identity,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    limit: u32,
    page: &mut Vec<StoredMeasure>,
) -> Result<Option<Access>, Fault> {
    let Some(left) = left(limit, page) else { return Ok(None) };
    let blocks = blocks_of(left);
    let selects = statement::page(connection, query, after, Some(identity), left.into(), blocks.into());
    if selects.is_empty() {
        return Ok(None);
    }
    let (sql, values) = statement::union(connection, selects);
    let (mut chunk, mut access) = (Chunk::default(), None);
    let mut found = connection.stream(AssertSqlSafe(sql), values);
    while let Some(FoundFor(found, user)) = found.try_next().await? {
        take(found, query, &mut chunk);
        if access.is_none() {
            access = Some(decode::access(user)?);
        }
    }
    drop(found);
    if access.is_some()
        && let Some(next) = merge(chunk, query, after, (blocks, limit), page)?
    {
        read(connection, query, Some(next), limit, page).await?;
    }
    Ok(access)
}

fn take(found: Found, query: &MeasureQuery, chunk: &mut Chunk) {
    match found {
        Found::Measure(row) => chunk.rows.push(row),
        Found::Block(block) => chunk.blocks.push(block.of(query.experiment_id)),
        Found::Series { .. } => {}
    }
}

/// Appends what the chunk holds, and gives the position after which more may follow.
fn merge(
    chunk: Chunk,
    query: &MeasureQuery,
    after: Option<MeasurePosition>,
    (blocks, limit): (u32, u32),
    page: &mut Vec<StoredMeasure>,
) -> Result<Option<MeasurePosition>, Fault> {
    let (blocks, limit) = (blocks as usize, limit as usize);
    let next = Wanted::new(query, after).merge(chunk, blocks, limit, page)?;
    Ok(next.map(measure_position).transpose()?)
}

/// How many measures the page lacks.
fn left(limit: u32, page: &[StoredMeasure]) -> Option<u32> {
    let left = limit.saturating_sub(u32::try_from(page.len()).unwrap_or(u32::MAX));
    (left > 0).then_some(left)
}

/// How many blocks to ask for: mostly one or two hold a page.
fn blocks_of(measures: u32) -> u32 {
    (2 + measures / MEASURES_OF_BLOCK).min(MAX_BLOCKS)
}
