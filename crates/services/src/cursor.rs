//! Opaque positions in a reading, which a client sends with the request for the next page.

use aws_lc_rs::digest::{Context, SHA256};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mymonit_model::{MeasureId, MeasureTypeId, SensorId, Timestamp, Window};

use crate::ServiceError;
use crate::ports::{MeasurePosition, MeasureQuery, Order, RejectedMessageId, RejectedMessagePosition};
use crate::reduction::{Reduction, SeriesKey};

const VERSION: u8 = 1;
const LENGTH: usize = 8 + 8;
const BIN_LENGTH: usize = 8 + 8 + 8 + 2 + 4;
/// Length of the checksum in bytes: too long to guess by chance.
const CHECK_SUM: usize = 8;
const REJECTED_LENGTH: usize = 1 + 1 + 8 + 8;
/// Distinguishes cursors of rejected messages from other kinds.
const REJECTED_CODE: u8 = b'r';

/// The reading that a cursor belongs to: its experiment, order, filters and reduction.
#[derive(Debug, Clone)]
pub(crate) struct Scope(Vec<u8>);

impl Scope {
    pub(crate) fn of(query: &MeasureQuery, reduction: Option<Reduction>) -> Self {
        let MeasureQuery { experiment_id, from, to, types, sensors, order, flags } = query;
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
        // With their lengths, so that no list is the prefix of another one.
        bytes.extend((types.len() as u64).to_be_bytes());
        bytes.extend(types.iter().flat_map(|each| each.get().to_be_bytes()));
        bytes.extend((sensors.len() as u64).to_be_bytes());
        bytes.extend(sensors.iter().flat_map(|each| SensorId::or_zero(*each).to_be_bytes()));
        let flagged = flags.flagged().as_str();
        bytes.extend((flagged.len() as u64).to_be_bytes());
        bytes.extend(flagged.as_bytes());
        Self(bytes)
    }

    /// A list of that kind with those parameters.
    pub(crate) fn of_list<const N: usize>(kind: u8, parameters: [&str; N]) -> Self {
        let mut bytes = vec![kind];
        for parameter in parameters {
            bytes.extend(parameter.len().to_be_bytes());
            bytes.extend(parameter.as_bytes());
        }
        Self(bytes)
    }

    /// Encodes a position with a checksum over it and the parameters of the reading, so that a
    /// changed cursor is an error. No secret key: each request is authorised again.
    fn seal(&self, mut position: Vec<u8>) -> String {
        let check = self.check_sum(&position);
        position.extend(check);
        URL_SAFE_NO_PAD.encode(position)
    }

    /// The position in a text that [`Self::seal`] made.
    fn open<const LENGTH: usize>(&self, cursor: &str) -> Option<[u8; LENGTH]> {
        self.open_any(cursor)?.try_into().ok()
    }

    /// [`Self::open`] for a position of any length.
    fn open_any(&self, cursor: &str) -> Option<Vec<u8>> {
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let check = bytes.split_off(bytes.len().checked_sub(CHECK_SUM)?);
        (check == self.check_sum(&bytes)).then_some(bytes)
    }

    fn check_sum(&self, position: &[u8]) -> [u8; CHECK_SUM] {
        let mut sum = Context::new(&SHA256);
        for part in [&[VERSION][..], &self.0, position] {
            sum.update(part);
        }
        let mut check = [0; CHECK_SUM];
        check.copy_from_slice(&sum.finish().as_ref()[..CHECK_SUM]);
        check
    }
}

/// Where a reduced reading continues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BinPosition {
    /// The width of all bins of the reading.
    pub(crate) window: Window,
    /// The start of the last bin that was read.
    pub(crate) start: Timestamp,
    /// The series of that bin, if bins of further series follow at the same start.
    pub(crate) amid: Option<SeriesKey>,
    /// The last time, in the order of the reading, for which the width was chosen.
    pub(crate) bound: Option<Timestamp>,
}

/// Writes the position as URL-safe text.
pub(crate) fn encode(scope: &Scope, position: MeasurePosition) -> String {
    let timestamp = position.timestamp.unix_nanos().to_be_bytes();
    scope.seal([timestamp, position.id.get().to_be_bytes()].concat())
}

/// Decodes a cursor of [`encode`] for the same reading.
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
    bytes.extend(amid.map_or(0, |(measure_type, _)| measure_type.get()).to_be_bytes());
    bytes.extend(SensorId::or_zero(amid.and_then(|(_, sensor)| sensor)).to_be_bytes());
    scope.seal(bytes)
}

/// Decodes a cursor of [`encode_bin`] for the same reading.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode_bin(scope: &Scope, cursor: &str) -> Result<BinPosition, ServiceError> {
    scope.open::<BIN_LENGTH>(cursor).and_then(|bytes| bin_position(&bytes)).ok_or_else(forged)
}

/// Writes the id of the last item of a page as URL-safe text.
pub(crate) fn encode_id(scope: &Scope, id: &str) -> String {
    scope.seal(id.as_bytes().to_vec())
}

/// Decodes a cursor of [`encode_id`] for the same list.
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode_id(scope: &Scope, cursor: &str) -> Result<String, ServiceError> {
    let id = scope.open_any(cursor).and_then(|bytes| String::from_utf8(bytes).ok());
    id.ok_or_else(forged)
}

/// A timestamp, or a number that is not a timestamp.
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
    let (measure_type, sensor) = amid.split_first_chunk()?;
    let measure_type = u16::from_be_bytes(*measure_type);
    let sensor = SensorId::new(u32::from_be_bytes(sensor.try_into().ok()?));
    Some(BinPosition {
        window: Window::from_nanos(u64::from_be_bytes(*window))?,
        start: Timestamp::from_unix_nanos(i64::from_be_bytes(*start))?,
        bound: Timestamp::from_unix_nanos(i64::from_be_bytes(*bound)),
        amid: (measure_type > 0).then(|| (MeasureTypeId::new(measure_type), sensor)),
    })
}

/// Writes a position among the rejected messages as URL-safe text. It is valid for any filter.
pub(crate) fn encode_rejected(position: RejectedMessagePosition) -> String {
    let mut bytes = Vec::with_capacity(REJECTED_LENGTH);
    bytes.extend([VERSION, REJECTED_CODE]);
    bytes.extend(position.received_at.unix_nanos().to_be_bytes());
    bytes.extend(position.id.get().to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Decodes a cursor of [`encode_rejected`].
///
/// # Errors
/// Names `cursor` for any other text.
pub(crate) fn decode_rejected(cursor: &str) -> Result<RejectedMessagePosition, ServiceError> {
    parse_rejected(cursor).ok_or_else(forged)
}

pub(crate) fn forged() -> ServiceError {
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
    use mymonit_model::{ExperimentId, FlagFilter, Flagged};

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
            sensors: Vec::new(),
            order: Order::Ascending,
            flags: FlagFilter::default(),
        }
    }

    fn position() -> MeasurePosition {
        MeasurePosition { timestamp: moment(i64::MAX), id: MeasureId::new(u64::MAX) }
    }

    fn bin_position() -> BinPosition {
        BinPosition {
            window: Window::from_nanos(7).unwrap(),
            start: moment(49),
            amid: Some((MeasureTypeId::new(2), SensorId::new(9))),
            bound: Some(moment(i64::MAX)),
        }
    }

    fn is_refused<T>(result: Result<T, ServiceError>) -> bool {
        matches!(result, Err(ServiceError::InvalidArgument { field, .. }) if field == "cursor")
    }

    /// Scopes that each differ in one thing from that of the query without a reduction.
    fn other_scopes() -> Vec<Scope> {
        let query = query();
        let flagged = |flagged| FlagFilter::new(flagged, &[], &[], &[]);
        let others = [
            MeasureQuery { experiment_id: ExperimentId::new(8), ..query.clone() },
            MeasureQuery { from: None, ..query.clone() },
            MeasureQuery { to: Some(moment(0)), ..query.clone() },
            MeasureQuery { from: None, to: Some(moment(0)), ..query.clone() },
            MeasureQuery { types: vec![MeasureTypeId::new(1)], ..query.clone() },
            MeasureQuery { types: Vec::new(), ..query.clone() },
            MeasureQuery { sensors: vec![None], ..query.clone() },
            MeasureQuery { sensors: vec![SensorId::new(65_538)], types: Vec::new(), ..query.clone() },
            MeasureQuery { order: Order::Descending, ..query.clone() },
            MeasureQuery { flags: flagged(Flagged::Include), ..query.clone() },
            MeasureQuery { flags: flagged(Flagged::Only), ..query.clone() },
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
