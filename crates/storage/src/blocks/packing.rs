//! Which measures go into one block.

use std::collections::BTreeSet;

use super::{BlockError, BlockMeasure, MAX_MEASURES, Position, SeriesSummary, decode, encode, summarise};

/// Bytes of a block's data, and how many measures it may have. A page decodes whole blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Budget {
    pub(crate) bytes: usize,
    pub(crate) measures: usize,
}

impl Budget {
    /// A row of up to 8,000 bytes shares a page of InnoDB with another one; larger ones fill pages
    /// of 16 kB. A summary takes about 110 bytes, so more series need larger blocks.
    pub(crate) fn of(measures: &[BlockMeasure], limit: usize) -> Self {
        let series: BTreeSet<_> = measures.iter().map(|measure| measure.series).collect();
        let (bytes, measures) = match series.len() {
            0..=8 => (8_000, 16_384),
            9..=64 => (16_300, 32_768),
            _ => (65_200, MAX_MEASURES),
        };
        Self { bytes, measures: limit.min(measures) }
    }
}

/// A block to be written.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewBlock {
    pub(crate) first: Position,
    pub(crate) last: Position,
    pub(crate) count: u32,
    pub(crate) crc: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) series: Vec<SeriesSummary>,
}

/// Makes a block of measures in the order of timestamps and ids, decodes it again and compares.
fn block_of(measures: &[BlockMeasure]) -> Result<NewBlock, BlockError> {
    let (data, crc) = encode(measures)?;
    let is_equal = decode(&data, crc)? == measures;
    let (Some(first), Some(last), true) = (measures.first(), measures.last(), is_equal) else {
        return Err(BlockError::Invalid("decoded measures differ from the encoded ones"));
    };
    Ok(NewBlock {
        first: first.position(),
        last: last.position(),
        count: u32::try_from(measures.len()).map_err(|_| BlockError::Invalid("there are too many"))?,
        crc,
        data,
        series: summarise(measures),
    })
}

/// A block of the first of some measures.
pub(crate) struct Packed {
    pub(crate) block: NewBlock,
    /// About how many measures fill a block.
    pub(crate) fitting: usize,
    /// Whether it is about as large as it may be.
    pub(crate) is_full: bool,
}

/// Makes a block of the first `size` measures, or of fewer if they are too large for one.
pub(crate) fn first_block(
    measures: &[BlockMeasure],
    size: usize,
    limit: usize,
) -> Result<Packed, BlockError> {
    let budget = Budget::of(measures, limit);
    let most = budget.measures.min(measures.len());
    let mut count = size.clamp(1, most);
    loop {
        let block = block_of(&measures[..count])?;
        let bytes = block.data.len();
        // Growth is limited, since the ratio of small blocks is a poor estimate for large ones.
        let fitting = (count * budget.bytes / bytes * 97 / 100).clamp(1, (count * 4).min(budget.measures));
        if bytes <= budget.bytes || count == 1 {
            let is_cut = count < size.min(measures.len());
            let is_full = is_cut || count == budget.measures || bytes * 10 >= budget.bytes * 7;
            return Ok(Packed { block, fitting: fitting.max(64), is_full });
        }
        count = fitting.min(count - 1);
    }
}

/// Blocks of about the same size that hold all the measures.
pub(crate) fn even_blocks(measures: &[BlockMeasure], limit: usize) -> Result<Vec<NewBlock>, BlockError> {
    let budget = Budget::of(measures, limit);
    let mut parts = measures.len().div_ceil(budget.measures).max(1);
    loop {
        let size = measures.len().div_ceil(parts).max(1);
        let blocks: Vec<_> = measures.chunks(size).map(block_of).collect::<Result<_, _>>()?;
        if size == 1 || blocks.iter().all(|block| block.data.len() <= budget.bytes) {
            return Ok(blocks);
        }
        let bytes: usize = blocks.iter().map(|block| block.data.len()).sum();
        parts = (parts + 1).max(bytes.div_ceil(budget.bytes));
    }
}
