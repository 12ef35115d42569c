//! From measures to the data of a block and back.

use super::bytes::{Reader, put_integer};
use super::columns::{self, Column, pco_header, pco_reader, put_column};
use super::{BlockError, BlockMeasure, BlockSeries};

/// The version of the format that this program writes.
pub const VERSION: u8 = 1;

/// How many measures a block may hold.
pub const MAX_MEASURES: usize = 131_072;

/// Compresses measures in any order; returns the data and their CRC-32.
///
/// # Errors
/// If there are no measures or more than [`MAX_MEASURES`].
pub fn encode(measures: &[BlockMeasure]) -> Result<(Vec<u8>, u32), BlockError> {
    if measures.is_empty() || measures.len() > MAX_MEASURES {
        return Err(BlockError::Invalid("there are none, or too many measures"));
    }
    let mut sorted = measures.to_vec();
    sorted.sort_by_key(|measure| (measure.series, measure.position()));
    let mut data = vec![VERSION];
    data.append(&mut pco_header()?);
    put_series(&mut data, &sorted);
    let timestamps: Vec<_> = sorted.iter().map(|measure| measure.timestamp).collect();
    put_column(&mut data, &timestamps, columns::timestamps())?;
    let ids: Vec<_> = sorted.iter().map(|measure| measure.id).collect();
    put_column(&mut data, &ids, columns::ids())?;
    let values: Vec<_> = sorted.iter().map(|measure| measure.value).collect();
    put_column(&mut data, &values, columns::values())?;
    let crc = crc32fast::hash(&data);
    Ok((data, crc))
}

/// The measures of a block in the order of timestamps and ids.
///
/// # Errors
/// If the data are not those that [`encode`] gave with this CRC.
pub fn decode(data: &[u8], crc: u32) -> Result<Vec<BlockMeasure>, BlockError> {
    let found = crc32fast::hash(data);
    if found != crc {
        return Err(BlockError::Checksum { expected: crc, found });
    }
    let mut data = Reader(data);
    let version = data.byte()?;
    if version != VERSION {
        return Err(BlockError::Version(version));
    }
    let pco = pco_reader(&mut data)?;
    let series = read_series(&mut data)?;
    let count = series.iter().map(|(_, count)| count).sum();
    let [timestamps, ids, values] =
        [Column::read(&mut data)?, Column::read(&mut data)?, Column::read(&mut data)?];
    if !data.0.is_empty() {
        return Err(BlockError::Invalid("bytes follow the last column"));
    }
    let timestamps = timestamps.numbers::<i64>(&pco, count)?;
    let ids = ids.numbers::<u64>(&pco, count)?;
    let values = values.numbers::<f64>(&pco, count)?;
    let columns = timestamps.into_iter().zip(ids).zip(values);
    let of_series = series.into_iter().flat_map(|(series, count)| std::iter::repeat_n(series, count));
    let measure = |(((timestamp, id), value), series)| BlockMeasure { timestamp, id, series, value };
    let mut measures: Vec<_> = columns.zip(of_series).map(measure).collect();
    // A stable sort merges the series, each of which is in order.
    measures.sort_by_key(BlockMeasure::position);
    Ok(measures)
}

/// The series, each with how many measures follow.
fn put_series(data: &mut Vec<u8>, sorted: &[BlockMeasure]) {
    let runs = || sorted.chunk_by(|one, other| one.series == other.series);
    put_integer(data, runs().count() as u64);
    let mut sensor = 0;
    for run in runs() {
        let Some(BlockMeasure { series, .. }) = run.first() else { continue };
        put_integer(data, (series.sensor - sensor).into());
        put_integer(data, series.measure_type.into());
        put_integer(data, run.len() as u64);
        sensor = series.sensor;
    }
}

fn read_series(data: &mut Reader<'_>) -> Result<Vec<(BlockSeries, usize)>, BlockError> {
    let count: usize = data.integer()?;
    let mut series = Vec::with_capacity(count.min(MAX_MEASURES));
    let (mut sensor, mut total) = (0_u32, 0_usize);
    for _ in 0..count {
        sensor = sensor.checked_add(data.integer()?).ok_or(BlockError::Invalid("a sensor is too large"))?;
        let next = BlockSeries { sensor, measure_type: data.integer()? };
        let measures: usize = data.integer()?;
        total = total.saturating_add(measures);
        if total > MAX_MEASURES || measures == 0 {
            return Err(BlockError::Invalid("a series has no measures, or there are too many"));
        }
        if series.last().is_some_and(|(last, _)| *last >= next) {
            return Err(BlockError::Invalid("the series are not in order"));
        }
        series.push((next, measures));
    }
    if series.is_empty() {
        return Err(BlockError::Invalid("there are no series"));
    }
    Ok(series)
}
