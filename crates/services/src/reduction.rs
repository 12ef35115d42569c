//! Reducing measures to bins (specification §5, `max_points` and `window`).
//!
//! The rows are those of an ordinary reading, in its order, and are summed up here and not in the database: the
//! databases round sums as they go, each in its own way, and could give no deviation that holds for great numbers
//! with small differences. Here every bin is exact, and the same from each database, in either order.

mod exact_sum;
mod summary;

use mymonit_model::{MeasureTypeId, StoredMeasure, Timestamp, Window};

use self::summary::Summary;
use crate::ports::Order;

/// How a reading is reduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reduction {
    /// To bins of that width.
    Window(Window),
    /// To at most so many bins of each measure type.
    MaxPoints(u32),
}

/// The widths to choose from for a number of points: round ones, so that the bins stay where they are while
/// somebody zooms and pans. In days they go on in steps of 1, 2 and 5.
const SECONDS: [u64; 18] =
    [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400];
const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// All widths to choose from, the narrowest first. The last one holds all of time in one bin.
fn round_widths() -> impl Iterator<Item = Window> {
    let steps = |first: u64, decades: u32| {
        (0..decades).flat_map(move |decade| [1, 2, 5].map(|step| first * step * 10_u64.pow(decade)))
    };
    let days = steps(86_400 * NANOS_PER_SECOND, 5).skip(1);
    let seconds = SECONDS.map(|seconds| seconds * NANOS_PER_SECOND);
    steps(1, 9).chain(seconds).chain(days).filter_map(Window::from_nanos).chain([Window::ALL_TIME])
}

/// The narrowest round width that divides the time from the one moment to the other, both included, into at
/// most `points` bins.
pub(crate) fn width_for(points: u32, first: Timestamp, last: Timestamp) -> Window {
    let steps = u64::from(points.max(1)) - 1;
    let is_enough = |width: &Window| width.index_of(last) - width.index_of(first) <= steps;
    round_widths().find(is_enough).unwrap_or(Window::ALL_TIME)
}

/// The measures of one type within one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bin {
    /// The first moment of the bin.
    pub(crate) start: Timestamp,
    pub(crate) measure_type: MeasureTypeId,
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) mean: f64,
    pub(crate) std: f64,
}

/// Makes bins of measures that come in the order of time, ascending or descending. Bins come in the same order, and
/// those of one start in that of the measure types' ids, ascending or descending likewise.
#[derive(Debug)]
pub(crate) struct Reducer {
    window: Window,
    order: Order,
    /// The bins of one start: the measures that come next may still belong to them.
    open: Option<(Timestamp, Vec<(MeasureTypeId, Summary)>)>,
}

impl Reducer {
    pub(crate) const fn new(window: Window, order: Order) -> Self {
        Self { window, order, open: None }
    }

    /// Takes measures in, and appends the bins that are complete by then.
    pub(crate) fn take(&mut self, measures: &[StoredMeasure], bins: &mut Vec<Bin>) {
        for measure in measures {
            self.take_one(measure, bins);
        }
    }

    fn take_one(&mut self, measure: &StoredMeasure, bins: &mut Vec<Bin>) {
        let start = self.window.start_of(measure.timestamp);
        if self.open.as_ref().is_some_and(|(open, _)| *open != start) {
            self.finish(bins);
        }
        let (_, types) = self.open.get_or_insert_with(|| (start, Vec::new()));
        let value = measure.value.get();
        match types.iter_mut().find(|(known, _)| *known == measure.measure_type) {
            Some((_, summary)) => summary.add(value),
            None => types.push((measure.measure_type, Summary::of(value))),
        }
    }

    /// Appends the last bins, after the last measure.
    pub(crate) fn finish(&mut self, bins: &mut Vec<Bin>) {
        let Some((start, mut types)) = self.open.take() else { return };
        types.sort_unstable_by_key(|(measure_type, _)| *measure_type);
        if self.order == Order::Descending {
            types.reverse();
        }
        bins.extend(types.into_iter().map(|(measure_type, mut summary)| {
            let (mean, std) = summary.mean_and_std();
            let (count, min, max) = (summary.count(), summary.min(), summary.max());
            Bin { start, measure_type, count, min, max, mean, std }
        }));
    }
}

#[cfg(test)]
mod tests {
    use mymonit_model::{MeasureId, MeasureValue};

    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    fn width(points: u32, first: i64, last: i64) -> String {
        width_for(points, moment(first), moment(last)).to_string()
    }

    fn measure(nanos: i64, measure_type: u16, value: f64) -> StoredMeasure {
        StoredMeasure {
            id: MeasureId::new(1),
            measure_type: MeasureTypeId::new(measure_type),
            timestamp: moment(nanos),
            value: MeasureValue::new(value).unwrap(),
        }
    }

    fn reduced(nanos: u64, order: Order, measures: &[StoredMeasure]) -> Vec<(i64, u16, u64, f64)> {
        let mut reducer = Reducer::new(Window::from_nanos(nanos).unwrap(), order);
        let mut bins = Vec::new();
        reducer.take(measures, &mut bins);
        reducer.finish(&mut bins);
        bins.into_iter()
            .map(|bin| (bin.start.unix_nanos(), bin.measure_type.get(), bin.count, bin.mean))
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
        // Ten seconds that begin in the middle of a bin of two lie in six of those.
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
    fn no_measures_are_no_bins() {
        assert_eq!(reduced(1, Order::Ascending, &[]), []);
    }
}
