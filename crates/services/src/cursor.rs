//! Opaque positions in a reading, which a client carries from page to page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_model::{MeasureId, MeasureTypeId, Timestamp, Window};
use sha2::{Digest, Sha256};

use crate::ServiceError;
use crate::ports::{MeasurePosition, MeasureQuery, Order, RejectedMessageId, RejectedMessagePosition};
use crate::reduction::Reduction;

const VERSION: u8 = 1;
const LENGTH: usize = 8 + 8;
const BIN_LENGTH: usize = 8 + 8 + 8 + 2;
/// Bytes of a check sum: enough that nobody hits one by chance.
const CHECK_SUM: usize = 8;
const REJECTED_LENGTH: usize = 1 + 1 + 8 + 8;
/// Tells a cursor among rejected messages from any other kind.
const REJECTED_CODE: u8 = b'r';

/// The reading that a cursor belongs to: its experiment, order, filter and reduction.
#[derive(Debug, Clone)]
pub(crate) struct Scope(Vec<u8>);

impl Scope {
    pub(crate) fn of(query: &MeasureQuery, reduction: Option<Reduction>) -> Self {
        let MeasureQuery { experiment_id, from, to, types, order } = query;
        let (kind, amount) = match reduction {
            None => (b'm', 0),
            Some(Reduction::Window(window)) => (b'w', window.nanos()),
            Some(Reduction::MaxPoints(points)) => (b'p', u64::from(points)),
        };
        let mut bytes = vec![kind, order_code(*order)];
        bytes.extend(amount.to_be_bytes());
        bytes.extend(experiment_id.get().to_be_bytes());
        bytes.extend(moment_or_none(*from));
        bytes.extend(moment_or_none(*to));
        bytes.extend(types.iter().flat_map(|each| each.get().to_be_bytes()));
        Self(bytes)
    }

    /// Text for a position of this reading: the position, and a check sum over it and over all that the reading
    /// is. So a cursor that was cut, changed or made up, or that comes from another reading, is told from a true one
    /// instead of skipping measures silently. It opens no door: what a reading may show is decided anew each
    /// time, and a position says no more than `from` and `to` could. Hence no secret key.
    fn seal(&self, mut position: Vec<u8>) -> String {
        let check = self.check_sum(&position);
        position.extend(check);
        URL_SAFE_NO_PAD.encode(position)
    }

    /// The position in a text that [`Self::seal`] made.
    fn open<const LENGTH: usize>(&self, cursor: &str) -> Option<[u8; LENGTH]> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (position, check) = bytes.split_first_chunk::<LENGTH>()?;
        (check == self.check_sum(position)).then_some(*position)
    }

    fn check_sum(&self, position: &[u8]) -> [u8; CHECK_SUM] {
        let sum =
            Sha256::new().chain_update([VERSION]).chain_update(&self.0).chain_update(position).finalize();
        let mut check = [0; CHECK_SUM];
        check.copy_from_slice(&sum[..CHECK_SUM]);
        check
    }
}

/// Where a reduced reading goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinPosition {
    /// The width of all bins of the reading.
    pub(crate) window: Window,
    /// The start of the last bin that was read.
    pub(crate) start: Timestamp,
    /// The measure type of that bin, if bins of further types follow at the same start.
    pub(crate) amid: Option<MeasureTypeId>,
    /// The last moment in the order of the reading that the width was made for; nothing beyond it is read.
    pub(crate) bound: Option<Timestamp>,
}

/// Writes the position as URL-safe text.
pub(crate) fn encode(scope: &Scope, position: MeasurePosition) -> String {
    let timestamp = position.timestamp.unix_nanos().to_be_bytes();
    scope.seal([timestamp, position.id.get().to_be_bytes()].concat())
}

/// Reads what [`encode`] wrote for the same reading.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode(scope: &Scope, cursor: &str) -> Result<MeasurePosition, ServiceError> {
    scope.open::<LENGTH>(cursor).and_then(|bytes| position(&bytes)).ok_or_else(forged)
}

/// Writes the position as URL-safe text.
pub(crate) fn encode_bin(scope: &Scope, position: BinPosition) -> String {
    let BinPosition { window, start, amid, bound } = position;
    let mut bytes = window.nanos().to_be_bytes().to_vec();
    bytes.extend(start.unix_nanos().to_be_bytes());
    bytes.extend(moment_or_none(bound));
    // No measure type has the number 0.
    bytes.extend(amid.map_or(0, MeasureTypeId::get).to_be_bytes());
    scope.seal(bytes)
}

/// Reads what [`encode_bin`] wrote for the same reading.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode_bin(scope: &Scope, cursor: &str) -> Result<BinPosition, ServiceError> {
    scope.open::<BIN_LENGTH>(cursor).and_then(|bytes| bin_position(&bytes)).ok_or_else(forged)
}

/// A moment, or a number that no moment has.
fn moment_or_none(moment: Option<Timestamp>) -> [u8; 8] {
    moment.map_or(-1, Timestamp::unix_nanos).to_be_bytes()
}

fn position(bytes: &[u8; LENGTH]) -> Option<MeasurePosition> {
    let (timestamp, id) = bytes.split_first_chunk()?;
    Some(MeasurePosition {
        timestamp: Timestamp::from_unix_nanos(i64::from_be_bytes(*timestamp))?,
        id: MeasureId::new(u64::from_be_bytes(id.try_into().ok()?)),
    })
}

fn bin_position(bytes: &[u8; BIN_LENGTH]) -> Option<BinPosition> {
    let (window, rest) = bytes.split_first_chunk()?;
    let (start, rest) = rest.split_first_chunk()?;
    let (bound, amid) = rest.split_first_chunk()?;
    let amid = u16::from_be_bytes(amid.try_into().ok()?);
    Some(BinPosition {
        window: Window::from_nanos(u64::from_be_bytes(*window))?,
        start: Timestamp::from_unix_nanos(i64::from_be_bytes(*start))?,
        bound: Timestamp::from_unix_nanos(i64::from_be_bytes(*bound)),
        amid: (amid > 0).then(|| MeasureTypeId::new(amid)),
    })
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

const fn order_code(order: Order) -> u8 {
    match order {
        Order::Descending => b'd',
        Order::Ascending => b'a',
    }
}

#[cfg(test)]
mod tests {
    use mymonit_model::ExperimentId;

    use super::*;

    fn moment(nanos: i64) -> Timestamp {
        Timestamp::from_unix_nanos(nanos).unwrap()
    }

    fn query() -> MeasureQuery {
        MeasureQuery {
            experiment_id: ExperimentId::new(7),
            from: Some(moment(0)),
            to: None,
            types: vec![MeasureTypeId::new(1), MeasureTypeId::new(2)],
            order: Order::Ascending,
        }
    }

    fn position() -> MeasurePosition {
        MeasurePosition { timestamp: moment(i64::MAX), id: MeasureId::new(u64::MAX) }
    }

    fn bin_position() -> BinPosition {
        BinPosition {
            window: Window::from_nanos(7).unwrap(),
            start: moment(49),
            amid: Some(MeasureTypeId::new(2)),
            bound: Some(moment(i64::MAX)),
        }
    }

    fn is_refused<T>(result: Result<T, ServiceError>) -> bool {
        matches!(result, Err(ServiceError::InvalidArgument { field, .. }) if field == "cursor")
    }

    /// Scopes that each differ in one thing from that of the query without a reduction.
    fn other_scopes() -> Vec<Scope> {
        let query = query();
        let others = [
            MeasureQuery { experiment_id: ExperimentId::new(8), ..query.clone() },
            MeasureQuery { from: None, ..query.clone() },
            MeasureQuery { to: Some(moment(0)), ..query.clone() },
            MeasureQuery { from: None, to: Some(moment(0)), ..query.clone() },
            MeasureQuery { types: vec![MeasureTypeId::new(1)], ..query.clone() },
            MeasureQuery { types: Vec::new(), ..query.clone() },
            MeasureQuery { order: Order::Descending, ..query.clone() },
        ];
        let window = |nanos| Reduction::Window(Window::from_nanos(nanos).unwrap());
        let reductions = [window(7), window(8), Reduction::MaxPoints(7), Reduction::MaxPoints(8)];
        let reduced = reductions.map(|reduction| Scope::of(&query, Some(reduction)));
        others.iter().map(|other| Scope::of(other, None)).chain(reduced).collect()
    }

    #[test]
    fn a_cursor_is_read_back_by_its_own_reading_only() {
        let scope = Scope::of(&query(), None);
        let cursor = encode(&scope, position());
        assert_eq!(decode(&scope, &cursor).unwrap(), position());
        let scopes = other_scopes();
        for (index, scope) in scopes.iter().enumerate() {
            assert!(is_refused(decode(scope, &cursor)), "{scope:?}");
            let cursor = encode_bin(scope, bin_position());
            let readers = scopes.iter().enumerate().filter(|(_, reader)| decode_bin(reader, &cursor).is_ok());
            assert_eq!(readers.map(|(reader, _)| reader).collect::<Vec<_>>(), [index]);
        }
    }

    #[test]
    fn a_cursor_of_bins_keeps_the_whole_position() {
        let scope = &other_scopes()[9];
        let others = BinPosition { amid: None, bound: None, ..bin_position() };
        for position in [bin_position(), others] {
            assert_eq!(decode_bin(scope, &encode_bin(scope, position)).unwrap(), position);
        }
    }

    #[test]
    fn a_forged_cursor_is_refused_by_name() {
        let scope = Scope::of(&query(), None);
        let good = encode(&scope, position());
        let before_1970 = scope.seal([0xff; LENGTH].to_vec());
        let of_bins = encode_bin(&scope, bin_position());
        let of_rejected = encode_rejected(RejectedMessagePosition {
            received_at: moment(1),
            id: RejectedMessageId::new(1),
        });
        let cut = (0..good.len()).map(|length| good[..length].to_owned());
        let made_up =
            ["x", "AAAA", "é", &good[1..], &format!("{good}AA"), &before_1970, &of_bins, &of_rejected];
        for forged in cut.chain(made_up.map(str::to_owned)) {
            assert!(is_refused(decode(&scope, &forged)), "{forged}");
            assert!(is_refused(decode_bin(&other_scopes()[9], &forged)), "{forged}");
        }
    }

    #[test]
    fn a_cursor_with_any_bit_changed_is_refused() {
        let scope = Scope::of(&query(), None);
        let bytes = URL_SAFE_NO_PAD.decode(encode(&scope, position())).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(is_refused(decode(&scope, &URL_SAFE_NO_PAD.encode(changed))), "{bit}");
        }
    }

    #[test]
    fn a_cursor_among_rejected_messages_is_read_back_and_no_other_is() {
        let received_at = Timestamp::from_unix_nanos(i64::MAX).unwrap();
        let position = RejectedMessagePosition { received_at, id: RejectedMessageId::new(u64::MAX) };
        let good = encode_rejected(position);
        assert_eq!(decode_rejected(&good).unwrap(), position);
        let of_measures = encode(&Scope::of(&query(), None), self::position());
        let before_1970 = URL_SAFE_NO_PAD.encode([&[VERSION, REJECTED_CODE, 0xff][..], &[0; 15]].concat());
        let other_kind = URL_SAFE_NO_PAD.encode([&[VERSION, b'd'][..], &[0; 16]].concat());
        for forged in ["", &good[1..], &format!("{good}AA"), &of_measures, &before_1970, &other_kind] {
            let refusal = decode_rejected(forged).unwrap_err();
            assert!(matches!(refusal, ServiceError::InvalidArgument { field, .. } if field == "cursor"));
        }
        assert!(decode(&Scope::of(&query(), None), &good).is_err());
    }
}
