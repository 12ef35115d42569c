//! Opaque positions in a reading, which a client carries from page to page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_model::{ExperimentId, MeasureId, Timestamp};

use crate::ServiceError;
use crate::ports::{MeasurePosition, Order, RejectedMessageId, RejectedMessagePosition};

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 1 + 4 + 8 + 8;
const REJECTED_LENGTH: usize = 1 + 1 + 8 + 8;
/// Tells a cursor among rejected messages from any other kind.
const REJECTED_CODE: u8 = b'r';

/// Writes the position as URL-safe text. It names the experiment and the order, so that a cursor of one
/// reading is refused by another instead of skipping measures there.
pub(crate) fn encode(experiment_id: ExperimentId, order: Order, position: MeasurePosition) -> String {
    let mut bytes = Vec::with_capacity(LENGTH);
    bytes.push(VERSION);
    bytes.push(order_code(order));
    bytes.extend(experiment_id.get().to_be_bytes());
    bytes.extend(position.timestamp.unix_nanos().to_be_bytes());
    bytes.extend(position.id.get().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`encode`] wrote for the same experiment and order.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode(
    cursor: &str,
    experiment_id: ExperimentId,
    order: Order,
) -> Result<MeasurePosition, ServiceError> {
    parse(cursor, experiment_id, order).ok_or_else(forged)
}

/// Writes a position among the rejected messages as URL-safe text. It holds whatever the filter is.
pub(crate) fn encode_rejected(position: RejectedMessagePosition) -> String {
    let mut bytes = Vec::with_capacity(REJECTED_LENGTH);
    bytes.extend([VERSION, REJECTED_CODE]);
    bytes.extend(position.received_at.unix_nanos().to_be_bytes());
    bytes.extend(position.id.get().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Reads what [`encode_rejected`] wrote.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode_rejected(cursor: &str) -> Result<RejectedMessagePosition, ServiceError> {
    parse_rejected(cursor).ok_or_else(forged)
}

fn forged() -> ServiceError {
    ServiceError::invalid("cursor", "must be one that an answer to this same reading gave")
}

fn parse_rejected(cursor: &str) -> Option<RejectedMessagePosition> {
    let bytes: [u8; REJECTED_LENGTH] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    let (received_at, id) = rest.split_first_chunk::<8>()?;
    (*head == [VERSION, REJECTED_CODE]).then_some(())?;
    Some(RejectedMessagePosition {
        received_at: Timestamp::from_unix_nanos(i64::from_be_bytes(*received_at))?,
        id: RejectedMessageId::new(u64::from_be_bytes(id.try_into().ok()?)),
    })
}

fn parse(cursor: &str, experiment_id: ExperimentId, order: Order) -> Option<MeasurePosition> {
    let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(cursor).ok()?.try_into().ok()?;
    let (head, rest) = bytes.split_first_chunk::<6>()?;
    let expected: Vec<u8> =
        [VERSION, order_code(order)].into_iter().chain(experiment_id.get().to_be_bytes()).collect();
    let (timestamp, id) = rest.split_first_chunk::<8>()?;
    (head.as_slice() == expected).then_some(())?;
    Some(MeasurePosition {
        timestamp: Timestamp::from_unix_nanos(i64::from_be_bytes(*timestamp))?,
        id: MeasureId::new(u64::from_be_bytes(id.try_into().ok()?)),
    })
}

const fn order_code(order: Order) -> u8 {
    match order {
        Order::Descending => b'd',
        Order::Ascending => b'a',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPERIMENT: ExperimentId = ExperimentId::new(7);

    fn position() -> MeasurePosition {
        MeasurePosition {
            timestamp: Timestamp::from_unix_nanos(i64::MAX).unwrap(),
            id: MeasureId::new(u64::MAX),
        }
    }

    #[test]
    fn a_cursor_is_read_back_by_its_own_reading_only() {
        let cursor = encode(EXPERIMENT, Order::Ascending, position());
        assert_eq!(decode(&cursor, EXPERIMENT, Order::Ascending).unwrap(), position());
        assert!(decode(&cursor, EXPERIMENT, Order::Descending).is_err());
        assert!(decode(&cursor, ExperimentId::new(8), Order::Ascending).is_err());
    }

    #[test]
    fn a_forged_cursor_is_refused_by_name() {
        let good = encode(EXPERIMENT, Order::Descending, position());
        let before_1970 = URL_SAFE_NO_PAD.encode([&[VERSION, b'd', 0, 0, 0, 7, 0xff][..], &[0; 15]].concat());
        for forged in ["", "x", "AAAA", &good[1..], &format!("{good}AA"), &before_1970, "é"] {
            let refusal = decode(forged, EXPERIMENT, Order::Descending).unwrap_err();
            assert!(matches!(refusal, ServiceError::InvalidArgument { field, .. } if field == "cursor"));
        }
    }

    #[test]
    fn a_cursor_among_rejected_messages_is_read_back_and_no_other_is() {
        let received_at = Timestamp::from_unix_nanos(i64::MAX).unwrap();
        let position = RejectedMessagePosition { received_at, id: RejectedMessageId::new(u64::MAX) };
        let good = encode_rejected(position);
        assert_eq!(decode_rejected(&good).unwrap(), position);
        let of_measures = encode(EXPERIMENT, Order::Descending, self::position());
        let before_1970 = URL_SAFE_NO_PAD.encode([&[VERSION, REJECTED_CODE, 0xff][..], &[0; 15]].concat());
        let other_kind = URL_SAFE_NO_PAD.encode([&[VERSION, b'd'][..], &[0; 16]].concat());
        for forged in ["", &good[1..], &format!("{good}AA"), &of_measures, &before_1970, &other_kind] {
            let refusal = decode_rejected(forged).unwrap_err();
            assert!(matches!(refusal, ServiceError::InvalidArgument { field, .. } if field == "cursor"));
        }
        assert!(decode(&good, EXPERIMENT, Order::Descending).is_err());
    }
}
