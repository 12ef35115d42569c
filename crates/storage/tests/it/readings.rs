//! Whole readings as a scientist gets them, through the services, on each engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::TryStreamExt;
use mymonit_model::{ExperimentId, Role, Timestamp, User, Window};
use mymonit_services::ports::{NewMeasure, Order};
use mymonit_services::{
    Content, MeasureReader, MeasureReading, MeasureService, NamedBin, NamedMeasure, ReadRequest,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::database::{Database, on_every_engine};
use crate::fixtures::{add_experiment, add_user, measure, moment, store};

/// The measure types that are used, by number.
const TYPES: [&str; 4] = ["hertz", "radian", "steradian", "newton"];

/// What a scientist asks for, again and again with another experiment.
#[derive(Debug, Clone)]
struct Question {
    from: Option<i64>,
    to: Option<i64>,
    types: Vec<u16>,
    order: Order,
    reduction: Reduction,
}

#[derive(Debug, Clone, Copy)]
enum Reduction {
    None,
    Window(u64),
    MaxPoints(u32),
}

impl Question {
    fn request(&self, limit: Option<u32>, cursor: Option<String>) -> ReadRequest {
        let (window, max_points) = match self.reduction {
            Reduction::None => (None, None),
            Reduction::Window(nanos) => (Window::from_nanos(nanos), None),
            Reduction::MaxPoints(points) => (None, Some(points)),
        };
        ReadRequest {
            from: self.from.map(moment),
            to: self.to.map(moment),
            types: self.types.iter().map(|number| TYPES[usize::from(*number) - 1].to_owned()).collect(),
            order: self.order,
            limit,
            cursor,
            window,
            max_points,
        }
    }

    /// Whether the question asks for that measure.
    fn asks_for(&self, measure: &NewMeasure) -> bool {
        self.from.is_none_or(|from| measure.timestamp >= moment(from))
            && self.to.is_none_or(|to| measure.timestamp < moment(to))
            && (self.types.is_empty() || self.types.contains(&measure.measure_type.get()))
    }
}

fn any_question() -> impl Strategy<Value = Question> {
    let reduction = prop_oneof![
        2 => Just(Reduction::None),
        2 => (1..12_u64).prop_map(Reduction::Window),
        2 => (1..12_u32).prop_map(Reduction::MaxPoints),
    ];
    let to = option::of(prop_oneof![4 => 0..30_i64, 1 => Just(i64::MAX)]);
    (option::of(0..30_i64), to, vec(1..4_u16, 0..3), any::<bool>(), reduction).prop_map(
        |(from, to, types, ascending, reduction)| Question {
            from,
            to,
            types,
            order: if ascending { Order::Ascending } else { Order::Descending },
            reduction,
        },
    )
}

/// Few moments and few types, so that many share them; the ends of time and of doubles among them.
fn any_measure() -> impl Strategy<Value = NewMeasure> {
    let nanos = prop_oneof![12 => 0..30_i64, 1 => Just(i64::MAX), 1 => Just(i64::MAX - 1)];
    let value = prop_oneof![
        6 => -10.0..10.0_f64,
        1 => Just(-0.0),
        1 => Just(0.0),
        1 => Just(f64::MAX),
        1 => any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite()),
    ];
    (nanos, 1..4_u16, value).prop_map(|(nanos, kind, value)| measure(1, kind, nanos, value))
}

/// A measure or a bin, to the bit: type, moment, count, and the numbers.
type Row = (String, Timestamp, u64, Vec<u64>);

fn measure_row(measure: NamedMeasure) -> Row {
    let value = measure.value.get().to_bits();
    (measure.measure_type.to_string(), measure.timestamp, 1, vec![value])
}

fn bin_row(bin: NamedBin) -> Row {
    let numbers = [bin.min, bin.max, bin.mean, bin.std].map(f64::to_bits).into();
    (bin.measure_type.to_string(), bin.timestamp, bin.count, numbers)
}

async fn rows(content: Content) -> Vec<Row> {
    match content {
        Content::Measures(measures) => {
            measures
                .map_ok(|page| page.into_iter().map(measure_row).collect())
                .try_collect::<Vec<Vec<_>>>()
                .await
        }
        Content::Bins { bins, .. } => {
            bins.map_ok(|page| page.into_iter().map(bin_row).collect()).try_collect::<Vec<Vec<_>>>().await
        }
    }
    .unwrap()
    .concat()
}

/// One experiment that one scientist may read.
struct Desk<'a> {
    database: &'a Database,
    service: Arc<dyn MeasureService>,
    scientist: User,
    experiment: ExperimentId,
}

impl Desk<'_> {
    async fn read(&self, request: ReadRequest) -> MeasureReading {
        let username = self.scientist.username.reveal();
        let found = self.database.users.find_with_experiment(username, self.experiment).await.unwrap();
        let (user, experiment) = found.unwrap();
        let reader = MeasureReader { user, experiment_id: self.experiment, experiment };
        self.service.read(reader, request).await.unwrap()
    }

    async fn whole(&self, question: &Question) -> Vec<Row> {
        rows(self.read(question.request(None, None)).await.content).await
    }

    /// All pages of that size, with something happening after each.
    async fn walk(&self, question: &Question, limit: u32, meanwhile: impl AsyncFn(usize)) -> Vec<Row> {
        let (mut walked, mut cursor, mut pages) = (Vec::new(), None, 0);
        loop {
            let reading = self.read(question.request(Some(limit), cursor)).await;
            let page = rows(reading.content).await;
            assert!(page.len() <= limit as usize);
            assert!(reading.next.is_none() || page.len() == limit as usize);
            walked.extend(page);
            meanwhile(pages).await;
            pages += 1;
            cursor = reading.next;
            if cursor.is_none() {
                return walked;
            }
        }
    }

    async fn store(&self, measures: &[NewMeasure]) {
        let own = measures.iter().map(|measure| NewMeasure { experiment_id: self.experiment, ..*measure });
        store(self.database, own.collect()).await;
    }
}

/// What the measures amount to in bins of that width, calculated simply.
fn expected_bins(
    measures: &[NewMeasure],
    question: &Question,
    width: u64,
) -> Vec<(String, Timestamp, u64, [u64; 2])> {
    let mut bins: Vec<(u64, u16, Vec<f64>)> = Vec::new();
    for measure in measures.iter().filter(|measure| question.asks_for(measure)) {
        let start = measure.timestamp.unix_nanos().unsigned_abs() / width * width;
        let (kind, value) = (measure.measure_type.get(), measure.value.get());
        match bins.iter_mut().find(|(known, of, _)| (*known, *of) == (start, kind)) {
            Some((_, _, values)) => values.push(value),
            None => bins.push((start, kind, vec![value])),
        }
    }
    bins.sort_by_key(|(start, kind, _)| (*start, *kind));
    if question.order == Order::Descending {
        bins.reverse();
    }
    let bin = |(start, kind, mut values): (u64, u16, Vec<f64>)| {
        values.sort_by(f64::total_cmp);
        let ends = [values[0], values[values.len() - 1]].map(f64::to_bits);
        let start = moment(i64::try_from(start).unwrap());
        (TYPES[usize::from(kind) - 1].to_owned(), start, values.len() as u64, ends)
    };
    bins.into_iter().map(bin).collect()
}

/// Runs a property with many questions, each about an experiment of its own.
fn for_any_question<Extra: std::fmt::Debug>(
    database: &Database,
    extra: impl Strategy<Value = Extra>,
    property: impl AsyncFn(Desk<'_>, Vec<NewMeasure>, Question, Extra) -> TestCaseResult,
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
                    let service = database.measure_service.clone();
                    let desk = Desk { database, service, scientist, experiment };
                    property(desk, measures, question, extra).await
                })
            })
            .map_err(|error| error.to_string())
    });
    outcome.unwrap_or_else(|error| panic!("{error}"));
}

on_every_engine! {
    async fn pages_of_any_size_are_the_whole_reading(database: Database) {
        for_any_question(&database, 1..25_u32, async |desk, measures, question, limit| {
            desk.store(&measures).await;
            let whole = desk.whole(&question).await;
            let walked = desk.walk(&question, limit, async |_| {}).await;
            prop_assert_eq!(&walked, &whole);
            let asked_for = measures.iter().filter(|measure| question.asks_for(measure)).count() as u64;
            prop_assert_eq!(whole.iter().map(|(_, _, count, _)| count).sum::<u64>(), asked_for);
            Ok(())
        });
    }

    async fn descending_is_the_exact_reverse_of_ascending_in_bins_as_well(database: Database) {
        for_any_question(&database, Just(()), async |desk, measures, question, ()| {
            desk.store(&measures).await;
            let mut ascending = desk.whole(&Question { order: Order::Ascending, ..question.clone() }).await;
            ascending.reverse();
            prop_assert_eq!(desk.whole(&Question { order: Order::Descending, ..question }).await, ascending);
            Ok(())
        });
    }

    async fn bins_stand_for_the_measures_within_them(database: Database) {
        for_any_question(&database, 1..12_u32, async |desk, measures, question, amount| {
            desk.store(&measures).await;
            for reduction in [Reduction::Window(amount.into()), Reduction::MaxPoints(amount)] {
                let question = Question { reduction, ..question.clone() };
                let reading = desk.read(question.request(None, None)).await;
                let Content::Bins { window, .. } = &reading.content else { panic!("not reduced") };
                let expected = expected_bins(&measures, &question, window.nanos());
                let bins = rows(reading.content).await;
                let seen: Vec<_> = bins
                    .iter()
                    .map(|(kind, start, count, numbers)| (kind.clone(), *start, *count, [numbers[0], numbers[1]]))
                    .collect();
                prop_assert_eq!(seen, expected);
                if let Reduction::MaxPoints(points) = reduction {
                    for kind in TYPES {
                        let count = bins.iter().filter(|(of, ..)| of == kind).count();
                        prop_assert!(count <= points as usize, "{} bins of {}", count, kind);
                    }
                }
            }
            Ok(())
        });
    }

    async fn measures_that_arrive_meanwhile_disturb_no_walk(database: Database) {
        let arrivals = (1..8_u32, vec(vec(any_measure(), 0..6), 0..12));
        for_any_question(&database, arrivals, async |desk, measures, question, (limit, arrivals)| {
            let question = Question { reduction: Reduction::None, ..question };
            // Each measure has a value of its own, by which it is known again.
            let number = AtomicU32::new(0);
            let numbered = |measures: &[NewMeasure]| -> Vec<NewMeasure> {
                let next = || f64::from(number.fetch_add(1, Ordering::Relaxed));
                measures.iter().map(|each| measure(1, each.measure_type.get(), each.timestamp.unix_nanos(), next())).collect()
            };
            desk.store(&numbered(&measures)).await;
            let before = desk.whole(&question).await;
            let walked = desk
                .walk(&question, limit, async |page| {
                    if let Some(arrived) = arrivals.get(page) {
                        desk.store(&numbered(arrived)).await;
                    }
                })
                .await;
            let after = desk.whole(&question).await;
            // Nothing twice, nothing out of its order, nothing of what was there from the beginning left out.
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
            measure(1, u16::try_from(number % 3).unwrap() + 1, i64::from(number * 37 % 4_099), value)
        })
        .collect();
    let mut answers = Vec::new();
    for database in &databases {
        let scientist = add_user(database, "S1", Role::Scientist).await;
        let experiment = add_experiment(database, "one").await.experiment_id;
        database.associations.insert(experiment, &scientist.user_id).await.unwrap();
        let desk = Desk { database, service: database.measure_service.clone(), scientist, experiment };
        desk.store(&measures).await;
        let question = |order| Question {
            from: None,
            to: None,
            types: Vec::new(),
            order,
            reduction: Reduction::MaxPoints(50),
        };
        let descending = desk.whole(&question(Order::Descending)).await;
        let mut ascending = desk.whole(&question(Order::Ascending)).await;
        ascending.reverse();
        assert_eq!(ascending, descending);
        answers.push(descending);
    }
    assert_eq!(answers[0].len(), 41 * 3);
    assert_eq!(answers[0], answers[1]);
}
