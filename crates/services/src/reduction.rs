//! Reduces measures to bins. This is not done in SQL, since each engine rounds sums differently.

use std::collections::BTreeMap;

use mymonit_model::{MeasureTypeId, SensorId, Summary, Timestamp, Window};

use crate::ports::{Order, SummaryOfBin};

/// How a reading is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// To bins of this width.
    Window(Window),
    /// To at most this many bins of each series.
    MaxPoints(u32),
}

/// The widths from a second to a day that are chosen for a number of points. They are round, so
/// that bins keep their edges while a plot is zoomed.
const SECONDS: [u64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// All widths to choose from, the narrowest first. A bin of the last one covers all timestamps.
fn round_widths() -> impl Iterator<Item = Window> {
    let steps = |first: u64, decades: u32| {
        (0..decades).flat_map(move |decade| [1, 2, 5].map(|step| first * step * 10_u64.pow(decade)))
    };
    let days = steps(86_400 * NANOS_PER_SECOND, 5).skip(1);
    let seconds = SECONDS.map(|seconds| seconds * NANOS_PER_SECOND);
    steps(1, 9).chain(seconds).chain(days).filter_map(Window::from_nanos).chain([Window::ALL_TIME])
}

/// The narrowest round width that divides the time from `first` to `last`, both included, into at
/// most `points` bins.
pub(crate) fn width_for(points: u32, first: Timestamp, last: Timestamp) -> Window {
    let steps = u64::from(points.max(1)) - 1;
    let is_enough = |width: &Window| width.index_of(last) - width.index_of(first) <= steps;
    round_widths().find(is_enough).unwrap_or(Window::ALL_TIME)
}

/// The measures of one series within one bin of time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bin {
    /// The first moment of the bin, a multiple of its width since the Unix epoch.
    pub start: Timestamp,
    /// The measure type.
    pub measure_type: MeasureTypeId,
    /// The sensor, if there is one.
    pub sensor: Option<SensorId>,
    /// The measures between the reading's `from` and `to`.
    pub summary: Summary,
}

/// Makes bins of parts of bins, which come in the order of their starts, ascending or descending.
/// Bins come in the same order, and those of one start in the same order of [`SeriesKey`]s.
#[derive(Debug)]
pub(crate) struct Reducer {
    order: Order,
    /// The bins of one start, to which the next parts may belong.
    open: Option<(Timestamp, BTreeMap<SeriesKey, Summary>)>,
}

/// What distinguishes the bins of one start, in their order.
pub(crate) type SeriesKey = (MeasureTypeId, Option<SensorId>);

impl Bin {
    /// The series.
    pub(crate) const fn series(&self) -> SeriesKey {
        (self.measure_type, self.sensor)
    }
}

impl Reducer {
    pub(crate) const fn new(order: Order) -> Self {
        Self { order, open: None }
    }

    /// Takes a part in, and appends the bins that are complete.
    pub(crate) fn take(&mut self, part: SummaryOfBin, bins: &mut Vec<Bin>) {
        let SummaryOfBin { start, measure_type, sensor, summary } = part;
        if self.open.as_ref().is_some_and(|(open, _)| *open != start) {
            self.finish(bins);
        }
        let (_, series) = self.open.get_or_insert_with(|| (start, BTreeMap::new()));
        let merge = |known: &mut Summary| known.merge(&summary);
        series.entry((measure_type, sensor)).and_modify(merge).or_insert(summary);
    }

    /// Appends the last bins, after the last measure.
    pub(crate) fn finish(&mut self, bins: &mut Vec<Bin>) {
        let Some((start, series)) = self.open.take() else { return };
        let series = series.into_iter();
        let bin = |((measure_type, sensor), summary)| Bin { start, measure_type, sensor, summary };
        match self.order {
            Order::Ascending => bins.extend(series.map(bin)),
            Order::Descending => bins.extend(series.rev().map(bin)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    fn width(points: u32, first: i64, last: i64) -> String {
        width_for(points, moment(first), moment(last)).to_string()
    }

    /// One measure.
    fn measure(nanos: i64, measure_type: u16, value: f64) -> SummaryOfBin {
        SummaryOfBin {
            start: moment(nanos),
            measure_type: MeasureTypeId::new(measure_type),
            sensor: None,
            summary: Summary::of(value),
        }
    }

    fn reduced(nanos: u64, order: Order, measures: &[SummaryOfBin]) -> Vec<(i64, u16, u64, f64)> {
        let window = Window::from_nanos(nanos).unwrap();
        let mut reducer = Reducer::new(order);
        let mut bins = Vec::new();
        for measure in measures {
            let start = window.start_of(measure.start);
            reducer.take(SummaryOfBin { start, ..*measure }, &mut bins);
        }
        reducer.finish(&mut bins);
        bins.into_iter()
            .map(|Bin { start, measure_type, summary, .. }| {
                (start.unix_nanos(), measure_type.get(), summary.count(), summary.mean())
            })
            .collect()
    }

    #[test]
    fn widths_are_round_and_grow_until_one_bin_holds_all_of_time() {
        let widths: Vec<_> = round_widths().collect();
        assert!(widths.is_sorted_by(|one, two| one < two));
        assert!(widths.windows(2).all(|pair| pair[1].nanos() / 5 <= pair[0].nanos() / 2 + 1), "{widths:?}");
        assert_eq!(widths[0].nanos(), 1);
        assert_eq!(widths.last().unwrap().end_of(moment(0)), None);
    }

    #[test]
    fn the_narrowest_width_that_gives_few_enough_bins_is_taken() {
        let second = 1_000_000_000;
        assert_eq!(width(10, 0, 9 * second), "1s");
        assert_eq!(width(9, 0, 9 * second), "2s");
        // Ten seconds that begin in the middle of a two-second bin overlap six bins.
        assert_eq!(width(5, second, 10 * second), "5s");
        assert_eq!(width(6, second, 10 * second), "2s");
        assert_eq!(width(1_000, 0, 7 * second), "10ms");
        assert_eq!(width(1_000, 0, 365 * 86_400 * second), "43200s");
        assert_eq!(width(10, 0, 365 * 86_400 * second), "4320000s");
        assert_eq!(width(1, 5, 5), "1ns");
        assert_eq!(width(1, 0, i64::MAX), "9999999999s");
        assert_eq!(width(100_000, 0, i64::MAX), "172800s");
    }

    #[test]
    fn bins_are_aligned_and_hold_each_type_by_itself() {
        let measures = [measure(9, 2, 1.0), measure(10, 1, 2.0), measure(19, 1, 4.0), measure(19, 3, 5.0)];
        let ascending = reduced(10, Order::Ascending, &measures);
        assert_eq!(ascending, [(0, 2, 1, 1.0), (10, 1, 2, 3.0), (10, 3, 1, 5.0)]);
    }

    #[test]
    fn descending_is_the_exact_reverse_of_ascending() {
        let mut measures: Vec<_> =
            (0..100).map(|number| measure(number, u16::try_from(number * 7 % 5).unwrap() + 1, 0.1)).collect();
        let mut ascending = reduced(7, Order::Ascending, &measures);
        measures.reverse();
        ascending.reverse();
        assert_eq!(reduced(7, Order::Descending, &measures), ascending);
    }

    #[test]
    fn bins_of_one_start_come_by_type_then_without_a_sensor_then_by_sensor() {
        let keys = [(2, 0), (1, 7), (1, 0), (2, 3), (1, 3)];
        let mut reducer = Reducer::new(Order::Ascending);
        let mut bins = Vec::new();
        for (kind, sensor) in keys {
            let part = SummaryOfBin { sensor: SensorId::new(sensor), ..measure(1, kind, 1.0) };
            reducer.take(part, &mut bins);
        }
        reducer.finish(&mut bins);
        let found: Vec<_> =
            bins.iter().map(|bin| (bin.measure_type.get(), SensorId::or_zero(bin.sensor))).collect();
        assert_eq!(found, [(1, 0), (1, 3), (1, 7), (2, 0), (2, 3)]);
    }

    #[test]
    fn no_measures_are_no_bins() {
        assert_eq!(reduced(1, Order::Ascending, &[]), []);
    }
}
