//! Turns blocks back into rows.

use std::time::Duration;

use futures::FutureExt;
use mymonit_services::ports::StorageError;

use super::sealer::Sealer;
use super::table::{self, StoredBlock};
use super::{Position, Sealed, lease, rows};

impl Sealer {
    /// Turns blocks back into rows, one per transaction. `go_on` gets each block and ends the work
    /// by returning false. Call [`Self::begin`] before.
    ///
    /// # Errors
    /// If the database fails, or a block is broken, which the error names.
    pub async fn unseal(&self, mut go_on: impl AsyncFnMut(Sealed) -> bool) -> Result<(), StorageError> {
        let mut experiment = 0;
        while let Some(next) = self.next_experiment("MEASURE_BLOCKS", experiment).await? {
            experiment = next;
            let mut after = (-1, 0);
            while let Some(block) = self.block_after(experiment, after).await? {
                after = block.first;
                if !go_on(self.unseal_one(block).await?).await {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The first block of the experiment that begins after the position.
    pub(super) async fn block_after(
        &self,
        experiment: u32,
        after: Position,
    ) -> Result<Option<StoredBlock>, StorageError> {
        let block = self.database.read(move |mut connection| {
            async move { table::first_after(&mut connection, experiment, after).await }.boxed()
        });
        block.await
    }

    async fn unseal_one(&self, block: StoredBlock) -> Result<Sealed, StorageError> {
        let holder = self.holder.clone();
        let measures = block.measures()?;
        let unsealed = Sealed { measures: measures.len() as u64, blocks: 1 };
        let written = self.database.transaction(move |mut connection| {
            async move {
                let connection = &mut connection;
                lease::extend(connection, &holder).await?;
                if table::delete(connection, &block).await? {
                    rows::insert(connection, block.experiment, &measures).await?;
                }
                Ok(())
            }
            .boxed()
        });
        written.await.map(|()| unsealed)
    }

    /// Waits for the turn of this process to write blocks.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn wait_to_begin(&self) -> Result<(), StorageError> {
        const POLL: Duration = Duration::from_millis(500);
        while !self.begin().await? {
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}
