//! Reads all blocks and names the damaged ones.

use futures::FutureExt;
use mymonit_services::ports::StorageError;

use super::sealer::Sealer;
use super::table::{self, StoredBlock};
use super::{BlockError, summarise};

/// What a verification has found.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// Blocks that were read.
    pub blocks: u64,
    /// Measures in the blocks that are right.
    pub measures: u64,
    /// The errors of the others.
    pub broken: Vec<String>,
}

impl Sealer {
    /// Decodes all blocks and compares their rows and summaries. Blocks may be written meanwhile.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn verify(&self) -> Result<Verified, StorageError> {
        let mut verified = Verified::default();
        let mut experiment = 0;
        while let Some(next) = self.next_experiment("MEASURE_BLOCKS", experiment).await? {
            experiment = next;
            let (mut after, mut end) = ((-1, 0), (-1, 0));
            while let Some(block) = self.block_after(experiment, after).await? {
                after = block.first;
                verified.blocks += 1;
                match self.check(&block).await? {
                    Ok(_) if block.first <= end => {
                        verified.broken.push(format!("{block}: it overlaps the one before"));
                    }
                    Ok(measures) => verified.measures += measures,
                    Err(reason) => verified.broken.push(reason),
                }
                end = block.last.max(end);
            }
        }
        Ok(verified)
    }

    /// The number of measures of the block, or its error.
    async fn check(&self, block: &StoredBlock) -> Result<Result<u64, String>, StorageError> {
        let measures = match block.measures() {
            Ok(measures) => measures,
            Err(StorageError::Internal(cause)) => return Ok(Err(cause.to_string())),
            Err(error) => return Err(error),
        };
        let expected = summarise(&measures);
        let (experiment, first) = (block.experiment, block.first);
        let found = self.database.read(move |mut connection| {
            async move { table::series(&mut connection, experiment, first).await }.boxed()
        });
        if found.await? == expected {
            return Ok(Ok(measures.len() as u64));
        }
        // It may have been rewritten since.
        let still = self.block_after(experiment, (first.0, first.1.wrapping_sub(1))).await?;
        if still.as_ref() != Some(block) {
            return Ok(Ok(measures.len() as u64));
        }
        Ok(Err(format!("{block}: {}", BlockError::Invalid("its summaries do not describe them"))))
    }
}
