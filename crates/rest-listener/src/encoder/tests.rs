//! What is written in one format is read back from it, and is the same in all formats.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int8Type, Int32Type, TimestampNanosecondType, UInt64Type};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::StreamReader;
use mymonit_model::{
    ExperimentId, MeasureId, MeasureTypeId, MeasureTypeName, MeasureValue, SensorId, SensorName,
    StoredMeasure, Summary, Timestamp, UserId,
};
use mymonit_services::audit::Outcome;
use mymonit_services::audit::{AuditEvent, AuditLog};
use mymonit_services::{Bin, Records};
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value};

use super::*;

/// What was read back of a record: its texts, the sensor and the bits of its numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    texts: [String; 3],
    sensor: Option<String>,
    numbers: Vec<u64>,
}

struct NoAudit;

impl AuditLog for NoAudit {
    fn record(&self, _event: AuditEvent) {}
}

/// A chunk whose records have the measure types and sensors of these names.
fn chunk(
    names: &[(&MeasureTypeName, &Option<SensorName>)],
    records: impl FnOnce(&dyn Fn(usize) -> MeasureTypeId) -> Records,
) -> Chunk {
    let id = |index: usize| MeasureTypeId::new(u16::try_from(index).unwrap());
    let types = names.iter().enumerate().map(|(index, (name, _))| (id(index), (*name).clone()));
    let sensors = names
        .iter()
        .enumerate()
        .filter_map(|(index, (_, sensor))| Some((sensor_id(index, sensor)?, sensor.as_ref()?.clone())));
    Chunk::new(records(&id), Arc::new(types.collect()), sensors.collect())
}

/// The id of the sensor of a record.
fn sensor_id(index: usize, sensor: &Option<SensorName>) -> Option<SensorId> {
    sensor.as_ref().and_then(|_| SensorId::new(u32::try_from(index).unwrap() + 1))
}

fn encoder(
    format: Format,
    experiment: &ExperimentName,
    chunk: &Chunk,
    audit: Arc<dyn AuditLog>,
) -> MeasureEncoder {
    let access = AccessRecord::new(audit, UserId::new("S001").unwrap(), ExperimentId::new(1));
    let is_reduced = matches!(chunk.records, Records::Bins(_));
    MeasureEncoder::new(format, experiment, is_reduced, access).unwrap()
}

fn write_chunk(encoder: &mut MeasureEncoder, chunk: &Chunk, out: &mut Vec<u8>) {
    (0..).take_while(|index| encoder.record(chunk, *index, out).unwrap()).count();
}

/// The encoder of the chunks, before their end, and what it has written.
fn unfinished(
    format: Format,
    experiment: &ExperimentName,
    chunks: &[Chunk],
    audit: Arc<dyn AuditLog>,
) -> (MeasureEncoder, Vec<u8>) {
    let mut encoder = encoder(format, experiment, &chunks[0], audit);
    let mut out = Vec::new();
    encoder.begin(&mut out);
    for chunk in chunks {
        write_chunk(&mut encoder, chunk, &mut out);
    }
    (encoder, out)
}

fn bytes_written(format: Format, experiment: &ExperimentName, chunk: &Chunk) -> Vec<u8> {
    let (mut encoder, mut out) =
        unfinished(format, experiment, std::slice::from_ref(chunk), Arc::new(NoAudit));
    encoder.end(&mut out).unwrap();
    out
}

fn written(format: Format, experiment: &ExperimentName, chunk: &Chunk) -> String {
    String::from_utf8(bytes_written(format, experiment, chunk)).unwrap()
}

fn of_object(object: &Map<String, Value>, numbers: &[&str]) -> Row {
    let mut names = vec!["experiment", "measure_type", "timestamp"];
    let texts = [0, 1, 2].map(|index: usize| object[names[index]].as_str().unwrap().to_owned());
    names.extend(numbers);
    let sensor = object.get("sensor").map(|sensor| sensor.as_str().unwrap().to_owned());
    assert_eq!(object.len(), names.len() + usize::from(sensor.is_some()));
    Row {
        texts,
        sensor,
        numbers: numbers.iter().map(|name| object[*name].as_f64().unwrap().to_bits()).collect(),
    }
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
    assert_eq!(header.iter().skip(3).collect::<Vec<_>>(), [numbers, &["sensor"]].concat());
    let row = |record: ::csv::StringRecord| Row {
        texts: [0, 1, 2].map(|index| record[index].to_owned()),
        sensor: Some(record[3 + numbers.len()].to_owned()).filter(|name| !name.is_empty()),
        numbers: record
            .iter()
            .skip(3)
            .take(numbers.len())
            .map(|number| number.parse::<f64>().unwrap().to_bits())
            .collect(),
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

/// The text in that row of a dictionary column.
fn text(column: &ArrayRef, row: usize) -> String {
    let dictionary = match column.as_dictionary_opt::<Int8Type>() {
        Some(experiments) => {
            experiments.downcast_dict::<arrow_array::StringArray>().unwrap().into_iter().nth(row)
        }
        None => {
            let names = column.as_dictionary::<Int32Type>();
            names.downcast_dict::<arrow_array::StringArray>().unwrap().into_iter().nth(row)
        }
    };
    dictionary.unwrap().unwrap().to_owned()
}

fn rows(batch: &RecordBatch, numbers: &[&str]) -> Vec<Row> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let number = |name: &str, row: usize| match column(name).as_primitive_opt::<UInt64Type>() {
        Some(counts) => counts.value(row) as f64,
        None => column(name).as_primitive::<Float64Type>().value(row),
    };
    let timestamps = column("timestamp").as_primitive::<TimestampNanosecondType>();
    assert_eq!(timestamps.timezone(), Some("UTC"));
    let row = |row| {
        let timestamp = Timestamp::from_unix_nanos(timestamps.value(row)).unwrap().to_string();
        Row {
            texts: [text(column("experiment"), row), text(column("measure_type"), row), timestamp],
            sensor: (!column("sensor").is_null(row)).then(|| text(column("sensor"), row)),
            numbers: numbers.iter().map(|name| number(name, row).to_bits()).collect(),
        }
    };
    (0..batch.num_rows()).map(row).collect()
}

fn read_arrow(document: &[u8], numbers: &[&str]) -> Vec<Row> {
    let reader = StreamReader::try_new(document, None).unwrap();
    let schema = reader.schema();
    let names: Vec<_> = schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, [&["experiment", "measure_type", "timestamp"], numbers, &["sensor"]].concat());
    reader.flat_map(|batch| rows(&batch.unwrap(), numbers)).collect()
}

/// Reads the records back from every format, which have to agree.
fn read_back(experiment: &ExperimentName, chunk: &Chunk, numbers: &[&str]) -> Vec<Row> {
    let json = read_json(&written(Format::Json, experiment, chunk), numbers);
    let ndjson = read_ndjson(&written(Format::Ndjson, experiment, chunk), numbers);
    let csv = read_csv(&written(Format::Csv, experiment, chunk), numbers);
    assert_eq!(json, ndjson);
    assert_eq!(json, csv);
    assert_eq!(json, read_arrow(&bytes_written(Format::Arrow, experiment, chunk), numbers));
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

fn any_type() -> impl Strategy<Value = MeasureTypeName> {
    any_name().prop_map(|name| MeasureTypeName::new(&name).unwrap())
}

fn any_sensor() -> impl Strategy<Value = Option<SensorName>> {
    // An empty name could not be distinguished from no name in CSV.
    proptest::option::of(any_name().prop_filter_map("a sensor", |name| SensorName::new(&name).ok()))
}

fn measure(measure_type: MeasureTypeId, timestamp: Timestamp, value: f64) -> StoredMeasure {
    StoredMeasure {
        id: MeasureId::new(1),
        measure_type,
        sensor: None,
        timestamp,
        value: MeasureValue::new(value).unwrap(),
    }
}

fn measures(measures: &[(MeasureTypeName, Timestamp, f64, Option<SensorName>)]) -> Chunk {
    let names: Vec<_> = measures.iter().map(|(name, _, _, sensor)| (name, sensor)).collect();
    chunk(&names, |id| {
        let measure = |(index, (_, timestamp, value, sensor)): (usize, &(_, _, _, _))| StoredMeasure {
            sensor: sensor_id(index, sensor),
            ..measure(id(index), *timestamp, *value)
        };
        Records::Measures(measures.iter().enumerate().map(measure).collect())
    })
}

fn any_summary() -> impl Strategy<Value = Summary> {
    vec(any_double(), 1..4).prop_map(|values| {
        let summaries = values.into_iter().map(Summary::of);
        summaries
            .reduce(|mut one, other| {
                one.merge(&other);
                one
            })
            .unwrap()
    })
}

proptest! {
    #[test]
    fn every_format_holds_the_same_measures_to_the_bit(
        experiment in any_name(), records in vec((any_type(), any_moment(), any_double(), any_sensor()), 0..20)
    ) {
        let experiment = ExperimentName::new(&experiment).unwrap();
        let row = |(name, timestamp, value, sensor): &(_, _, f64, Option<SensorName>)| Row {
            texts: texts(&experiment, name, *timestamp),
            sensor: sensor.as_ref().map(ToString::to_string),
            numbers: vec![value.to_bits()],
        };
        let expected: Vec<_> = records.iter().map(row).collect();
        prop_assert_eq!(read_back(&experiment, &measures(&records), MEASURE), expected);
    }

    #[test]
    fn every_format_holds_the_same_bins_to_the_bit(
        experiment in any_name(), records in vec((any_type(), any_moment(), any_summary(), any_sensor()), 0..20)
    ) {
        let experiment = ExperimentName::new(&experiment).unwrap();
        let row = |(name, start, summary, sensor): &(_, _, Summary, Option<SensorName>)| {
            let sensor = sensor.as_ref().map(ToString::to_string);
            let numbers =
                [summary.count() as f64, summary.min(), summary.max(), summary.mean(), summary.std()];
            Row { texts: texts(&experiment, name, *start), sensor, numbers: numbers.map(f64::to_bits).into() }
        };
        let expected: Vec<_> = records.iter().map(row).collect();
        let names: Vec<_> = records.iter().map(|(name, _, _, sensor)| (name, sensor)).collect();
        let bins = chunk(&names, |id| {
            let bin = |(index, (_, start, summary, sensor)): (usize, &(_, _, _, _))| Bin {
                start: *start,
                measure_type: id(index),
                sensor: sensor_id(index, sensor),
                summary: *summary,
            };
            Records::Bins(records.iter().enumerate().map(bin).collect())
        });
        prop_assert_eq!(read_back(&experiment, &bins, BIN), expected);
    }
}

fn example() -> (ExperimentName, Chunk) {
    let record = |measure_type: &str, nanos, value| {
        (MeasureTypeName::new(measure_type).unwrap(), Timestamp::from_unix_nanos(nanos).unwrap(), value, None)
    };
    let chunk = measures(&[
        record("hertz", 1_649_228_940_000_000_000, 120.0),
        record("degree Celsius", 1_649_228_940_500_000_000, -1e-7),
    ]);
    (ExperimentName::new("say \"cheese\", 2").unwrap(), chunk)
}

#[test]
fn measures_look_like_this() {
    let (experiment, chunk) = example();
    let objects = [
        r#"{"experiment":"say \"cheese\", 2","measure_type":"hertz","timestamp":"2022-04-06T07:09:00Z","value":120.0}"#,
        r#"{"experiment":"say \"cheese\", 2","measure_type":"degree Celsius","timestamp":"2022-04-06T07:09:00.5Z","value":-1e-7}"#,
    ];
    assert_eq!(written(Format::Json, &experiment, &chunk), format!("[{}]", objects.join(",")));
    assert_eq!(
        written(Format::Ndjson, &experiment, &chunk),
        objects.map(|object| format!("{object}\n")).concat()
    );
    assert_eq!(
        written(Format::Csv, &experiment, &chunk),
        "experiment,measure_type,timestamp,value,sensor\r\n\
         \"say \"\"cheese\"\", 2\",hertz,2022-04-06T07:09:00Z,120.0,\r\n\
         \"say \"\"cheese\"\", 2\",degree Celsius,2022-04-06T07:09:00.5Z,-1e-7,\r\n"
    );
}

#[test]
fn a_sensor_comes_last() {
    let (experiment, _) = example();
    let at = Timestamp::from_unix_nanos(1_649_228_940_000_000_000).unwrap();
    let hertz = MeasureTypeName::new("hertz").unwrap();
    let chunk = measures(&[(hertz, at, 1.0, Some(SensorName::new("oven, \"left\"").unwrap()))]);
    assert_eq!(
        written(Format::Ndjson, &experiment, &chunk),
        "{\"experiment\":\"say \\\"cheese\\\", 2\",\"measure_type\":\"hertz\",\"timestamp\":\"2022-04-06T07:09:00Z\",\
         \"value\":1.0,\"sensor\":\"oven, \\\"left\\\"\"}\n"
    );
    let csv = written(Format::Csv, &experiment, &chunk);
    assert!(csv.ends_with("07:09:00Z,1.0,\"oven, \"\"left\"\"\"\r\n"), "{csv}");
}

#[test]
fn nothing_is_an_empty_document_of_its_format() {
    let (experiment, _) = example();
    let nothing = measures(&[]);
    assert_eq!(written(Format::Json, &experiment, &nothing), "[]");
    assert_eq!(written(Format::Ndjson, &experiment, &nothing), "");
    assert_eq!(
        written(Format::Csv, &experiment, &chunk(&[], |_| Records::Bins(Vec::new()))),
        "experiment,measure_type,timestamp,count,min,max,mean,std,sensor\r\n"
    );
}

#[test]
fn a_measure_of_an_unknown_type_is_an_error() {
    let (experiment, _) = example();
    let unknown = chunk(&[], |id| Records::Measures(vec![measure(id(0), Timestamp::UNIX_EPOCH, 1.0)]));
    for format in [Format::Json, Format::Arrow] {
        let mut encoder = encoder(format, &experiment, &unknown, Arc::new(NoAudit));
        assert!(matches!(encoder.record(&unknown, 0, &mut Vec::new()), Err(ServiceError::Internal(_))));
    }
}

#[test]
fn text_that_looks_like_a_formula_is_left_as_it_is() {
    let (_, chunk) = example();
    let experiment = ExperimentName::new("=1+1").unwrap();
    let csv = written(Format::Csv, &experiment, &chunk);
    assert_eq!(csv.lines().nth(1).unwrap(), "=1+1,hertz,2022-04-06T07:09:00Z,120.0,");
}

/// Chunks of that many measures in all, each measure of a type that did not occur before.
fn chunks_of_ever_new_types(measures_in_all: u16) -> Vec<Chunk> {
    let ids: Vec<_> = (1..=measures_in_all).map(MeasureTypeId::new).collect();
    let name = |id: &MeasureTypeId| (*id, MeasureTypeName::new(&format!("type {}", id.get())).unwrap());
    let names: Arc<HashMap<_, _>> = Arc::new(ids.iter().map(name).collect());
    let record = |id: &MeasureTypeId| measure(*id, Timestamp::UNIX_EPOCH, f64::from(id.get()));
    let chunk = |ids: &[MeasureTypeId]| {
        Chunk::new(Records::Measures(ids.iter().map(record).collect()), names.clone(), HashMap::new())
    };
    ids.chunks(4_000).map(chunk).collect()
}

#[derive(Default)]
struct Events(std::sync::Mutex<Vec<(Outcome, Option<u64>)>>);

impl AuditLog for Events {
    fn record(&self, event: AuditEvent) {
        self.0.lock().unwrap().push((event.outcome, event.measures));
    }
}

#[test]
fn dictionaries_grow_from_batch_to_batch() {
    let (experiment, _) = example();
    let chunks = chunks_of_ever_new_types(20_000);
    let events = Arc::new(Events::default());
    let (mut encoder, mut out) = unfinished(Format::Arrow, &experiment, &chunks, events.clone());
    encoder.end(&mut out).unwrap();
    let read = read_arrow(&out, MEASURE);
    assert_eq!(read.len(), 20_000);
    for (row, number) in read.iter().zip(1..) {
        assert_eq!((&row.texts[1], row.numbers[0]), (&format!("type {number}"), f64::from(number).to_bits()));
    }
    drop(encoder);
    assert_eq!(*events.0.lock().unwrap(), [(Outcome::Success, Some(20_000))]);
}

#[test]
fn a_failed_arrow_stream_has_no_end_marker_and_counts_what_was_written() {
    const END: &[u8] = &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0];
    let (experiment, chunk) = example();
    let whole = bytes_written(Format::Arrow, &experiment, &chunk);
    assert!(whole.ends_with(END));
    let chunks = chunks_of_ever_new_types(12_000);
    let events = Arc::new(Events::default());
    let (mut encoder, out) = unfinished(Format::Arrow, &experiment, &chunks, events.clone());
    encoder.fail();
    drop(encoder);
    assert!(!out.windows(END.len()).any(|bytes| bytes == END));
    assert_eq!(*events.0.lock().unwrap(), [(Outcome::Failure, Some(8_192))]);
}
