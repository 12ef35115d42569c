//! The key ranges of a page in an index ordered by time.

use mymonit_model::Timestamp;
use mymonit_services::ports::{MeasurePosition, MeasureQuery, Order};

/// A range of an index, such as the reading index of one experiment, which one statement reads in
/// order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeyRange {
    /// The rows of one moment that come after the one of that id.
    Moment {
        /// Nanoseconds since the Unix epoch.
        at: i64,
        /// The last row of the previous page.
        beyond: u64,
    },
    /// All rows between two moments, both included.
    Span {
        /// The earlier, in nanoseconds since the Unix epoch.
        from: i64,
        /// The later, in nanoseconds since the Unix epoch.
        to: i64,
    },
}

/// The key ranges that hold what comes strictly after the position `after`, in the query's order.
pub(crate) fn key_ranges(query: &MeasureQuery, after: Option<MeasurePosition>) -> Vec<KeyRange> {
    let after = after.map(|MeasurePosition { timestamp, id }| (timestamp, id.get()));
    key_ranges_between(query.from, query.to, query.order, after)
}

/// The index ranges of rows from the first time until before the second, after the row `after`.
///
/// After a row there are two: the rest of its time, and later times. One condition for both would
/// not be an index range, and pages within one time would read its rows again.
pub(crate) fn key_ranges_between(
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    order: Order,
    after: Option<(Timestamp, u64)>,
) -> Vec<KeyRange> {
    let from = from.map_or(0, Timestamp::unix_nanos);
    // `to` itself is excluded; nothing lies before 1970, so nothing is lost by the subtraction.
    let to = to.map_or(i64::MAX, |to| to.unix_nanos() - 1);
    let Some((moment, beyond)) = after else {
        return span(from, to).into_iter().collect();
    };
    let at = moment.unix_nanos();
    let moment = (from..=to).contains(&at).then_some(KeyRange::Moment { at, beyond });
    let rest = match order {
        Order::Ascending => at.checked_add(1).and_then(|next| span(from.max(next), to)),
        Order::Descending => span(from, to.min(at - 1)),
    };
    moment.into_iter().chain(rest).collect()
}

fn span(from: i64, to: i64) -> Option<KeyRange> {
    (from <= to).then_some(KeyRange::Span { from, to })
}

#[cfg(test)]
mod tests {
    use mymonit_model::{ExperimentId, FlagFilter, MeasureId};

    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    fn query(from: Option<i64>, to: Option<i64>, order: Order) -> MeasureQuery {
        let (from, to) = (from.map(moment), to.map(moment));
        MeasureQuery {
            experiment_id: ExperimentId::new(1),
            from,
            to,
            types: Vec::new(),
            sensors: Vec::new(),
            order,
            flags: FlagFilter::default(),
        }
    }

    fn after(nanos: i64) -> Option<MeasurePosition> {
        Some(MeasurePosition { timestamp: moment(nanos), id: MeasureId::new(7) })
    }

    #[test]
    fn a_first_page_lies_in_one_span_that_excludes_its_end() {
        for order in [Order::Ascending, Order::Descending] {
            let whole = key_ranges(&query(None, None, order), None);
            assert_eq!(whole, [KeyRange::Span { from: 0, to: i64::MAX }]);
            let part = key_ranges(&query(Some(5), Some(9), order), None);
            assert_eq!(part, [KeyRange::Span { from: 5, to: 8 }]);
            for (from, to) in [(5, 5), (9, 5), (0, 0)] {
                assert_eq!(key_ranges(&query(Some(from), Some(to), order), None), []);
            }
        }
    }

    #[test]
    fn a_later_page_lies_in_the_rest_of_a_moment_and_beyond_it() {
        let rest = KeyRange::Moment { at: 6, beyond: 7 };
        let ascending = key_ranges(&query(Some(5), Some(9), Order::Ascending), after(6));
        assert_eq!(ascending, [rest, KeyRange::Span { from: 7, to: 8 }]);
        let descending = key_ranges(&query(Some(5), Some(9), Order::Descending), after(6));
        assert_eq!(descending, [rest, KeyRange::Span { from: 5, to: 5 }]);
    }

    #[test]
    fn positions_at_the_ends_of_time_and_outside_of_the_query_are_handled() {
        let first = KeyRange::Moment { at: 0, beyond: 7 };
        assert_eq!(key_ranges(&query(None, None, Order::Descending), after(0)), [first]);
        let last = KeyRange::Moment { at: i64::MAX, beyond: 7 };
        assert_eq!(key_ranges(&query(None, None, Order::Ascending), after(i64::MAX)), [last]);
        let all = [KeyRange::Span { from: 5, to: 8 }];
        assert_eq!(key_ranges(&query(Some(5), Some(9), Order::Ascending), after(2)), all);
        assert_eq!(key_ranges(&query(Some(5), Some(9), Order::Descending), after(20)), all);
        assert_eq!(key_ranges(&query(Some(5), Some(9), Order::Ascending), after(20)), []);
        assert_eq!(key_ranges(&query(Some(5), Some(9), Order::Descending), after(2)), []);
    }
}
