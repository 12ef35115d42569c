//! Turns rows of MEASURES into blocks.
//!
//! Each step reads measures, makes a block of them, and writes it in one transaction, in which as
//! many rows must go as the block holds. A step that another process disturbs is done again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::FutureExt;
use mymonit_model::Timestamp;
use mymonit_services::ports::StorageError;
use uuid::Uuid;

use super::packing::{NewBlock, Packed, even_blocks, first_block};
use super::rows::{self, Rows};
use super::table::{self, StoredBlock};
use super::{BlockError, BlockMeasure, MAX_MEASURES, Position, lease};
use crate::database::DatabaseHandle;
use crate::error::cause;

/// A guess, for the first block of an experiment.
const FIRST_SIZE: usize = 4_096;
/// Bytes of a block that is written again when more measures follow it.
const SMALL: usize = 4_000;
/// Late measures that make it worthwhile to write a block again.
const REWRITE_THRESHOLD: u32 = 512;
/// How many of them are read at once.
const MAX_LATE_READ: usize = 65_536;
/// Steps in a row that other writers may disturb.
const MAX_CONFLICTS: u32 = 20;

/// What is sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealRange {
    /// Measures with earlier timestamps.
    pub before: Timestamp,
    /// Whether to make small blocks, too.
    pub extent: SealExtent,
}

/// How much of a range is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SealExtent {
    /// Measures that fill blocks, and late measures if there are many.
    Full,
    /// Also measures that do not fill a block.
    Rest,
    /// Also late measures, of any number.
    Everything,
}

/// What has been sealed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sealed {
    /// Rows that became part of blocks.
    pub measures: u64,
    /// Blocks that were written.
    pub blocks: u64,
}

/// Writes blocks, in one process at a time.
pub struct Sealer {
    pub(super) database: Arc<dyn DatabaseHandle>,
    pub(super) holder: String,
    limit: usize,
}

impl Sealer {
    /// A sealer of that database.
    pub fn new(database: Arc<dyn DatabaseHandle>) -> Self {
        Self { database, holder: Uuid::new_v4().to_string(), limit: MAX_MEASURES }
    }

    /// The same, whose blocks have at most that many measures.
    pub fn limited_to(self, measures: usize) -> Self {
        Self { limit: measures.clamp(1, MAX_MEASURES), ..self }
    }

    /// Whether this process may write blocks now. It may until [`Self::end`], or until another one
    /// has begun because this one has not written for a minute.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn begin(&self) -> Result<bool, StorageError> {
        lease::take(&*self.database, &self.holder).await
    }

    /// Lets other processes write blocks.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn end(&self) -> Result<(), StorageError> {
        lease::release(&*self.database, &self.holder).await
    }

    /// Seals the range. `go_on` gets each step and ends the work by returning false. Call
    /// [`Self::begin`] before.
    ///
    /// # Errors
    /// If the database fails, or if a block that late measures belong to is broken.
    pub async fn seal(
        &self,
        range: SealRange,
        mut go_on: impl AsyncFnMut(Sealed) -> bool,
    ) -> Result<(), StorageError> {
        let mut experiment = 0;
        while let Some(next) = self.next_experiment("MEASURES", experiment).await? {
            experiment = next;
            let mut walk = Walk::new();
            // Boxed here and below, since a thread's stack is too small for all of it.
            while let Some(step) = Box::pin(self.step(experiment, range, &mut walk)).await? {
                if step.blocks > 0 && !go_on(step).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    pub(super) async fn next_experiment(
        &self,
        table: &'static str,
        after: u32,
    ) -> Result<Option<u32>, StorageError> {
        let next = self.database.read(move |mut connection| {
            async move { table::next_experiment(&mut connection, table, after).await }.boxed()
        });
        next.await
    }

    /// Seals the next measures of the experiment, or skips them; `None` at the end.
    async fn step(
        &self,
        experiment: u32,
        range: SealRange,
        walk: &mut Walk,
    ) -> Result<Option<Sealed>, StorageError> {
        let end = (range.before.unix_nanos(), 0);
        let Some(place) = self.place(experiment, walk.position, end).await? else { return Ok(None) };
        let sealed = match place.block {
            Some(block) if block.last > place.first => Box::pin(self.add_late(block, range, walk)).await?,
            block => {
                let end = place.next.map_or(end, |next| next.min(end));
                Box::pin(self.fill(experiment, place.first, end, block, range, walk)).await?
            }
        };
        Ok(Some(sealed))
    }

    /// Where the next row is.
    async fn place(
        &self,
        experiment: u32,
        after: Position,
        end: Position,
    ) -> Result<Option<Place>, StorageError> {
        let place = self.database.read(move |mut connection| {
            async move {
                let connection = &mut connection;
                let Some(first) = rows::first_after(connection, experiment, after, end).await? else {
                    return Ok(None);
                };
                let block = table::last_from(connection, experiment, first).await?;
                let next = table::first_after(connection, experiment, first).await?;
                Ok(Some(Place { first, block, next: next.map(|next| next.first) }))
            }
            .boxed()
        });
        place.await
    }

    /// Makes a block of the rows between two blocks, and of the block before if that is small.
    async fn fill(
        &self,
        experiment: u32,
        first: Position,
        end: Position,
        before: Option<StoredBlock>,
        range: SealRange,
        walk: &mut Walk,
    ) -> Result<Sealed, StorageError> {
        let is_small = |block: &StoredBlock| {
            block.data.len() < SMALL && (block.count as usize) < self.limit.min(FIRST_SIZE)
        };
        let small = before.filter(is_small);
        let mut measures = small.as_ref().map(StoredBlock::measures).transpose()?.unwrap_or_default();
        let known = measures.len();
        let rows = self.rows(experiment, first, end, walk.size).await?;
        let is_all = rows.len() < walk.size;
        measures.extend(rows);
        let size = if is_all { measures.len() } else { walk.size.max(known + 1) };
        let limit = self.limit;
        let Packed { block, fitting, is_full } =
            blocking(move || first_block(&measures, size, limit)).await?;
        if !is_full && (!is_all || range.extent == SealExtent::Full) {
            match is_all {
                true => walk.position = end,
                false => walk.size = fitting,
            }
            return Ok(Sealed::default());
        }
        walk.size = fitting;
        let count = usize::try_from(block.count).unwrap_or(usize::MAX).saturating_sub(known);
        if count == 0 {
            // The small block and one row more are too large for one.
            return Box::pin(self.fill(experiment, first, end, None, range, walk)).await;
        }
        let last = block.last;
        let removed = Rows { first, last, count };
        let sealed = self.write(experiment, small.into_iter().collect(), removed, vec![block]).await?;
        walk.note(sealed)?;
        if sealed.blocks > 0 {
            walk.position = last;
        }
        Ok(sealed)
    }

    /// Rewrites a block with the rows that have arrived within it, if there are many.
    async fn add_late(
        &self,
        block: StoredBlock,
        range: SealRange,
        walk: &mut Walk,
    ) -> Result<Sealed, StorageError> {
        let end = (block.last.0, block.last.1.saturating_add(1)).min((range.before.unix_nanos(), 0));
        let rows = self.rows(block.experiment, block.first, end, MAX_LATE_READ).await?;
        let is_any_enough = range.extent == SealExtent::Everything;
        let enough = if is_any_enough { 1 } else { REWRITE_THRESHOLD.min(block.count.div_ceil(8)) };
        let ends = rows.first().zip(rows.last()).filter(|_| rows.len() as u64 >= u64::from(enough));
        let Some((first, last)) = ends else {
            walk.position = block.last;
            return Ok(Sealed::default());
        };
        let removed = Rows { first: first.position(), last: last.position(), count: rows.len() };
        let mut measures = block.measures()?;
        measures.extend(rows);
        measures.sort_by_key(BlockMeasure::position);
        let limit = self.limit;
        let blocks = blocking(move || even_blocks(&measures, limit)).await?;
        let sealed = self.write(block.experiment, vec![block], removed, blocks).await?;
        walk.note(sealed)?;
        Ok(sealed)
    }

    async fn rows(
        &self,
        experiment: u32,
        first: Position,
        end: Position,
        limit: usize,
    ) -> Result<Vec<BlockMeasure>, StorageError> {
        let rows = self.database.read(move |mut connection| {
            async move { rows::read(&mut connection, experiment, first, end, limit).await }.boxed()
        });
        rows.await
    }

    /// Puts blocks in the place of blocks and rows, in one transaction. Nothing is written, nor
    /// given, if any of them has changed.
    async fn write(
        &self,
        experiment: u32,
        replaced: Vec<StoredBlock>,
        removed: Rows,
        blocks: Vec<NewBlock>,
    ) -> Result<Sealed, StorageError> {
        let holder = self.holder.clone();
        let sealed = Sealed { measures: removed.count as u64, blocks: blocks.len() as u64 };
        let changed = Arc::new(AtomicBool::new(false));
        let noted = changed.clone();
        let written = self.database.transaction(move |mut connection| {
            async move {
                let connection = &mut connection;
                lease::extend(connection, &holder).await?;
                let mut is_unchanged = rows::delete(connection, experiment, removed).await?;
                for block in &replaced {
                    is_unchanged &= table::delete(connection, block).await?;
                }
                if !is_unchanged {
                    noted.store(true, Ordering::Release);
                    return Err(StorageError::Unavailable(cause("the measures have changed")).into());
                }
                table::insert(connection, experiment, blocks).await
            }
            .boxed()
        });
        match written.await {
            Err(_) if changed.load(Ordering::Acquire) => Ok(Sealed::default()),
            written => written.map(|()| sealed),
        }
    }
}

/// How far the sealing of an experiment has come.
struct Walk {
    /// The next rows come after it.
    position: Position,
    /// How many measures are expected to fill a block.
    size: usize,
    /// The number of consecutive steps in which measures have changed.
    disturbed: u32,
}

impl Walk {
    const fn new() -> Self {
        Self { position: (-1, 0), size: FIRST_SIZE, disturbed: 0 }
    }

    fn note(&mut self, sealed: Sealed) -> Result<(), StorageError> {
        self.disturbed = if sealed.blocks > 0 { 0 } else { self.disturbed + 1 };
        if self.disturbed > MAX_CONFLICTS {
            return Err(StorageError::Unavailable(cause("measures change faster than they can be sealed")));
        }
        Ok(())
    }
}

/// The position of the next row of an experiment.
struct Place {
    first: Position,
    /// The last block that begins before it.
    block: Option<StoredBlock>,
    /// Where the next block begins.
    next: Option<Position>,
}

/// CPU-bound work of some milliseconds.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, BlockError> + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|error| StorageError::Internal(cause(error.to_string())))?;
    done.map_err(|error| StorageError::Internal(cause(format!("a block cannot be made: {error}"))))
}
