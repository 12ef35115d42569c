//! The formats beside each other: what is written in one is read back from it, and is the same in all.

use mymonit_model::{ExperimentName, MeasureTypeName, MeasureValue, Timestamp};
use mymonit_services::{NamedBin, NamedMeasure};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// What was read back of a record: its texts, and the bits of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    texts: [String; 3],
    numbers: Vec<u64>,
}

fn written<E: Encoder>(mut encoder: E, records: &[E::Item]) -> String {
    let mut out = Vec::new();
    encoder.begin(&mut out);
    records.iter().for_each(|record| encoder.item(record, &mut out));
    encoder.end(&mut out);
    String::from_utf8(out).unwrap()
}

fn of_object(object: &Map<String, Value>, numbers: &[&str]) -> Row {
    let mut names = vec!["experiment", "measure_type", "timestamp"];
    let texts = [0, 1, 2].map(|index: usize| object[names[index]].as_str().unwrap().to_owned());
    names.extend(numbers);
    assert_eq!(object.len(), names.len());
    Row { texts, numbers: numbers.iter().map(|name| object[*name].as_f64().unwrap().to_bits()).collect() }
}

fn read_json(document: &str, numbers: &[&str]) -> Vec<Row> {
    let objects: Vec<Map<String, Value>> = serde_json::from_str(document).unwrap();
    objects.iter().map(|object| of_object(object, numbers)).collect()
}

fn read_ndjson(document: &str, numbers: &[&str]) -> Vec<Row> {
    assert!(document.is_empty() || document.ends_with('\n'));
    document.lines().map(|line| of_object(&serde_json::from_str(line).unwrap(), numbers)).collect()
}

fn read_csv(document: &str, numbers: &[&str]) -> Vec<Row> {
    assert!(document.ends_with("\r\n") && document.matches('\n').count() == document.matches("\r\n").count());
    let mut reader = ::csv::Reader::from_reader(document.as_bytes());
    let header = reader.headers().unwrap();
    assert_eq!(header.iter().take(3).collect::<Vec<_>>(), ["experiment", "measure_type", "timestamp"]);
    assert_eq!(header.iter().skip(3).collect::<Vec<_>>(), numbers);
    let row = |record: ::csv::StringRecord| Row {
        texts: [0, 1, 2].map(|index| record[index].to_owned()),
        numbers: record.iter().skip(3).map(|number| number.parse::<f64>().unwrap().to_bits()).collect(),
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// Reads the records back from every format, which have to agree.
fn read_back<R: Record>(experiment: &ExperimentName, records: &[R]) -> Vec<Row> {
    let json = read_json(&written(JsonEncoder::<R>::new(experiment), records), R::NUMBERS);
    let ndjson = read_ndjson(&written(NdjsonEncoder::<R>::new(experiment), records), R::NUMBERS);
    let csv = read_csv(&written(CsvEncoder::<R>::new(experiment), records), R::NUMBERS);
    assert_eq!(json, ndjson);
    assert_eq!(json, csv);
    json
}

fn texts(experiment: &ExperimentName, measure_type: &MeasureTypeName, timestamp: Timestamp) -> [String; 3] {
    [experiment.to_string(), measure_type.to_string(), timestamp.to_string()]
}

/// Text of the kinds that a format could stumble over.
fn any_name() -> impl Strategy<Value = String> {
    let hard = prop_oneof![
        Just("\"".to_owned()),
        Just(",".to_owned()),
        Just("\\".to_owned()),
        Just("=1+1".to_owned()),
        Just("\u{2028}".to_owned()),
        Just("黒穴 Ω".to_owned()),
        Just(" ; ' ".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    vec(hard, 1..6)
        .prop_map(|parts| parts.concat())
        .prop_filter("a name", |name| ExperimentName::new(name).is_ok())
}

fn any_double() -> impl Strategy<Value = f64> {
    let wild = any::<u64>().prop_map(f64::from_bits).prop_filter("finite", |value| value.is_finite());
    let special = prop_oneof![
        Just(0.0),
        Just(-0.0),
        Just(5e-324),
        Just(-2.225_073_858_507_201e-308),
        Just(f64::MIN_POSITIVE),
        Just(f64::MAX),
        Just(f64::MIN),
        Just(9_007_199_254_740_993.0),
        Just(0.300_000_000_000_000_04),
        Just(1e21),
    ];
    prop_oneof![wild, special, -1e6..1e6_f64]
}

fn any_moment() -> impl Strategy<Value = Timestamp> {
    let nanos = prop_oneof![
        0..=i64::MAX,
        Just(0),
        Just(1),
        Just(i64::MAX),
        (0..4_000_000_000_i64).prop_map(|seconds| seconds * 1_000_000_000),
    ];
    nanos.prop_map(|nanos| Timestamp::from_unix_nanos(nanos).unwrap())
}

fn any_measure() -> impl Strategy<Value = NamedMeasure> {
    (any_name(), any_moment(), any_double()).prop_map(|(name, timestamp, value)| NamedMeasure {
        measure_type: MeasureTypeName::new(&name).unwrap(),
        timestamp,
        value: MeasureValue::new(value).unwrap(),
    })
}

fn any_bin() -> impl Strategy<Value = NamedBin> {
    let numbers = (1..1_u64 << 53, any_double(), any_double(), any_double(), any_double());
    (any_name(), any_moment(), numbers).prop_map(|(name, timestamp, (count, min, max, mean, std))| NamedBin {
        measure_type: MeasureTypeName::new(&name).unwrap(),
        timestamp,
        count,
        min,
        max,
        mean,
        std,
    })
}

proptest! {
    #[test]
    fn every_format_holds_the_same_measures_to_the_bit(
        experiment in any_name(), measures in vec(any_measure(), 0..20)
    ) {
        let experiment = ExperimentName::new(&experiment).unwrap();
        let expected: Vec<_> = measures
            .iter()
            .map(|measure| Row {
                texts: texts(&experiment, &measure.measure_type, measure.timestamp),
                numbers: vec![measure.value.get().to_bits()],
            })
            .collect();
        prop_assert_eq!(read_back(&experiment, &measures), expected);
    }

    #[test]
    fn every_format_holds_the_same_bins_to_the_bit(experiment in any_name(), bins in vec(any_bin(), 0..20)) {
        let experiment = ExperimentName::new(&experiment).unwrap();
        let row = |bin: &NamedBin| Row {
            texts: texts(&experiment, &bin.measure_type, bin.timestamp),
            numbers: [bin.count as f64, bin.min, bin.max, bin.mean, bin.std].map(f64::to_bits).into(),
        };
        let expected: Vec<_> = bins.iter().map(row).collect();
        prop_assert_eq!(read_back(&experiment, &bins), expected);
    }
}

fn example() -> (ExperimentName, [NamedMeasure; 2]) {
    let measure = |measure_type: &str, nanos, value| NamedMeasure {
        measure_type: MeasureTypeName::new(measure_type).unwrap(),
        timestamp: Timestamp::from_unix_nanos(nanos).unwrap(),
        value: MeasureValue::new(value).unwrap(),
    };
    let measures = [
        measure("hertz", 1_649_228_940_000_000_000, 120.0),
        measure("degree Celsius", 1_649_228_940_500_000_000, -1e-7),
    ];
    (ExperimentName::new("say \"cheese\", 2").unwrap(), measures)
}

#[test]
fn measures_look_like_this() {
    let (experiment, measures) = example();
    assert_eq!(
        written(JsonEncoder::new(&experiment), &measures[..1]),
        r#"[{"experiment":"say \"cheese\", 2","measure_type":"hertz","timestamp":"2022-04-06T07:09:00Z","value":120.0}]"#
    );
    assert_eq!(
        written(NdjsonEncoder::new(&experiment), &measures).lines().nth(1).unwrap(),
        r#"{"experiment":"say \"cheese\", 2","measure_type":"degree Celsius","timestamp":"2022-04-06T07:09:00.5Z","value":-1e-7}"#
    );
    assert_eq!(
        written(CsvEncoder::new(&experiment), &measures),
        "experiment,measure_type,timestamp,value\r\n\
         \"say \"\"cheese\"\", 2\",hertz,2022-04-06T07:09:00Z,120.0\r\n\
         \"say \"\"cheese\"\", 2\",degree Celsius,2022-04-06T07:09:00.5Z,-1e-7\r\n"
    );
}

#[test]
fn nothing_is_an_empty_document_of_its_format() {
    let (experiment, _) = example();
    assert_eq!(written(JsonEncoder::<NamedMeasure>::new(&experiment), &[]), "[]");
    assert_eq!(written(NdjsonEncoder::<NamedMeasure>::new(&experiment), &[]), "");
    assert_eq!(
        written(CsvEncoder::<NamedBin>::new(&experiment), &[]),
        "experiment,measure_type,timestamp,count,min,max,mean,std\r\n"
    );
}

#[test]
fn text_that_looks_like_a_formula_is_left_as_it_is() {
    let (_, measures) = example();
    let experiment = ExperimentName::new("=1+1").unwrap();
    let csv = written(CsvEncoder::new(&experiment), &measures[..1]);
    assert_eq!(csv.lines().nth(1).unwrap(), "=1+1,hertz,2022-04-06T07:09:00Z,120.0");
}
