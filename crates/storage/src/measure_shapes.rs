//! Measures and queries with which the engines' tests look at what a page costs.

use mymonit_model::{ExperimentId, MeasureId, MeasureTypeId, MeasureValue, Timestamp, Username};
use mymonit_services::ports::{
    IngestContent, IngestMessage, MeasurePosition, MeasureQuery, NewMeasure, Order,
};

/// The moment that most measures share.
const SHARED: i64 = 2_000;

/// 9,000 measures of three experiments, of which half share one moment.
pub(crate) fn measures() -> IngestMessage {
    let measure = |number: i64| NewMeasure {
        experiment_id: ExperimentId::new(u32::try_from(number % 3).unwrap() + 1),
        measure_type: MeasureTypeId::new(u16::try_from(number % 5).unwrap() + 1),
        timestamp: moment(if number % 2 == 0 { SHARED } else { number * 7 % 4_001 }).unwrap(),
        value: MeasureValue::new(1.0).unwrap(),
    };
    IngestMessage { message_id: None, content: IngestContent::Measures((0..9_000).map(measure).collect()) }
}

/// Adds somebody who may read the first experiment, in either dialect.
pub(crate) const ADD_READER: [&str; 3] = [
    "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
     VALUES ('S001', 'Peter Higg', 'reader', 'phigg@home.cern', 'phigg@home.cern', 2)",
    "INSERT INTO EXPERIMENTS (ID, NAME) VALUES (1, 'one')",
    "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', 1)",
];

/// The username of that reader.
pub(crate) fn reader() -> Username {
    Username::new("reader").unwrap()
}

/// Every shape of query, from its beginning and from the middle of the shared moment.
pub(crate) fn shapes() -> Vec<(MeasureQuery, Option<MeasurePosition>)> {
    let position = MeasurePosition { timestamp: moment(SHARED).unwrap(), id: MeasureId::new(4_500) };
    let mut shapes = Vec::new();
    for (from, to) in [(None, None), (moment(10), None), (None, moment(3_900)), (moment(10), moment(3_900))] {
        for types in [&[][..], &[1], &[1, 2, 3]] {
            for order in [Order::Ascending, Order::Descending] {
                let types = types.iter().copied().map(MeasureTypeId::new).collect();
                let query = MeasureQuery { experiment_id: ExperimentId::new(1), from, to, types, order };
                shapes.extend([(query.clone(), None), (query, Some(position))]);
            }
        }
    }
    shapes
}

fn moment(nanos: i64) -> Option<Timestamp> {
    Timestamp::from_unix_nanos(nanos)
}
