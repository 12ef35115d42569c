//! Measures and queries with which the engines' tests check the cost of a page.

use mymonit_model::{
    ExperimentId, Faceted, FlagFilter, MeasureId, MeasureTypeId, MeasureValue, SensorId, Timestamp, Username,
};
use mymonit_services::ports::{
    Identity, IngestContent, IngestMessage, MeasurePosition, MeasureQuery, NewMeasure, Order,
};

/// The moment that most measures share.
const SHARED: i64 = 2_000;

/// 9,000 measures of three experiments, of which half share one moment.
pub(crate) fn measures() -> IngestMessage {
    let measure = |number: i64| NewMeasure {
        experiment_id: ExperimentId::new(u32::try_from(number % 3).unwrap() + 1),
        measure_type: MeasureTypeId::new(u16::try_from(number % 5).unwrap() + 1),
        sensor: None,
        timestamp: moment(if number % 2 == 0 { SHARED } else { number * 7 % 4_001 }).unwrap(),
        value: MeasureValue::new(1.0).unwrap(),
    };
    IngestMessage {
        publisher: None,
        message_id: None,
        content: IngestContent::Measures((0..9_000).map(measure).collect()),
    }
}

/// Adds a user with access to the first experiment and two API tokens, in either dialect.
pub(crate) const ADD_READER: [&str; 6] = [
    "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
     VALUES ('S001', 'Peter Higg', 'reader', 'phigg@home.cern', 'phigg@home.cern', 2)",
    "INSERT INTO EXPERIMENTS (ID, NAME) VALUES (1, 'one')",
    "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) VALUES ('S001', 1)",
    "INSERT INTO API_TOKENS (ID, USER_ID, NAME, SECRET_SHA256, CREATED_AT, EXPIRES_AT, IS_RESTRICTED) \
     VALUES (1, 'S001', 'any', X'1111111111111111111111111111111111111111111111111111111111111111', 0, 100, 0)",
    "INSERT INTO API_TOKENS (ID, USER_ID, NAME, SECRET_SHA256, CREATED_AT, EXPIRES_AT, IS_RESTRICTED) \
     VALUES (2, 'S001', 'one', X'2222222222222222222222222222222222222222222222222222222222222222', 0, 100, 1)",
    "INSERT INTO API_TOKEN_EXPERIMENTS (TOKEN_ID, EXPERIMENT_ID) VALUES (2, 1)",
];

/// By what that reader is found.
pub(crate) fn readers() -> [Identity; 3] {
    let token = |byte| Identity::ApiToken(Faceted::new([byte; 32]), moment(99).unwrap());
    [Identity::Username(Username::new("reader").unwrap().into()), token(0x11), token(0x22)]
}

/// Every shape of query, from its beginning and from the middle of the shared moment.
pub(crate) fn shapes() -> Vec<(MeasureQuery, Option<MeasurePosition>)> {
    let position = MeasurePosition { timestamp: moment(SHARED).unwrap(), id: MeasureId::new(4_500) };
    let mut shapes = Vec::new();
    for (from, to) in [(None, None), (moment(10), None), (None, moment(3_900)), (moment(10), moment(3_900))] {
        for types in [&[][..], &[1], &[1, 2, 3]] {
            for order in [Order::Ascending, Order::Descending] {
                let types = types.iter().copied().map(MeasureTypeId::new).collect();
                let query = MeasureQuery {
                    experiment_id: ExperimentId::new(1),
                    from,
                    to,
                    types,
                    sensors: Vec::new(),
                    order,
                    flags: FlagFilter::default(),
                };
                let sensors = vec![None, SensorId::new(7)];
                let filtered = MeasureQuery { sensors, ..query.clone() };
                for query in [query, filtered] {
                    shapes.extend([(query.clone(), None), (query, Some(position))]);
                }
            }
        }
    }
    shapes
}

fn moment(nanos: i64) -> Option<Timestamp> {
    Timestamp::from_unix_nanos(nanos)
}
