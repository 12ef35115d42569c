//! Decodes a message ([docs/ingest.md](../../../docs/ingest.md)) into measures or a rejection.
//! Deliveries and replays both use [`decode`].

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use mymonit_model::{
    ExperimentName, InvalidField, MAX_SENSORS, MeasureTypeName, MeasureValue, PublisherName, SensorName,
    Timestamp,
};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

/// The greatest number of measures in one message.
pub const MAX_MEASURES: usize = 10_000;

/// The greatest length of a `message-id` in bytes, which is also AMQP's for any short string.
pub const MAX_MESSAGE_ID_BYTES: usize = 255;

/// The publisher's permanent id of a message: two messages of one id are one message.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(Arc<[u8]>);

impl MessageId {
    /// Takes 1 to [`MAX_MESSAGE_ID_BYTES`] bytes of any kind; `None` for others. An empty id names
    /// nothing, so it counts as none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        (1..=MAX_MESSAGE_ID_BYTES).contains(&bytes.len()).then(|| Self(bytes.into()))
    }

    /// The bytes, to be compared exactly.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The key of a message: ids are scoped to the publisher; messages without a publisher share a
/// scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// The `user-id`.
    pub publisher: Option<PublisherName>,
    /// The `message-id`.
    pub id: MessageId,
}

/// Why a message can never be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectionReason {
    /// Not JSON, not UTF-8, or not an object or an array of objects.
    MalformedJson,
    /// A measure lacks a field.
    MissingField,
    /// A field has a wrong type or a value that breaks a rule.
    InvalidValue,
    /// The timestamp is not a time or out of range.
    InvalidTimestamp,
    /// The experiment's name is unknown.
    UnknownExperiment,
    /// The measure type's name is unknown.
    UnknownMeasureType,
    /// The experiment is archived.
    ExperimentArchived,
    /// The publisher may not publish to the experiment, or a required `user-id` is missing.
    NotPermitted,
    /// It would create more sensors than an experiment may have.
    TooManySensors,
    /// More bytes or more measures than a message may have.
    TooLarge,
    /// Nothing in it.
    Empty,
}

impl RejectionReason {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::MalformedJson,
        Self::MissingField,
        Self::InvalidValue,
        Self::InvalidTimestamp,
        Self::UnknownExperiment,
        Self::UnknownMeasureType,
        Self::ExperimentArchived,
        Self::NotPermitted,
        Self::TooManySensors,
        Self::TooLarge,
        Self::Empty,
    ];

    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed_json",
            Self::MissingField => "missing_field",
            Self::InvalidValue => "invalid_value",
            Self::InvalidTimestamp => "invalid_timestamp",
            Self::UnknownExperiment => "unknown_experiment",
            Self::UnknownMeasureType => "unknown_measure_type",
            Self::ExperimentArchived => "experiment_archived",
            Self::NotPermitted => "not_permitted",
            Self::TooManySensors => "too_many_sensors",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
        }
    }

    /// The reason of that code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Why a message can never be stored, in full.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}: {detail}", reason.code())]
pub struct Rejection {
    /// The stable code.
    pub reason: RejectionReason,
    /// A sentence for the administrator that names the field. It may repeat names of the message,
    /// so it is stored but never logged.
    pub detail: String,
}

impl Rejection {
    /// A rejection for that reason.
    pub fn new(reason: RejectionReason, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }

    /// The rejection of a valid message whose values the database refuses.
    pub fn refused_by_database() -> Self {
        let detail = "the database refuses to store the values of this message";
        Self::new(RejectionReason::InvalidValue, detail)
    }

    /// The rejection of a message whose new sensors are too many for that experiment.
    pub(crate) fn too_many_sensors(experiment: &str) -> Self {
        let detail = format!("`sensor`: experiment `{experiment}` would get more than {MAX_SENSORS} sensors");
        Self::new(RejectionReason::TooManySensors, detail)
    }

    /// The same rejection, saying which measure of an array it is about.
    pub(crate) fn at(self, position: Option<usize>) -> Self {
        match position {
            None => self,
            Some(index) => Self { detail: format!("measure {index}: {}", self.detail), ..self },
        }
    }
}

/// A measure whose fields are valid; its experiment and its measure type may be unknown.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingMeasure {
    /// The name of the experiment.
    pub experiment: ExperimentName,
    /// The name of the measure type.
    pub measure_type: MeasureTypeName,
    /// The name of the sensor, if there is one.
    pub sensor: Option<SensorName>,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The number.
    pub value: MeasureValue,
}

/// The measures of one message.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingMessage {
    /// At least one, at most [`MAX_MEASURES`].
    pub measures: Vec<IncomingMeasure>,
    /// Whether they were in an array: a rejection then names the index.
    pub is_array: bool,
}

impl IncomingMessage {
    /// How to name the measure at `index` to the administrator, counted from 0 as JSON does.
    pub(crate) fn position(&self, index: usize) -> Option<usize> {
        self.is_array.then_some(index)
    }
}

/// Reads a message body of at most `max_bytes`.
///
/// # Errors
/// The reason why this body can never be stored, with a sentence that names the field.
pub fn decode(body: &[u8], max_bytes: usize) -> Result<IncomingMessage, Rejection> {
    use RejectionReason::{Empty, MalformedJson, TooLarge};
    if body.len() > max_bytes {
        let detail = format!("the body has {} bytes; a message may have {max_bytes}", body.len());
        return Err(Rejection::new(TooLarge, detail));
    }
    let text = std::str::from_utf8(body)
        .map_err(|_| Rejection::new(MalformedJson, "the body is not valid UTF-8"))?;
    match text.trim_ascii_start().as_bytes().first() {
        None => Err(Rejection::new(Empty, "the body is empty")),
        Some(b'{') => {
            let fields = parse(text, Fields::default())?;
            Ok(IncomingMessage { measures: vec![fields.read()?], is_array: false })
        }
        Some(b'[') => {
            let measures = parse(text, Elements)??;
            if measures.is_empty() {
                return Err(Rejection::new(Empty, "the array holds no measure"));
            }
            Ok(IncomingMessage { measures, is_array: true })
        }
        Some(_) => Err(Rejection::new(MalformedJson, "the body is neither a JSON object nor an array")),
    }
}

/// Parses the whole text with `seed`; anything after the value is malformed as well.
fn parse<'de, S: DeserializeSeed<'de>>(text: &'de str, seed: S) -> Result<S::Value, Rejection> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer).map_err(malformed)?;
    deserializer.end().map_err(malformed)?;
    Ok(value)
}

fn malformed(error: serde_json::Error) -> Rejection {
    Rejection::new(RejectionReason::MalformedJson, error.to_string())
}

/// The fields of a measure as raw text. A double would lose the nanoseconds of a
/// timestamp; raw text also distinguishes a wrong type from a missing field.
#[derive(Default)]
struct Fields<'a> {
    experiment: Option<&'a RawValue>,
    measure: Option<&'a RawValue>,
    sensor: Option<&'a RawValue>,
    value: Option<&'a RawValue>,
    timestamp: Option<&'a RawValue>,
}

impl Fields<'_> {
    fn read(&self) -> Result<IncomingMeasure, Rejection> {
        Ok(IncomingMeasure {
            experiment: ExperimentName::existing(&text(
                "experiment",
                present("experiment", self.experiment)?,
            )?)
            .map_err(|refusal| invalid_value("experiment", &refusal))?,
            measure_type: MeasureTypeName::existing(&text("measure", present("measure", self.measure)?)?)
                .map_err(|refusal| invalid_value("measure", &refusal))?,
            sensor: sensor(self.sensor)?,
            value: value(present("value", self.value)?)?,
            timestamp: timestamp(present("timestamp", self.timestamp)?)?,
        })
    }
}

fn present<'a>(field: &str, raw: Option<&'a RawValue>) -> Result<&'a str, Rejection> {
    raw.map(RawValue::get)
        .ok_or_else(|| Rejection::new(RejectionReason::MissingField, format!("`{field}` is missing")))
}

fn text<'a>(field: &str, raw: &'a str) -> Result<Cow<'a, str>, Rejection> {
    if !raw.starts_with('"') {
        return Err(Rejection::new(RejectionReason::InvalidValue, format!("`{field}` must be a string")));
    }
    match raw.get(1..raw.len().saturating_sub(1)) {
        Some(plain) if !plain.contains('\\') => Ok(Cow::Borrowed(plain)),
        _ => serde_json::from_str::<String>(raw).map(Cow::Owned).map_err(|_| {
            Rejection::new(RejectionReason::InvalidValue, format!("`{field}` is not valid Unicode text"))
        }),
    }
}

fn sensor(raw: Option<&RawValue>) -> Result<Option<SensorName>, Rejection> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some(raw) => {
            let name = SensorName::new(&text("sensor", raw)?);
            name.map(Some).map_err(|refusal| invalid_value("sensor", &refusal))
        }
    }
}

fn value(raw: &str) -> Result<MeasureValue, Rejection> {
    // `parse` is exact to the bit; the JSON parser has checked that the text is a JSON number.
    is_number(raw)
        .then(|| raw.parse().ok())
        .flatten()
        .and_then(|number| MeasureValue::new(number).ok())
        .ok_or_else(|| Rejection::new(RejectionReason::InvalidValue, "`value` must be a finite number"))
}

fn timestamp(raw: &str) -> Result<Timestamp, Rejection> {
    let moment = if is_number(raw) {
        Timestamp::from_unix_seconds(raw)
    } else {
        text("timestamp", raw)
            .map_err(|_| InvalidField::new("timestamp", "must be a number or a string"))
            .and_then(|text| Timestamp::from_rfc3339(&text))
    };
    moment.map_err(|refusal| Rejection::new(RejectionReason::InvalidTimestamp, refusal.to_string()))
}

fn is_number(raw: &str) -> bool {
    raw.starts_with(|first: char| first == '-' || first.is_ascii_digit())
}

fn invalid_value(field: &str, refusal: &InvalidField) -> Rejection {
    Rejection::new(RejectionReason::InvalidValue, format!("`{field}` {}", refusal.message))
}

impl<'de> DeserializeSeed<'de> for Fields<'de> {
    type Value = Fields<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Fields<'de> {
    type Value = Fields<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a measure object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(Key(key)) = map.next_key_seed(Key::default())? {
            let slot = match &*key {
                "experiment" => &mut self.experiment,
                "measure" => &mut self.measure,
                "sensor" => &mut self.sensor,
                "value" => &mut self.value,
                "timestamp" => &mut self.timestamp,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            // A duplicate field is ambiguous.
            if slot.replace(map.next_value()?).is_some() {
                return Err(serde::de::Error::custom(format_args!("`{key}` occurs twice in one measure")));
            }
        }
        Ok(self)
    }
}

/// An object key, borrowed from the text unless it holds an escape.
#[derive(Default)]
struct Key<'a>(Cow<'a, str>);

impl<'de> DeserializeSeed<'de> for Key<'de> {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key<'de> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field name")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self, E> {
        Ok(Self(Cow::Borrowed(key)))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self, E> {
        Ok(Self(Cow::Owned(key.to_owned())))
    }
}

/// The elements of an array. Parsing continues after an invalid measure: a later syntax error
/// takes precedence.
struct Elements;

impl<'de> DeserializeSeed<'de> for Elements {
    type Value = Result<Vec<IncomingMeasure>, Rejection>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements {
    type Value = Result<Vec<IncomingMeasure>, Rejection>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of measures")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut measures = Vec::new();
        let mut rejection = None;
        let mut count = 0_usize;
        while let Some(fields) = seq.next_element_seed(Fields::default())? {
            if rejection.is_none() && count < MAX_MEASURES {
                match fields.read() {
                    Ok(measure) => measures.push(measure),
                    Err(refusal) => rejection = Some(refusal.at(Some(count))),
                }
            }
            count += 1;
        }
        if count > MAX_MEASURES {
            let detail = format!("the array holds {count} measures; a message may hold {MAX_MEASURES}");
            return Ok(Err(Rejection::new(RejectionReason::TooLarge, detail)));
        }
        Ok(rejection.map_or(Ok(measures), Err))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 1 << 20;
    const GOOD: &str =
        r#"{"experiment":"device-vibrations","measure":"hertz","value":2.2,"timestamp":1650000000}"#;

    fn rejection(body: impl AsRef<[u8]>) -> (RejectionReason, String) {
        let body = body.as_ref();
        let refusal = decode(body, LIMIT).expect_err(&String::from_utf8_lossy(body));
        (refusal.reason, refusal.detail)
    }

    #[test]
    fn a_message_is_read_with_each_field_in_its_place() {
        let message = decode(GOOD.as_bytes(), LIMIT).unwrap();
        let [measure] = message.measures.as_slice() else { panic!("one measure") };
        assert_eq!(measure.experiment.as_str(), "device-vibrations");
        assert_eq!(measure.measure_type.as_str(), "hertz");
        assert_eq!(measure.value.get().to_bits(), 2.2_f64.to_bits());
        assert_eq!(measure.timestamp.to_string(), "2022-04-15T05:20:00Z");
    }

    #[test]
    fn values_and_times_are_read_to_the_last_bit() {
        for text in
            ["0.1", "-0.0", "5e-324", "1.7976931348623157e308", "123456789012345678", "0.30000000000000004"]
        {
            let body = GOOD.replace("2.2", text);
            let message = decode(body.as_bytes(), LIMIT).unwrap();
            assert_eq!(
                message.measures[0].value.get().to_bits(),
                text.parse::<f64>().unwrap().to_bits(),
                "{text}"
            );
        }
        let body = GOOD.replace("1650000000", "1650000000.123456789");
        assert_eq!(
            decode(body.as_bytes(), LIMIT).unwrap().measures[0].timestamp.unix_nanos(),
            1_650_000_000_123_456_789
        );
    }

    #[test]
    fn other_fields_escapes_and_white_space_do_no_harm() {
        let body = " {\"extra\":{\"deep\":[1,{}]}, \"\\u0065xperiment\" : \" caf\\u00e9 \",\
                    \"measure\":\"hertz\",\"value\":1,\"timestamp\":\"2022-04-06T09:09:00+02:00\"}\n";
        let message = decode(body.as_bytes(), LIMIT).unwrap();
        assert_eq!(message.measures[0].experiment.as_str(), "café");
        assert_eq!(message.measures[0].timestamp.to_string(), "2022-04-06T07:09:00Z");
    }

    #[test]
    fn an_array_is_read_whole_or_refused_whole() {
        let body = format!("[{GOOD},{GOOD}]");
        assert_eq!(decode(body.as_bytes(), LIMIT).unwrap().measures.len(), 2);
        let body = format!("[{GOOD},{}]", GOOD.replace("2.2", "\"2.2\""));
        let (reason, detail) = rejection(body);
        assert_eq!(reason, RejectionReason::InvalidValue);
        assert!(detail.contains("measure 1") && detail.contains("`value`"), "{detail}");
    }

    #[test]
    fn an_array_of_up_to_ten_thousand_is_taken() {
        let short = r#"{"experiment":"e","measure":"m","value":1,"timestamp":1}"#;
        let array = |count: usize| format!("[{}]", vec![short; count].join(","));
        assert_eq!(decode(array(10_000).as_bytes(), LIMIT).unwrap().measures.len(), 10_000);
        assert_eq!(rejection(array(10_001)).0, RejectionReason::TooLarge);
    }

    #[test]
    fn a_body_over_the_limit_is_too_large_whatever_it_holds() {
        let refusal = decode(&[b'x'; 11], 10).unwrap_err();
        assert_eq!(refusal.reason, RejectionReason::TooLarge);
        assert!(decode(GOOD.as_bytes(), GOOD.len()).is_ok());
    }

    #[test]
    fn each_field_missing_is_named() {
        for field in ["experiment", "measure", "value", "timestamp"] {
            let mut object: serde_json::Map<_, _> = serde_json::from_str(GOOD).unwrap();
            object.remove(field);
            let (reason, detail) = rejection(serde_json::to_vec(&object).unwrap());
            assert_eq!(reason, RejectionReason::MissingField);
            assert!(detail.contains(&format!("`{field}`")), "{detail}");
        }
    }

    #[test]
    fn each_field_of_a_wrong_kind_is_named() {
        let long = format!("\"{}\"", "x".repeat(256));
        let bad_text =
            ["1", "null", "true", "[]", "{}", r#""""#, r#"" ""#, r#""a\u0000b""#, r#""\ud800""#, &long];
        let bad_value = ["null", "\"1\"", "true", "[]", "{}", "1e400", "-1e400"];
        let bad_time = [
            "null",
            "true",
            "[]",
            "{}",
            "-1",
            "1e99",
            "9223372037",
            "\"\"",
            "\"1650000000\"",
            "\"2022-04-06\"",
            "\"1969-12-31T23:59:59Z\"",
            "\"2263-01-01T00:00:00Z\"",
            r#""\ud800""#,
        ];
        let cases: [(&str, &str, &[&str], RejectionReason); 4] = [
            ("experiment", "\"device-vibrations\"", &bad_text, RejectionReason::InvalidValue),
            ("measure", "\"hertz\"", &bad_text, RejectionReason::InvalidValue),
            ("value", "2.2", &bad_value, RejectionReason::InvalidValue),
            ("timestamp", "1650000000", &bad_time, RejectionReason::InvalidTimestamp),
        ];
        for (field, good, bad, expected) in cases {
            for text in bad {
                let (reason, detail) = rejection(GOOD.replace(good, text));
                assert_eq!(reason, expected, "{field} {text}");
                assert!(detail.contains(&format!("`{field}`")), "{field} {text}: {detail}");
            }
        }
    }

    #[test]
    fn a_sensor_is_a_name_or_null_or_absent() {
        let sensor = |raw: &str| {
            let body = GOOD.replacen('{', &format!("{{\"sensor\":{raw},"), 1);
            decode(body.as_bytes(), LIMIT).map(|message| message.measures[0].sensor.clone())
        };
        let name = |name: &str| Some(SensorName::new(name).unwrap());
        assert_eq!(decode(GOOD.as_bytes(), LIMIT).unwrap().measures[0].sensor, None);
        assert_eq!(sensor("null").unwrap(), None);
        assert_eq!(sensor(r#"" oven \u00fc ""#).unwrap(), name("oven ü"));
        assert_eq!(sensor(&format!("\"{}\"", "é".repeat(255))).unwrap(), name(&"é".repeat(255)));
        let long = format!("\"{}\"", "x".repeat(256));
        for bad in [
            r#""""#,
            r#"" ""#,
            "1",
            "true",
            "[]",
            "{}",
            r#"".""#,
            r#""..""#,
            r#""a\u0000""#,
            r#""\ud800""#,
            &long,
        ] {
            let refusal = sensor(bad).unwrap_err();
            assert_eq!(refusal.reason, RejectionReason::InvalidValue, "{bad}");
            assert!(refusal.detail.contains("`sensor`"), "{bad}: {}", refusal.detail);
        }
    }

    #[test]
    fn what_is_not_json_is_malformed() {
        let deep = "[".repeat(100_000);
        let deep_field = GOOD.replace("2.2", &format!("2.2,\"x\":{}", "[".repeat(100_000)));
        for body in [
            "x",
            "nul",
            "{",
            "[",
            "[1]",
            "[[]]",
            "[null]",
            "5",
            "\"text\"",
            "null",
            "{}{}",
            "{\"value\":NaN}",
            "{\"value\":01}",
            "{'value':1}",
            "{\"value\":1,}",
            "\u{feff}{}",
            &deep,
            &deep_field,
            &format!("{GOOD}x"),
            &GOOD.replace("\"value\"", "\"value\":1,\"value\""),
            &GOOD.replace("2.2", "Infinity"),
            &format!("[{},x]", GOOD.replace("2.2", "null")),
        ] {
            assert_eq!(rejection(body).0, RejectionReason::MalformedJson, "{}", &body[..body.len().min(90)]);
        }
        assert_eq!(rejection(b"{\"x\":\"\xff\"}").0, RejectionReason::MalformedJson);
    }

    #[test]
    fn nothing_is_empty() {
        for body in ["", " \n", "[]", " [ ] "] {
            assert_eq!(rejection(body).0, RejectionReason::Empty, "{body:?}");
        }
    }

    #[test]
    fn reason_codes_are_read_back() {
        for reason in RejectionReason::ALL {
            assert_eq!(RejectionReason::from_code(reason.code()), Some(reason));
        }
        assert_eq!(RejectionReason::from_code("other"), None);
    }

    #[test]
    fn a_message_id_has_one_to_255_bytes() {
        assert!(MessageId::new(b"").is_none());
        assert!(MessageId::new(&[0xff; 255]).is_some());
        assert!(MessageId::new(&[0xff; 256]).is_none());
    }
}
