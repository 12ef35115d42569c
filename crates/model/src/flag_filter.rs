use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use crate::{FlagRange, MeasureTypeId, SensorId, StoredMeasure, Timestamp};

/// Which measures to read by whether they are flagged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flagged {
    /// Those that are not.
    #[default]
    Exclude,
    /// All.
    Include,
    /// Those that are.
    Only,
}

impl Flagged {
    /// The name in the REST API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Exclude => "exclude",
            Self::Include => "include",
            Self::Only => "only",
        }
    }
}

/// Decides for each measure of one query whether it is kept. Clones are cheap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FlagFilter {
    flagged: Flagged,
    marked: Arc<Marked>,
}

/// The flagged times of one query.
#[derive(Debug, PartialEq, Eq, Default)]
struct Marked {
    /// Of every sensor and type.
    all: Spans,
    by_sensor: HashMap<Option<SensorId>, Spans>,
    by_type: HashMap<MeasureTypeId, Spans>,
    by_series: HashMap<(MeasureTypeId, Option<SensorId>), Spans>,
    /// No measure of the query outside these spans is flagged.
    touching: Spans,
    /// All measures of the query inside these spans are flagged.
    covering: Spans,
}

/// With more sensors and types in a query, only flags of all series count as covering it.
const MAX_COVERED_SERIES: usize = 16;

impl FlagFilter {
    /// The filter of a query for these types and sensors, where an empty list means all.
    pub fn new(
        flagged: Flagged,
        ranges: &[FlagRange],
        types: &[MeasureTypeId],
        sensors: &[Option<SensorId>],
    ) -> Self {
        if flagged == Flagged::Include || ranges.is_empty() {
            return Self { flagged, marked: Arc::default() };
        }
        let is_asked_for = |range: &&FlagRange| {
            range.sensor.is_none_or(|sensor| sensors.is_empty() || sensors.contains(&sensor))
                && range.measure_type.is_none_or(|kind| types.is_empty() || types.contains(&kind))
        };
        let ranges: Vec<_> = ranges.iter().filter(is_asked_for).copied().collect();
        let marked = Marked {
            all: Spans::of(
                ranges.iter().filter(|range| range.sensor.is_none() && range.measure_type.is_none()),
            ),
            by_sensor: grouped(&ranges, |range| range.sensor.filter(|_| range.measure_type.is_none())),
            by_type: grouped(&ranges, |range| range.measure_type.filter(|_| range.sensor.is_none())),
            by_series: grouped(&ranges, |range| range.measure_type.zip(range.sensor)),
            touching: Spans::of(&ranges),
            covering: covering(&ranges, types, sensors),
        };
        Self { flagged, marked: Arc::new(marked) }
    }

    /// What is asked for.
    pub const fn flagged(&self) -> Flagged {
        self.flagged
    }

    /// Whether every measure is kept.
    pub fn keeps_all(&self) -> bool {
        match self.flagged {
            Flagged::Exclude => self.marked.touching.0.is_empty(),
            Flagged::Include => true,
            Flagged::Only => false,
        }
    }

    /// Whether a measure of the query is kept.
    pub fn keeps(&self, measure: &StoredMeasure) -> bool {
        match self.flagged {
            Flagged::Exclude => !self.is_flagged(measure),
            Flagged::Include => true,
            Flagged::Only => self.is_flagged(measure),
        }
    }

    fn is_flagged(&self, measure: &StoredMeasure) -> bool {
        let StoredMeasure { measure_type, sensor, timestamp, .. } = *measure;
        let at = timestamp.unix_nanos();
        let marked = &*self.marked;
        marked.touching.at(at).is_some()
            && (marked.covering.at(at).is_some()
                || marked.of(measure_type, sensor).any(|spans| spans.at(at).is_some()))
    }

    /// Times in nanoseconds since the Unix epoch, from the first, inclusive, to the second,
    /// exclusive. No measure of the query outside of them is flagged. Of more than `max`,
    /// neighbours become one.
    pub fn touching(&self, max: usize) -> impl Iterator<Item = (i64, i64)> {
        let spans = &self.marked.touching.0;
        let size = spans.len().div_ceil(max).max(1);
        spans.chunks(size).filter_map(|group| Some((group.first()?.0, group.last()?.1)))
    }

    /// The first time from `at` on, or with `descending` the last one up to `at`, that may have
    /// measures that are kept.
    pub fn resume(&self, at: Timestamp, descending: bool) -> Option<Timestamp> {
        let nanos = at.unix_nanos();
        let (covering, touching) = (&self.marked.covering, &self.marked.touching);
        let resumed = match (self.flagged, descending) {
            (Flagged::Include, _) => Some(nanos),
            (Flagged::Exclude, false) => Some(covering.at(nanos).map_or(nanos, |(_, to)| to)),
            (Flagged::Exclude, true) => Some(covering.at(nanos).map_or(nanos, |(from, _)| from - 1)),
            (Flagged::Only, _) if touching.at(nanos).is_some() => Some(nanos),
            (Flagged::Only, false) => touching.after(nanos).map(|(from, _)| from),
            (Flagged::Only, true) => touching.before(nanos).map(|(_, to)| to - 1),
        };
        resumed.and_then(Timestamp::from_unix_nanos)
    }
}

impl Marked {
    /// The flagged times of a series.
    fn of(&self, measure_type: MeasureTypeId, sensor: Option<SensorId>) -> impl Iterator<Item = &Spans> {
        let narrower = [
            self.by_sensor.get(&sensor),
            self.by_type.get(&measure_type),
            self.by_series.get(&(measure_type, sensor)),
        ];
        [Some(&self.all)].into_iter().chain(narrower).flatten()
    }
}

fn grouped<K: Eq + Hash>(ranges: &[FlagRange], key: impl Fn(&FlagRange) -> Option<K>) -> HashMap<K, Spans> {
    let mut groups = HashMap::<K, Vec<&FlagRange>>::new();
    for range in ranges {
        if let Some(key) = key(range) {
            groups.entry(key).or_default().push(range);
        }
    }
    groups.into_iter().map(|(key, ranges)| (key, Spans::of(ranges))).collect()
}

/// The times at which all series of those types and sensors are flagged.
fn covering(ranges: &[FlagRange], types: &[MeasureTypeId], sensors: &[Option<SensorId>]) -> Spans {
    let is_of = |range: &&FlagRange, kind: Option<MeasureTypeId>, sensor: Option<Option<SensorId>>| {
        range.measure_type.is_none_or(|own| Some(own) == kind)
            && range.sensor.is_none_or(|own| Some(own) == sensor)
    };
    if types.len().max(1) * sensors.len().max(1) > MAX_COVERED_SERIES {
        return Spans::of(ranges.iter().filter(|range| is_of(range, None, None)));
    }
    let (types, sensors) = (each_or_all(types), each_or_all(sensors));
    let series = types.iter().flat_map(|kind| sensors.iter().map(move |sensor| (*kind, *sensor)));
    let spans =
        series.map(|(kind, sensor)| Spans::of(ranges.iter().filter(|range| is_of(range, kind, sensor))));
    spans.reduce(|one, other| one.intersection(&other)).unwrap_or_default()
}

/// The items, or `None` where an empty list means all.
fn each_or_all<T: Copy>(items: &[T]) -> Vec<Option<T>> {
    if items.is_empty() { vec![None] } else { items.iter().copied().map(Some).collect() }
}

/// Times in nanoseconds since the Unix epoch, ascending, that neither overlap nor touch each other:
/// from the first, inclusive, to the second, exclusive.
#[derive(Debug, PartialEq, Eq, Default)]
struct Spans(Vec<(i64, i64)>);

impl Spans {
    fn of<'a>(ranges: impl IntoIterator<Item = &'a FlagRange>) -> Self {
        let nanos = |range: &FlagRange| (range.from.unix_nanos(), range.to.unix_nanos());
        let mut spans: Vec<_> = ranges.into_iter().map(nanos).collect();
        spans.sort_unstable();
        spans.dedup_by(|(from, to), (_, end)| {
            let joins = *from <= *end;
            if joins {
                *end = (*end).max(*to);
            }
            joins
        });
        Self(spans)
    }

    /// How many spans begin at that time or before.
    fn begun(&self, at: i64) -> usize {
        self.0.partition_point(|(from, _)| *from <= at)
    }

    /// The span that holds the time.
    fn at(&self, at: i64) -> Option<(i64, i64)> {
        self.before(at).filter(|(_, to)| at < *to)
    }

    /// The last span that begins at that time or before.
    fn before(&self, at: i64) -> Option<(i64, i64)> {
        self.0.get(self.begun(at).checked_sub(1)?).copied()
    }

    /// The first span that begins after that time.
    fn after(&self, at: i64) -> Option<(i64, i64)> {
        self.0.get(self.begun(at)).copied()
    }

    fn intersection(&self, other: &Self) -> Self {
        let (mut one, mut two) = (self.0.iter().peekable(), other.0.iter().peekable());
        let mut common = Vec::new();
        while let (Some((from, to)), Some((other_from, other_to))) = (one.peek(), two.peek()) {
            let (start, end) = (*from.max(other_from), *to.min(other_to));
            if start < end {
                common.push((start, end));
            }
            if to < other_to {
                one.next()
            } else {
                two.next()
            };
        }
        Self(common)
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::option;
    use proptest::prelude::*;

    use super::*;
    use crate::{MeasureId, MeasureValue};

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    fn any_sensor() -> impl Strategy<Value = Option<SensorId>> {
        (0..3_u32).prop_map(SensorId::new)
    }

    fn any_type() -> impl Strategy<Value = MeasureTypeId> {
        (1..4_u16).prop_map(MeasureTypeId::new)
    }

    fn any_range() -> impl Strategy<Value = FlagRange> {
        (0..40_i64, 1..10_i64, option::of(any_sensor()), option::of(any_type())).prop_map(
            |(from, width, sensor, kind)| {
                FlagRange::new(moment(from), moment(from + width), sensor, kind).unwrap()
            },
        )
    }

    fn any_flagged() -> impl Strategy<Value = Flagged> {
        prop_oneof![Just(Flagged::Exclude), Just(Flagged::Include), Just(Flagged::Only)]
    }

    fn measure(nanos: i64, measure_type: MeasureTypeId, sensor: Option<SensorId>) -> StoredMeasure {
        let value = MeasureValue::new(1.0).unwrap();
        StoredMeasure { id: MeasureId::new(1), measure_type, sensor, timestamp: moment(nanos), value }
    }

    /// As the definition of a flag says.
    fn is_flagged(ranges: &[FlagRange], measure: &StoredMeasure) -> bool {
        ranges.iter().any(|range| {
            (range.from..range.to).contains(&measure.timestamp)
                && range.sensor.is_none_or(|sensor| sensor == measure.sensor)
                && range.measure_type.is_none_or(|kind| kind == measure.measure_type)
        })
    }

    const END: i64 = 55;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn a_measure_is_kept_exactly_if_its_flags_say_so(
            flagged in any_flagged(),
            ranges in vec(any_range(), 0..12),
            types in vec(any_type(), 0..3),
            sensors in vec(any_sensor(), 0..3),
        ) {
            let filter = FlagFilter::new(flagged, &ranges, &types, &sensors);
            // All measures of the query, by time.
            let kinds: Vec<_> = (1..4).map(MeasureTypeId::new).filter(|each| types.is_empty() || types.contains(each)).collect();
            let places: Vec<_> = (0..3).map(SensorId::new).filter(|each| sensors.is_empty() || sensors.contains(each)).collect();
            let at = |nanos| kinds.iter().flat_map({
                let places = &places;
                move |kind| places.iter().map(move |sensor| measure(nanos, *kind, *sensor))
            });
            let expected = |measure: &StoredMeasure| match flagged {
                Flagged::Exclude => !is_flagged(&ranges, measure),
                Flagged::Include => true,
                Flagged::Only => is_flagged(&ranges, measure),
            };
            for nanos in 0..END {
                for measure in at(nanos) {
                    prop_assert_eq!(filter.keeps(&measure), expected(&measure), "{:?}", measure);
                    prop_assert!(expected(&measure) || !filter.keeps_all());
                }
                // No kept measure is between a time and the point where reading resumes.
                for (descending, rest) in [(false, nanos..END), (true, 0..nanos + 1)] {
                    let resumed = filter.resume(moment(nanos), descending).map(Timestamp::unix_nanos);
                    let is_skipped = |nanos: &i64| resumed.is_none_or(|at| if descending { *nanos > at } else { *nanos < at });
                    let skips_one = rest.filter(is_skipped).flat_map(at).any(|measure| expected(&measure));
                    let turns_back = resumed.is_some_and(|at| if descending { at > nanos } else { at < nanos });
                    prop_assert!(!skips_one && !turns_back, "{} {}", nanos, descending);
                }
            }
        }

        #[test]
        fn flagged_measures_lie_in_the_times_that_flags_touch(
            ranges in vec(any_range(), 0..12),
            max in 1..5_usize,
            kind in any_type(),
            sensor in any_sensor(),
        ) {
            let filter = FlagFilter::new(Flagged::Exclude, &ranges, &[], &[]);
            let times: Vec<_> = filter.touching(max).collect();
            prop_assert!(times.len() <= max && times.is_sorted());
            for nanos in 0..END {
                let is_inside = times.iter().any(|(from, to)| (*from..*to).contains(&nanos));
                prop_assert!(is_inside || !is_flagged(&ranges, &measure(nanos, kind, sensor)));
            }
        }
    }

    #[test]
    fn reading_skips_entirely_flagged_ranges() {
        let range = |from, to, sensor, kind: Option<u16>| {
            FlagRange::new(moment(from), moment(to), sensor, kind.map(MeasureTypeId::new)).unwrap()
        };
        let (one, other) = (SensorId::new(1), SensorId::new(2));
        let ranges =
            [range(0, 10, None, None), range(10, 20, Some(one), None), range(15, 30, Some(other), None)];
        let resumed = |flagged, sensors: &[_], at, descending| {
            let filter = FlagFilter::new(flagged, &ranges, &[], sensors);
            filter.resume(moment(at), descending).map(Timestamp::unix_nanos)
        };
        assert_eq!(resumed(Flagged::Exclude, &[], 5, false), Some(10));
        assert_eq!(resumed(Flagged::Exclude, &[], 5, true), None);
        assert_eq!(resumed(Flagged::Exclude, &[one], 5, false), Some(20));
        assert_eq!(resumed(Flagged::Exclude, &[one, other], 16, false), Some(20));
        assert_eq!(resumed(Flagged::Exclude, &[one, other], 16, true), Some(14));
        assert_eq!(resumed(Flagged::Only, &[other], 12, false), Some(15));
        assert_eq!(resumed(Flagged::Only, &[other], 12, true), Some(9));
        assert_eq!(resumed(Flagged::Only, &[other], 30, false), None);
        assert_eq!(resumed(Flagged::Include, &[], 5, false), Some(5));
        // Of too many series, only what all flags of all series cover.
        let many: Vec<_> = (0..20).map(SensorId::new).collect();
        assert_eq!(resumed(Flagged::Exclude, &many, 5, false), Some(10));
    }

    #[test]
    fn the_end_of_time_is_handled() {
        let range = FlagRange::new(moment(0), moment(i64::MAX), None, None).unwrap();
        let filter = FlagFilter::new(Flagged::Exclude, &[range], &[], &[]);
        assert_eq!(filter.resume(moment(0), false), Some(moment(i64::MAX)));
        assert_eq!(filter.resume(moment(i64::MAX - 1), true), None);
        assert!(filter.keeps(&measure(i64::MAX, MeasureTypeId::new(1), None)));
    }
}
