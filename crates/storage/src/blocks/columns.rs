//! Columns of 64-bit numbers, compressed with pco, or one number for a column that repeats it.

use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec, PagingSpec};

use super::BlockError;
use super::bytes::{Reader, put_integer};

/// A column that repeats one number.
const REPEATED: u8 = 0;
/// A chunk of pco with one page.
const COMPRESSED: u8 = 1;

/// Higher levels take longer and save next to nothing.
const LEVEL: usize = 6;

/// A number whose bits a column keeps.
pub(super) trait Cell: Number {
    fn bits(self) -> u64;
    fn from_bits(bits: u64) -> Self;
}

impl Cell for i64 {
    fn bits(self) -> u64 {
        self.cast_unsigned()
    }

    fn from_bits(bits: u64) -> Self {
        bits.cast_signed()
    }
}

impl Cell for u64 {
    fn bits(self) -> u64 {
        self
    }

    fn from_bits(bits: u64) -> Self {
        bits
    }
}

impl Cell for f64 {
    fn bits(self) -> u64 {
        self.to_bits()
    }

    fn from_bits(bits: u64) -> Self {
        Self::from_bits(bits)
    }
}

/// The version of pco's format that this program writes.
pub(super) fn pco_header() -> Result<Vec<u8>, BlockError> {
    FileCompressor::default().write_header(Vec::new()).map_err(column_error)
}

/// Timestamps grow within a series by about the same amount; to name that halves the time.
pub(super) fn timestamps() -> ChunkConfig {
    config(ModeSpec::Auto, DeltaSpec::TryConsecutive(1))
}

/// Ids grow within a series.
pub(super) fn ids() -> ChunkConfig {
    config(ModeSpec::Classic, DeltaSpec::TryConsecutive(1))
}

/// Nothing is known of values.
pub(super) fn values() -> ChunkConfig {
    config(ModeSpec::Auto, DeltaSpec::Auto)
}

fn config(mode: ModeSpec, delta: DeltaSpec) -> ChunkConfig {
    ChunkConfig::default().with_compression_level(LEVEL).with_mode_spec(mode).with_delta_spec(delta)
}

/// Appends a column that is not empty.
pub(super) fn put_column<T: Cell>(
    data: &mut Vec<u8>,
    numbers: &[T],
    config: ChunkConfig,
) -> Result<(), BlockError> {
    let first = numbers.first().ok_or(BlockError::Invalid("a column is empty"))?.bits();
    if numbers.iter().all(|number| number.bits() == first) {
        data.push(REPEATED);
        data.extend(first.to_le_bytes());
        return Ok(());
    }
    let config = config.with_paging_spec(PagingSpec::Exact(vec![numbers.len()]));
    let mut chunk = FileCompressor::default().chunk_compressor(numbers, &config).map_err(column_error)?;
    let mut compressed = chunk.write_meta(Vec::new()).map_err(column_error)?;
    compressed = chunk.write_page(0, compressed).map_err(column_error)?;
    data.push(COMPRESSED);
    put_integer(data, compressed.len() as u64);
    data.append(&mut compressed);
    Ok(())
}

/// A column that [`put_column`] wrote, not decompressed yet.
pub(super) enum Column<'a> {
    Repeated(u64),
    Compressed(&'a [u8]),
}

impl<'a> Column<'a> {
    pub(super) fn read(data: &mut Reader<'a>) -> Result<Self, BlockError> {
        match data.byte()? {
            REPEATED => {
                let bits = data.take(8)?.try_into().map_err(|_| BlockError::Invalid("a column is short"))?;
                Ok(Self::Repeated(u64::from_le_bytes(bits)))
            }
            COMPRESSED => {
                let length = data.integer()?;
                Ok(Self::Compressed(data.take(length)?))
            }
            _ => Err(BlockError::Invalid("a column has an unknown kind")),
        }
    }

    /// The numbers; `pco` has read the header of the block.
    pub(super) fn numbers<T: Cell>(
        &self,
        pco: &FileDecompressor,
        count: usize,
    ) -> Result<Vec<T>, BlockError> {
        let compressed = match self {
            Self::Repeated(bits) => return Ok(vec![T::from_bits(*bits); count]),
            Self::Compressed(compressed) => *compressed,
        };
        let mut numbers = vec![T::from_bits(0); count];
        let (mut chunk, rest) = pco.chunk_decompressor::<T, _>(compressed).map_err(column_error)?;
        let mut page = chunk.page_decompressor(rest, count).map_err(column_error)?;
        let progress = page.read(&mut numbers).map_err(column_error)?;
        if progress.n_processed != count || !progress.finished || !page.into_src().is_empty() {
            return Err(BlockError::Invalid("a column has another length"));
        }
        Ok(numbers)
    }
}

/// Reads the version of pco's format.
pub(super) fn pco_reader(data: &mut Reader<'_>) -> Result<FileDecompressor, BlockError> {
    let (pco, rest) = FileDecompressor::new(data.0).map_err(column_error)?;
    data.0 = rest;
    Ok(pco)
}

fn column_error(error: pco::errors::PcoError) -> BlockError {
    BlockError::Column(error.to_string())
}
