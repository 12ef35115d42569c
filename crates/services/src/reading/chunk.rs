use std::collections::HashMap;
use std::sync::Arc;

use futures::stream::BoxStream;
use mymonit_model::{MeasureTypeId, MeasureTypeName, SensorId, SensorName, StoredMeasure};

use crate::ports::SensorStore;
use crate::reduction::{Bin, SeriesKey};
use crate::{MeasureTypeService, ServiceError};

/// The chunks of a reading.
pub type Chunks = BoxStream<'static, Result<Chunk, ServiceError>>;

/// Measures or bins in the order of the reading.
pub struct Chunk {
    /// What the chunk holds.
    pub records: Records,
    names: MeasureTypeNames,
    sensors: HashMap<SensorId, SensorName>,
}

/// The names of measure types.
type MeasureTypeNames = Arc<HashMap<MeasureTypeId, MeasureTypeName>>;

/// What a chunk holds.
pub enum Records {
    /// Unreduced.
    Measures(Vec<StoredMeasure>),
    /// In the order of their starts; those of one start by measure type id, then sensor id, none
    /// first.
    Bins(Vec<Bin>),
}

impl Chunk {
    /// Makes a chunk whose measure types and sensors have these names.
    pub const fn new(
        records: Records,
        names: MeasureTypeNames,
        sensors: HashMap<SensorId, SensorName>,
    ) -> Self {
        Self { records, names, sensors }
    }

    /// The name of a sensor of the chunk.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the storage does not know the sensor.
    pub fn sensor(&self, id: SensorId) -> Result<&SensorName, ServiceError> {
        self.sensors.get(&id).ok_or_else(|| unknown("sensor", id.get()))
    }

    /// The name of a measure type of the chunk.
    ///
    /// # Errors
    /// [`ServiceError::Internal`] if the storage does not know the type.
    pub fn measure_type(&self, id: MeasureTypeId) -> Result<&MeasureTypeName, ServiceError> {
        self.names.get(&id).ok_or_else(|| unknown("measure type", id.get().into()))
    }
}

fn unknown(what: &str, id: u32) -> ServiceError {
    let cause = format!("measures refer to the unknown {what} {id}");
    ServiceError::Internal(Arc::from(Box::<dyn std::error::Error + Send + Sync>::from(cause)))
}

/// The names that records refer to by ids.
#[derive(Clone)]
pub(crate) struct Dictionary {
    pub(crate) measure_types: Arc<dyn MeasureTypeService>,
    pub(crate) sensors: Arc<dyn SensorStore>,
}

/// The records with the names of their measure types and sensors.
pub(super) async fn chunk(dictionary: Dictionary, records: Records) -> Result<Chunk, ServiceError> {
    let (types, sensors) = match &records {
        Records::Measures(measures) => ids(measures, |each| (each.measure_type, each.sensor)),
        Records::Bins(bins) => ids(bins, Bin::series),
    };
    let names = dictionary.measure_types.names_by_id(&types).await?;
    let sensors =
        if sensors.is_empty() { HashMap::new() } else { dictionary.sensors.names_by_id(&sensors).await? };
    Ok(Chunk::new(records, names, sensors))
}

/// The ids in the records, each once.
fn ids<T>(records: &[T], series: impl Fn(&T) -> SeriesKey) -> (Vec<MeasureTypeId>, Vec<SensorId>) {
    let mut types: Vec<_> = records.iter().map(|record| series(record).0).collect();
    types.sort_unstable();
    types.dedup();
    let mut sensors: Vec<_> = records.iter().filter_map(|record| series(record).1).collect();
    sensors.sort_unstable();
    sensors.dedup();
    (types, sensors)
}
