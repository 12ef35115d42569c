//! A page of the measures that a filter of flags keeps.

use mymonit_model::{StoredMeasure, Timestamp};
use mymonit_services::ports::{MeasurePosition, MeasureQuery, Order};

/// Measures of the second read of a page, unless more are missing: enough for a few flagged ones.
/// Each further read doubles, since small ones would pass slowly through many flagged measures.
const SECOND_READ: u32 = 64;
const MAX_READ: u32 = 4_000;

/// Returns what to read until enough measures are kept. Times that flags cover are skipped.
pub(crate) struct FlaggedPage {
    query: MeasureQuery,
    after: Option<MeasurePosition>,
    limit: u32,
    /// Measures of the current read.
    size: u32,
    /// The least number of measures of the next read; none for the first.
    least: u32,
    has_more: bool,
    kept: Vec<StoredMeasure>,
}

/// The first `limit` measures of the query after a position, flagged or not.
pub(crate) struct NextRead {
    pub(crate) query: MeasureQuery,
    pub(crate) after: Option<MeasurePosition>,
    pub(crate) limit: u32,
}

impl FlaggedPage {
    pub(crate) fn new(query: MeasureQuery, after: Option<MeasurePosition>, limit: u32) -> Self {
        Self { query, after, limit, size: 0, least: 0, has_more: true, kept: Vec::new() }
    }

    /// What to read next; `None` once the page is full or the query at its end.
    pub(crate) fn next_read(&mut self) -> Option<NextRead> {
        let missing =
            self.limit.checked_sub(u32::try_from(self.kept.len()).ok()?).filter(|count| *count > 0)?;
        if !self.has_more {
            return None;
        }
        if !self.query.flags.keeps_all() {
            self.skip()?;
        }
        self.size = missing.max(self.least);
        self.least = (self.least * 2).clamp(SECOND_READ, MAX_READ);
        Some(NextRead { query: self.query.clone(), after: self.after, limit: self.size })
    }

    /// Continues where a measure may be kept; `None` if there is no such time.
    fn skip(&mut self) -> Option<()> {
        let is_descending = self.query.order == Order::Descending;
        let after = self.after.map(|after| after.timestamp);
        let at = if is_descending {
            let last = self.query.to.map_or(i64::MAX, |to| to.unix_nanos() - 1);
            let last = Timestamp::from_unix_nanos(last)?;
            after.map_or(last, |after| after.min(last))
        } else {
            let first = self.query.from.unwrap_or(Timestamp::UNIX_EPOCH);
            after.map_or(first, |after| after.max(first))
        };
        let resumed = self.query.flags.resume(at, is_descending)?;
        if resumed != at {
            self.after = None;
            if is_descending {
                self.query.to = Timestamp::from_unix_nanos(resumed.unix_nanos() + 1);
            } else {
                self.query.from = Some(resumed);
            }
        }
        Some(())
    }

    /// Takes what was read of the last [`NextRead`].
    pub(crate) fn take(&mut self, measures: Vec<StoredMeasure>) {
        self.has_more = measures.len() >= self.size as usize;
        self.after = measures.last().map(MeasurePosition::from).or(self.after);
        if self.kept.is_empty() && self.query.flags.keeps_all() {
            self.kept = measures;
            return;
        }
        let left = (self.limit as usize).saturating_sub(self.kept.len());
        let flags = &self.query.flags;
        self.kept.extend(measures.into_iter().filter(|measure| flags.keeps(measure)).take(left));
    }

    pub(crate) fn into_measures(self) -> Vec<StoredMeasure> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use mymonit_model::{
        ExperimentId, FlagFilter, FlagRange, Flagged, MeasureId, MeasureTypeId, MeasureValue,
    };

    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    /// Measures at each of the times, three at one, and how many reads their page took.
    fn page(filter: FlagFilter, order: Order, times: i64, limit: u32) -> (Vec<(i64, u64)>, usize) {
        let query = MeasureQuery {
            experiment_id: ExperimentId::new(1),
            from: None,
            to: None,
            types: Vec::new(),
            sensors: Vec::new(),
            order,
            flags: filter,
        };
        let mut stored: Vec<_> = (0..times)
            .flat_map(|nanos| (0..3).map(move |number| (nanos, nanos.unsigned_abs() * 3 + number)))
            .map(|(nanos, id)| StoredMeasure {
                id: MeasureId::new(id),
                measure_type: MeasureTypeId::new(1),
                sensor: None,
                timestamp: moment(nanos),
                value: MeasureValue::new(0.0).unwrap(),
            })
            .collect();
        let is_descending = order == Order::Descending;
        if is_descending {
            stored.reverse();
        }
        let mut page = FlaggedPage::new(query, None, limit);
        let mut reads = 0;
        while let Some(NextRead { query, after, limit }) = page.next_read() {
            reads += 1;
            let is_asked_for = |measure: &&StoredMeasure| {
                let position = MeasurePosition::from(*measure);
                query.from.is_none_or(|from| measure.timestamp >= from)
                    && query.to.is_none_or(|to| measure.timestamp < to)
                    && after
                        .is_none_or(|after| if is_descending { position < after } else { position > after })
            };
            page.take(stored.iter().filter(is_asked_for).take(limit as usize).copied().collect());
        }
        let kept = page.into_measures();
        (kept.iter().map(|each| (each.timestamp.unix_nanos(), each.id.get())).collect(), reads)
    }

    fn all_but(flagged: Flagged, spans: &[(i64, i64)]) -> FlagFilter {
        let range = |(from, to): &(i64, i64)| FlagRange::new(moment(*from), moment(*to), None, None).unwrap();
        FlagFilter::new(flagged, &spans.iter().map(range).collect::<Vec<_>>(), &[], &[])
    }

    #[test]
    fn a_page_without_flags_is_one_reading() {
        for flagged in [Flagged::Exclude, Flagged::Include] {
            let (measures, reads) = page(all_but(flagged, &[]), Order::Ascending, 100, 7);
            assert_eq!((measures.len(), reads), (7, 1));
        }
        let (measures, reads) = page(all_but(Flagged::Only, &[]), Order::Ascending, 100, 7);
        assert_eq!((measures.len(), reads), (0, 0));
    }

    #[test]
    fn a_page_is_filled_and_skips_flagged_ranges() {
        for order in [Order::Ascending, Order::Descending] {
            let wide = all_but(Flagged::Exclude, &[(10, 90_000)]);
            let (measures, reads) = page(wide, order, 90_010, 40);
            assert_eq!(measures.len(), 40, "{order:?}");
            assert!(measures.iter().all(|(nanos, _)| !(10..90_000).contains(nanos)));
            assert!(measures.is_sorted_by(|one, other| match order {
                Order::Ascending => one < other,
                Order::Descending => one > other,
            }));
            assert_eq!(reads, 2, "{order:?}");
            let (measures, reads) = page(all_but(Flagged::Exclude, &[(0, 90_000)]), order, 90_000, 40);
            assert!(measures.is_empty() && reads <= 1, "{order:?}: {reads}");
        }
    }

    #[test]
    fn flagged_measures_alone_are_read_from_their_spans() {
        for order in [Order::Ascending, Order::Descending] {
            let spans = [(10, 11), (80_000, 80_002)];
            let (mut measures, reads) = page(all_but(Flagged::Only, &spans), order, 90_010, 40);
            measures.sort_unstable();
            let times: Vec<_> = measures.iter().map(|(nanos, _)| *nanos).collect();
            assert_eq!(times, [10, 10, 10, 80_000, 80_000, 80_000, 80_001, 80_001, 80_001], "{order:?}");
            assert!(reads <= 4, "{order:?}: {reads}");
        }
    }
}
