//! Rejected messages and filters with which the engines' tests check the cost of a page.

use bytes::Bytes;
use mymonit_model::Timestamp;
use mymonit_services::message::{Rejection, RejectionReason};
use mymonit_services::ports::{
    IngestContent, IngestMessage, NewRejectedMessage, RejectedMessageFilter, RejectedMessageId,
    RejectedMessagePosition,
};

/// The moment that half of the messages share.
const SHARED: i64 = 2_000;

/// 1,200 messages of three reasons, received in no order, of which half share one moment.
pub(crate) fn messages() -> Vec<IngestMessage> {
    (0..1_200).map(message).collect()
}

fn message(number: i64) -> IngestMessage {
    let reason = RejectionReason::ALL[usize::try_from(number % 3).unwrap()];
    let received_at = moment(if number % 2 == 0 { SHARED } else { number * 7 % 4_001 }).unwrap();
    let rejected = NewRejectedMessage {
        rejection: Rejection::new(reason, "why"),
        received_at,
        properties: serde_json::json!({}),
        body: Bytes::from_static(b"body"),
    };
    IngestMessage { publisher: None, message_id: None, content: IngestContent::Rejected(Box::new(rejected)) }
}

/// Every shape of filter, from its beginning and from the middle of the shared moment.
pub(crate) fn shapes() -> Vec<(RejectedMessageFilter, Option<RejectedMessagePosition>)> {
    let position =
        RejectedMessagePosition { received_at: moment(SHARED).unwrap(), id: RejectedMessageId::new(600) };
    let mut shapes = Vec::new();
    for (from, to) in [(None, None), (moment(10), None), (None, moment(3_900)), (moment(10), moment(3_900))] {
        for reason in [None, Some(RejectionReason::ALL[1])] {
            let filter = RejectedMessageFilter { reason, from, to };
            shapes.extend([(filter.clone(), None), (filter, Some(position))]);
        }
    }
    shapes
}

fn moment(nanos: i64) -> Option<Timestamp> {
    Timestamp::from_unix_nanos(nanos)
}
