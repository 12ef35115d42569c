//! Opaque positions in a reading, which a client carries from page to page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_model::{ExperimentId, MeasureId, Timestamp};

use crate::ServiceError;
use crate::ports::{MeasurePosition, Order};

const VERSION: u8 = 1;
const LENGTH: usize = 1 + 1 + 4 + 8 + 8;

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
    parse(cursor, experiment_id, order).ok_or_else(|| {
        ServiceError::invalid("cursor", "must be one that an answer to this same reading gave")
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
}
