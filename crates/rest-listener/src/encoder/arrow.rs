//! Measures and bins as an Arrow IPC stream: a schema, dictionaries, record batches and an end
//! marker.
//!
//! Names are dictionaries. A batch with new names is preceded by the whole dictionary, since Polars
//! reads no deltas.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int8Array, Int32Array, RecordBatch, StringArray,
    TimestampNanosecondArray, UInt64Array,
};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef, TimeUnit};
use mymonit_model::{ExperimentName, MeasureTypeId, SensorId, Timestamp};
use mymonit_services::{AccessRecord, Chunk, Records, ServiceError};

use super::{BIN, MEASURE};
use crate::streaming::Encoder;

/// Rows of a record batch, except for the last one: 170 kB of measures.
const BATCH: usize = 8_192;
const UTC: &str = "UTC";

/// Writes the chunks of one reading, and counts its measures.
pub(crate) struct ArrowEncoder {
    /// What it has written is moved on after each message.
    writer: StreamWriter<Vec<u8>>,
    schema: SchemaRef,
    /// The dictionary of the experiment: its name.
    experiment: ArrayRef,
    measure_types: NameColumn<MeasureTypeId>,
    sensors: NameColumn<SensorId>,
    timestamps: Vec<i64>,
    numbers: Numbers,
    /// Measures in the current batch.
    measures: u64,
    access: AccessRecord,
}

/// The number columns of the current batch.
enum Numbers {
    Measures(Vec<f64>),
    Bins { count: Vec<u64>, others: [Vec<f64>; 4] },
}

impl ArrowEncoder {
    pub(super) fn new(
        experiment: &ExperimentName,
        is_reduced: bool,
        access: AccessRecord,
    ) -> Result<Self, ServiceError> {
        let schema = Arc::new(schema(is_reduced));
        let numbers = match is_reduced {
            false => Numbers::Measures(Vec::new()),
            true => Numbers::Bins { count: Vec::new(), others: Default::default() },
        };
        Ok(Self {
            writer: StreamWriter::try_new(Vec::new(), &schema).map_err(internal)?,
            schema,
            experiment: Arc::new(StringArray::from_iter_values([experiment.as_str()])),
            measure_types: NameColumn::default(),
            sensors: NameColumn::default(),
            timestamps: Vec::new(),
            numbers,
            measures: 0,
            access,
        })
    }

    /// Adds the columns that measures and bins have in common.
    fn push(
        &mut self,
        chunk: &Chunk,
        (measure_type, sensor, timestamp): (MeasureTypeId, Option<SensorId>, Timestamp),
    ) -> Result<(), ServiceError> {
        self.measure_types.push(measure_type, || Ok(chunk.measure_type(measure_type)?.as_str()))?;
        match sensor {
            Some(sensor) => self.sensors.push(sensor, || Ok(chunk.sensor(sensor)?.as_str()))?,
            None => self.sensors.keys.push(NO_NAME),
        }
        self.timestamps.push(timestamp.unix_nanos());
        Ok(())
    }

    /// Writes the current batch, if it has rows.
    fn write_batch(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError> {
        if self.timestamps.is_empty() {
            return Ok(());
        }
        let batch = self.batch().map_err(internal)?;
        self.writer.write(&batch).map_err(internal)?;
        self.access.count(std::mem::take(&mut self.measures));
        out.append(self.writer.get_mut());
        Ok(())
    }

    fn batch(&mut self) -> Result<RecordBatch, ArrowError> {
        let experiments = Int8Array::from(vec![0; self.timestamps.len()]);
        let timestamps = TimestampNanosecondArray::from(take(&mut self.timestamps)).with_timezone(UTC);
        let mut columns: Vec<ArrayRef> = vec![
            Arc::new(DictionaryArray::<Int8Type>::try_new(experiments, self.experiment.clone())?),
            self.measure_types.column()?,
            Arc::new(timestamps),
        ];
        let float = |values: &mut Vec<f64>| -> ArrayRef { Arc::new(Float64Array::from(take(values))) };
        match &mut self.numbers {
            Numbers::Measures(values) => columns.push(float(values)),
            Numbers::Bins { count, others } => {
                columns.push(Arc::new(UInt64Array::from(take(count))));
                columns.extend(others.iter_mut().map(float));
            }
        }
        columns.push(self.sensors.column()?);
        RecordBatch::try_new(self.schema.clone(), columns)
    }
}

impl Encoder for ArrowEncoder {
    type Chunk = Chunk;

    fn begin(&mut self, out: &mut Vec<u8>) {
        out.append(self.writer.get_mut());
    }

    fn record(&mut self, chunk: &Chunk, index: usize, out: &mut Vec<u8>) -> Result<bool, ServiceError> {
        match (&chunk.records, &mut self.numbers) {
            (Records::Measures(measures), Numbers::Measures(values)) => {
                let Some(measure) = measures.get(index) else { return Ok(false) };
                values.push(measure.value.get());
                self.measures += 1;
                self.push(chunk, (measure.measure_type, measure.sensor, measure.timestamp))?;
            }
            (Records::Bins(bins), Numbers::Bins { count, others }) => {
                let Some(bin) = bins.get(index) else { return Ok(false) };
                let numbers = [bin.summary.min(), bin.summary.max(), bin.summary.mean(), bin.summary.std()];
                count.push(bin.summary.count());
                others.iter_mut().zip(numbers).for_each(|(column, number)| column.push(number));
                self.measures += bin.summary.count();
                self.push(chunk, (bin.measure_type, bin.sensor, bin.start))?;
            }
            _ => return Err(internal(ArrowError::SchemaError("measures among bins".to_owned()))),
        }
        if self.timestamps.len() == BATCH {
            self.write_batch(out)?;
        }
        Ok(true)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), ServiceError> {
        self.write_batch(out)?;
        self.writer.finish().map_err(internal)?;
        out.append(self.writer.get_mut());
        self.access.complete();
        Ok(())
    }

    fn fail(&mut self) {
        self.access.fail();
    }
}

/// The key of a row without a name.
const NO_NAME: i32 = -1;

/// A column of names: numbers of entries of a dictionary, which grows.
struct NameColumn<Id> {
    entries: HashMap<Id, i32>,
    names: Vec<String>,
    /// The dictionary, rebuilt once it has grown.
    dictionary: ArrayRef,
    /// The rows of the current batch.
    keys: Vec<i32>,
    /// Rows of one series often follow each other.
    last: Option<(Id, i32)>,
}

impl<Id> Default for NameColumn<Id> {
    fn default() -> Self {
        let dictionary = Arc::new(StringArray::from_iter_values::<&str, _>([]));
        Self { entries: HashMap::new(), names: Vec::new(), dictionary, keys: Vec::new(), last: None }
    }
}

impl<Id: Copy + Eq + Hash> NameColumn<Id> {
    fn push<'a>(
        &mut self,
        id: Id,
        name: impl FnOnce() -> Result<&'a str, ServiceError>,
    ) -> Result<(), ServiceError> {
        let key = match self.last {
            Some((last, key)) if last == id => key,
            _ => match self.entries.get(&id) {
                Some(key) => *key,
                None => {
                    let key = i32::try_from(self.names.len())
                        .map_err(|_| internal(ArrowError::DictionaryKeyOverflowError))?;
                    self.names.push(name()?.to_owned());
                    self.entries.insert(id, key);
                    key
                }
            },
        };
        self.last = Some((id, key));
        self.keys.push(key);
        Ok(())
    }

    fn column(&mut self) -> Result<ArrayRef, ArrowError> {
        if self.dictionary.len() < self.names.len() {
            self.dictionary = Arc::new(StringArray::from_iter_values(&self.names));
        }
        let keys = take(&mut self.keys);
        let keys = match keys.contains(&NO_NAME) {
            false => Int32Array::from(keys),
            true => keys.into_iter().map(|key| (key != NO_NAME).then_some(key)).collect(),
        };
        Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys, self.dictionary.clone())?))
    }
}

fn schema(is_reduced: bool) -> Schema {
    let names = |name, key| Field::new_dictionary(name, key, DataType::Utf8, name == "sensor");
    let mut fields = vec![
        names("experiment", DataType::Int8),
        names("measure_type", DataType::Int32),
        Field::new("timestamp", DataType::Timestamp(TimeUnit::Nanosecond, Some(UTC.into())), false),
    ];
    let numbers = if is_reduced { BIN } else { MEASURE };
    fields.extend(numbers.iter().map(|name| match *name {
        "count" => Field::new(*name, DataType::UInt64, false),
        _ => Field::new(*name, DataType::Float64, false),
    }));
    fields.push(names("sensor", DataType::Int32));
    Schema::new(fields)
}

/// Empties a column. The next batch will be as long.
fn take<T>(column: &mut Vec<T>) -> Vec<T> {
    let empty = Vec::with_capacity(column.len());
    std::mem::replace(column, empty)
}

fn internal(error: ArrowError) -> ServiceError {
    ServiceError::Internal(Arc::new(error))
}
