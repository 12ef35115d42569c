//! Complete readings through the services, on each engine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::TryStreamExt;
use mymonit_model::{
    ExperimentId, FlagRange, FlagReason, Flagged, MeasureTypeId, MeasureValue, Role, SensorId, SensorName,
    Timestamp, User, Window,
};
use mymonit_services::ports::{NewFlag, NewMeasure, Order};
use mymonit_services::{Chunk, Credentials, MeasureService, ReadRequest, Reading, Records};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::database::{Database, in_every_state};
use crate::fixtures::{add_experiment, add_user, measure, moment, of_sensor, store};

/// The measure types that are used, by number.
const TYPES: [&str; 4] = ["hertz", "radian", "steradian", "newton"];

/// The sensors of each experiment, in the order of their ids; no name means no sensor.
const SENSORS: [&str; 3] = ["", "left", "Right"];

/// The requests of a scientist, repeated with other experiments.
#[derive(Debug, Clone)]
struct Question {
    from: Option<i64>,
    to: Option<i64>,
    types: Vec<u16>,
    sensors: Vec<&'static str>,
    order: Order,
    reduction: Reduction,
    flagged: Flagged,
    /// Set before the first request.
    flags: Vec<FlagRange>,
}

#[derive(Debug, Clone, Copy)]
enum Reduction {
    None,
    Window(u64),
    MaxPoints(u32),
}

impl Question {
    fn request(
        &self,
        experiment_id: ExperimentId,
        limit: Option<u32>,
        cursor: Option<String>,
    ) -> ReadRequest {
        let (window, max_points) = match self.reduction {
            Reduction::None => (None, None),
            Reduction::Window(nanos) => (Window::from_nanos(nanos), None),
            Reduction::MaxPoints(points) => (None, Some(points)),
        };
        ReadRequest {
            experiment_id,
            from: self.from.map(moment),
            to: self.to.map(moment),
            types: self.types.iter().map(|number| TYPES[usize::from(*number) - 1].to_owned()).collect(),
            sensors: self.sensors.iter().map(|&name| name.to_owned()).collect(),
            flagged: self.flagged,
            order: self.order,
            limit,
            cursor,
            window,
            max_points,
        }
    }

    /// Whether the question selects that measure.
    fn asks_for(&self, measure: &NewMeasure) -> bool {
        self.from.is_none_or(|from| measure.timestamp >= moment(from))
            && self.to.is_none_or(|to| measure.timestamp < moment(to))
            && (self.types.is_empty() || self.types.contains(&measure.measure_type.get()))
            && (self.sensors.is_empty() || self.sensors.contains(&sensor_of(measure)))
            && match self.flagged {
                Flagged::Exclude => !self.is_flagged(measure),
                Flagged::Include => true,
                Flagged::Only => self.is_flagged(measure),
            }
    }

    /// Whether one of the flags covers the measure.
    fn is_flagged(&self, measure: &NewMeasure) -> bool {
        self.flags.iter().any(|flag| {
            (flag.from()..flag.to()).contains(&measure.timestamp)
                && flag.measure_type().is_none_or(|kind| kind == measure.measure_type)
                && flag.sensor().is_none_or(|sensor| sensor.is_none() && measure.sensor.is_none())
        })
    }
}

fn sensor_of(measure: &NewMeasure) -> &str {
    measure.sensor.as_ref().map_or("", SensorName::as_str)
}

fn any_question() -> impl Strategy<Value = Question> {
    let reduction = prop_oneof![
        2 => Just(Reduction::None),
        2 => (1..12_u64).prop_map(Reduction::Window),
        2 => (1..12_u32).prop_map(Reduction::MaxPoints),
    ];
    let to = option::of(prop_oneof![4 => 0..30_i64, 1 => Just(i64::MAX)]);
    let flagged =
        prop_oneof![3 => Just(Flagged::Exclude), 1 => Just(Flagged::Include), 2 => Just(Flagged::Only)];
    let flags = (flagged, vec(any_flag(), 0..4));
    let sensors = vec(prop::sample::select(&SENSORS[..]), 0..3);
    (option::of(0..30_i64), to, vec(1..4_u16, 0..3), sensors, any::<bool>(), reduction, flags).prop_map(
        |(from, to, types, sensors, ascending, reduction, (flagged, flags))| Question {
            from: from.filter(|from| to.is_none_or(|to| *from < to)),
            to,
            types,
            sensors,
            order: if ascending { Order::Ascending } else { Order::Descending },
            reduction,
            flagged,
            flags,
        },
    )
}

/// Short and long, of every type or one, of every sensor or measures without one.
fn any_flag() -> impl Strategy<Value = FlagRange> {
    (0..30_i64, 1..12_i64, option::of(1..4_u16), any::<bool>()).prop_map(|(from, width, kind, without)| {
        let (kind, sensor) = (kind.map(MeasureTypeId::new), without.then_some(None));
        FlagRange::new(moment(from), moment(from + width), sensor, kind).unwrap()
    })
}

/// Few moments and few series, so that many share them; the ends of time and of doubles among them.
fn any_measure() -> impl Strategy<Value = NewMeasure> {
    let nanos = prop_oneof![12 => 0..30_i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 1)];
    let value = prop_oneof![
        6 => -10.0..10.0_f64,
        1 => Just(-0.0),
        1 => Just(0.0),
        1 => Just(f64::MAX),
        1 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
    ];
    (nanos, 1..4_u16, prop::sample::select(&SENSORS[..]), value)
        .prop_map(|(nanos, kind, sensor, value)| with_sensor(sensor, measure(1, kind, nanos, value)))
}

fn with_sensor(sensor: &str, measure: NewMeasure) -> NewMeasure {
    if sensor.is_empty() { measure } else { of_sensor(sensor, measure) }
}

/// A measure or a bin, to the bit: type and sensor, moment, count, and the numbers.
type Row = (String, Timestamp, u64, Vec<u64>);

fn chunk_rows(chunk: Chunk) -> Vec<Row> {
    let name = |kind, sensor: Option<SensorId>| {
        let sensor = sensor.map_or("", |id| chunk.sensor(id).unwrap().as_str());
        format!("{} {sensor}", chunk.measure_type(kind).unwrap())
    };
    match &chunk.records {
        Records::Measures(measures) => measures
            .iter()
            .map(|each| {
                (name(each.measure_type, each.sensor), each.timestamp, 1, vec![each.value.get().to_bits()])
            })
            .collect(),
        Records::Bins(bins) => bins
            .iter()
            .map(|bin| {
                let summary = bin.summary;
                let numbers = [summary.min(), summary.max(), summary.mean(), summary.std()];
                (
                    name(bin.measure_type, bin.sensor),
                    bin.start,
                    summary.count(),
                    numbers.map(f64::to_bits).into(),
                )
            })
            .collect(),
    }
}

async fn rows(reading: Reading) -> Vec<Row> {
    reading.chunks.map_ok(chunk_rows).try_collect::<Vec<_>>().await.unwrap().concat()
}

/// Whether the rows are the same, means and deviations up to the bound that each of two has.
fn agree(one: &[Row], other: &[Row]) -> bool {
    let near = |numbers: [&[u64]; 2]| match numbers {
        [[min, max, mean, std], [_, _, other_mean, other_std]] => {
            let number = |bits: &u64| f64::from_bits(*bits);
            let bound = 2.0 * (1e-12 * number(min).abs().max(number(max).abs())) + 2.0 * f64::from_bits(1);
            let distance = |one, other| (number(one) / 2.0 - number(other) / 2.0).abs();
            distance(mean, other_mean) <= bound / 2.0 && distance(std, other_std) <= bound / 2.0
        }
        [one, other] => one == other,
    };
    let same = |(one, other): (&Row, &Row)| {
        let exact =
            |row: &Row| (row.0.clone(), row.1, row.2, row.3.iter().take(2).copied().collect::<Vec<_>>());
        exact(one) == exact(other) && near([&one.3, &other.3])
    };
    one.len() == other.len() && one.iter().zip(other).all(same)
}

/// One experiment that one scientist may read.
struct ReadFixture<'a> {
    database: &'a Database,
    service: Arc<dyn MeasureService>,
    scientist: User,
    experiment: ExperimentId,
}

impl ReadFixture<'_> {
    async fn read(&self, question: &Question, limit: Option<u32>, cursor: Option<String>) -> Reading {
        let token = Credentials::Token(self.scientist.username.reveal().as_str());
        self.service.read(token, question.request(self.experiment, limit, cursor)).await.unwrap()
    }

    async fn whole(&self, question: &Question) -> Vec<Row> {
        rows(self.read(question, None, None).await).await
    }

    /// Reads all pages of that size, and calls `meanwhile` after each.
    async fn walk(&self, question: &Question, limit: u32, meanwhile: impl AsyncFn(usize)) -> Vec<Row> {
        let (mut walked, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let reading = self.read(question, Some(limit), cursor).await;
            cursor = reading.next.clone();
            let page = rows(reading).await;
            assert!(page.len() <= limit as usize);
            assert!(cursor.is_none() || page.len() == limit as usize);
            walked.extend(page);
            meanwhile(pages).await;
            pages += 1;
            if cursor.is_none() {
                return walked;
            }
        }
    }

    async fn store(&self, measures: &[NewMeasure]) {
        let own =
            measures.iter().map(|measure| NewMeasure { experiment_id: self.experiment, ..measure.clone() });
        store(self.database, own.collect()).await;
    }
}

/// Adds the sensors before their first measures, so that every query finds them.
async fn add_sensors(database: &Database, experiment: ExperimentId) {
    for name in &SENSORS[1..] {
        let id = experiment.get();
        database
            .execute(&format!(
                "INSERT INTO SENSORS (EXPERIMENT_ID, NAME, DESCRIPTION) VALUES ({id}, '{name}', '')"
            ))
            .await;
    }
}

/// The expected bins of that width, calculated naively.
fn expected_bins(
    measures: &[NewMeasure],
    question: &Question,
    width: u64,
) -> Vec<(String, Timestamp, u64, [u64; 2])> {
    let mut bins: Vec<(u64, (u16, usize), Vec<f64>)> = Vec::new();
    for measure in measures.iter().filter(|measure| question.asks_for(measure)) {
        let start = measure.timestamp.unix_nanos().unsigned_abs() / width * width;
        let sensor = SENSORS.iter().position(|name| *name == sensor_of(measure)).unwrap();
        let (series, value) = ((measure.measure_type.get(), sensor), measure.value.get());
        match bins.iter_mut().find(|(known, of, _)| (*known, *of) == (start, series)) {
            Some((_, _, values)) => values.push(value),
            None => bins.push((start, series, vec![value])),
        }
    }
    bins.sort_by_key(|(start, series, _)| (*start, *series));
    if question.order == Order::Descending {
        bins.reverse();
    }
    let bin = |(start, (kind, sensor), mut values): (u64, (u16, usize), Vec<f64>)| {
        values.sort_by(f64::total_cmp);
        let ends = [values[0], values[values.len() - 1]].map(f64::to_bits);
        let start = moment(i64::try_from(start).unwrap());
        let name = format!("{} {}", TYPES[usize::from(kind) - 1], SENSORS[sensor]);
        (name, start, values.len() as u64, ends)
    };
    bins.into_iter().map(bin).collect()
}

/// Runs a property test with many requests, each on its own experiment.
fn for_any_question<Extra: std::fmt::Debug>(
    database: &Database,
    extra: impl Strategy<Value = Extra>,
    property: impl AsyncFn(ReadFixture<'_>, Vec<NewMeasure>, Question, Extra) -> TestCaseResult,
) {
    let numbers = AtomicU32::new(1);
    let mut runner = TestRunner::new(Config { cases: 60, failure_persistence: None, ..Config::default() });
    let case = (vec(any_measure(), 0..60), any_question(), extra);
    let outcome = block_in_place(|| {
        runner
            .run(&case, |(measures, question, extra)| {
                Handle::current().block_on(async {
                    let number = numbers.fetch_add(1, Ordering::Relaxed);
                    let scientist = add_user(database, &format!("S{number}"), Role::Scientist).await;
                    let experiment =
                        add_experiment(database, &format!("experiment {number}")).await.experiment_id;
                    database.associations.insert(experiment, &scientist.user_id).await.unwrap();
                    add_sensors(database, experiment).await;
                    for range in question.flags.iter().copied() {
                        let (reason, user_id) = (FlagReason::new("x").unwrap(), scientist.user_id.clone());
                        let created_at = moment(0);
                        let flag = NewFlag { experiment_id: experiment, range, reason, user_id, created_at };
                        database.flags.insert(&flag, 10).await.unwrap().unwrap();
                    }
                    let service = database.measure_service.clone();
                    let fixture = ReadFixture { database, service, scientist, experiment };
                    property(fixture, measures, question, extra).await
                })
            })
            .map_err(|error| error.to_string())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

in_every_state! {
    async fn pages_of_any_size_are_the_whole_reading(database: Database) {
        for_any_question(&database, 1..25_u32, async |fixture, measures, question, limit| {
            fixture.store(&measures).await;
            let whole = fixture.whole(&question).await;
            let walked = fixture.walk(&question, limit, async |_| {}).await;
            // Other parts of a bin may be merged first.
            prop_assert!(agree(&walked, &whole), "{:?} and {:?}", walked, whole);
            let asked_for = measures.iter().filter(|measure| question.asks_for(measure)).count() as u64;
            prop_assert_eq!(whole.iter().map(|(_, _, count, _)| count).sum::<u64>(), asked_for);
            Ok(())
        });
    }

    async fn descending_is_the_reverse_of_ascending_in_bins_as_well(database: Database) {
        for_any_question(&database, Just(()), async |fixture, measures, question, ()| {
            fixture.store(&measures).await;
            let mut ascending = fixture.whole(&Question { order: Order::Ascending, ..question.clone() }).await;
            ascending.reverse();
            let descending = fixture.whole(&Question { order: Order::Descending, ..question }).await;
            prop_assert!(agree(&descending, &ascending), "{:?} and {:?}", descending, ascending);
            Ok(())
        });
    }

    async fn bins_summarise_their_measures(database: Database) {
        for_any_question(&database, 1..12_u32, async |fixture, measures, question, amount| {
            fixture.store(&measures).await;
            for reduction in [Reduction::Window(amount.into()), Reduction::MaxPoints(amount)] {
                let question = Question { reduction, ..question.clone() };
                let reading = fixture.read(&question, None, None).await;
                let expected = expected_bins(&measures, &question, reading.window.unwrap().nanos());
                let bins = rows(reading).await;
                let seen: Vec<_> = bins
                    .iter()
                    .map(|(kind, start, count, numbers)| (kind.clone(), *start, *count, [numbers[0], numbers[1]]))
                    .collect();
                prop_assert_eq!(seen, expected);
                if let Reduction::MaxPoints(points) = reduction {
                    let mut counts = HashMap::new();
                    bins.iter().for_each(|(series, ..)| *counts.entry(series).or_insert(0) += 1);
                    prop_assert!(counts.values().all(|count| *count <= points), "{:?}", counts);
                }
            }
            Ok(())
        });
    }

    async fn measures_that_arrive_meanwhile_disturb_no_walk(database: Database) {
        let arrivals = (1..8_u32, vec(vec(any_measure(), 0..6), 0..12));
        for_any_question(&database, arrivals, async |fixture, measures, question, (limit, arrivals)| {
            let question = Question { reduction: Reduction::None, ..question };
            // A unique value identifies each measure.
            let number = AtomicU32::new(0);
            let numbered = |measures: &[NewMeasure]| -> Vec<NewMeasure> {
                let next = || f64::from(number.fetch_add(1, Ordering::Relaxed));
                let value = || MeasureValue::new(next()).unwrap();
                measures.iter().map(|each| NewMeasure { value: value(), ..each.clone() }).collect()
            };
            fixture.store(&numbered(&measures)).await;
            let before = fixture.whole(&question).await;
            let walked = fixture
                .walk(&question, limit, async |page| {
                    if let Some(arrived) = arrivals.get(page) {
                        fixture.store(&numbered(arrived)).await;
                    }
                })
                .await;
            let after = fixture.whole(&question).await;
            // No duplicates, in order, and without gaps in what existed at the start.
            let mut rest = after.iter();
            prop_assert!(walked.iter().all(|row| rest.any(|other| other == row)), "{:?} of {:?}", walked, after);
            prop_assert!(before.iter().all(|row| walked.contains(row)), "{:?} without some of {:?}", walked, before);
            Ok(())
        });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_engines_give_the_same_bins_to_the_bit() {
    let databases = [Database::mysql().await, Database::sqlite().await];
    let measures: Vec<_> = (0..3_000_i32)
        .map(|number| {
            let value = f64::from(number * 7 % 1_013) * 1.1 + 1e9;
            let (kind, sensor) = (number % 3, SENSORS[usize::try_from(number / 3 % 3).unwrap()]);
            let measure = measure(1, u16::try_from(kind).unwrap() + 1, i64::from(number * 37 % 4_099), value);
            with_sensor(sensor, measure)
        })
        .collect();
    let mut answers = Vec::new();
    for database in &databases {
        let scientist = add_user(database, "S1", Role::Scientist).await;
        let experiment = add_experiment(database, "one").await.experiment_id;
        database.associations.insert(experiment, &scientist.user_id).await.unwrap();
        add_sensors(database, experiment).await;
        let fixture =
            ReadFixture { database, service: database.measure_service.clone(), scientist, experiment };
        fixture.store(&measures).await;
        let question = |order| Question {
            from: None,
            to: None,
            types: Vec::new(),
            sensors: Vec::new(),
            order,
            reduction: Reduction::MaxPoints(50),
            flagged: Flagged::Exclude,
            flags: Vec::new(),
        };
        let descending = fixture.whole(&question(Order::Descending)).await;
        let mut ascending = fixture.whole(&question(Order::Ascending)).await;
        ascending.reverse();
        assert!(agree(&ascending, &descending));
        answers.push(descending);
    }
    assert_eq!(answers[0].len(), 41 * 9);
    assert_eq!(answers[0], answers[1]);
}
