//! Summaries of the series in a block.

use std::collections::BTreeMap;

use mymonit_model::Summary;

use super::{BlockMeasure, BlockSeries};

/// The measures of one series within a block.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesSummary {
    /// Which series.
    pub series: BlockSeries,
    /// The timestamp of its first measure, in nanoseconds since the Unix epoch.
    pub first: i64,
    /// The timestamp of its last measure.
    pub last: i64,
    /// Its values.
    pub summary: Summary,
}

/// Summarises measures in the order of timestamps, by series.
pub fn summarise(measures: &[BlockMeasure]) -> Vec<SeriesSummary> {
    let mut all = BTreeMap::<BlockSeries, SeriesSummary>::new();
    for measure in measures {
        let BlockMeasure { timestamp, series, value, .. } = *measure;
        let value = Summary::of(value);
        let one = || SeriesSummary { series, first: timestamp, last: timestamp, summary: value };
        let add = |known: &mut SeriesSummary| {
            known.last = timestamp;
            known.summary.merge(&value);
        };
        all.entry(series).and_modify(add).or_insert_with(one);
    }
    all.into_values().collect()
}
