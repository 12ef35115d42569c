use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{Description, ExperimentId, Sensor, SensorId, SensorName};
use mymonit_services::ports::{SensorStore, Series, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::error::Fault;
use crate::sizes::{MAX_ROWS, padded, repeated};
use crate::{decode, new_sensors};

/// The sensors and series.
#[derive(Component)]
#[shaku(interface = SensorStore)]
pub struct SqlSensorStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl SensorStore for SqlSensorStore {
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Sensor>, StorageError> {
        const LIST: &str = "SELECT ID, NAME, DESCRIPTION FROM SENSORS WHERE EXPERIMENT_ID = ? ORDER BY ID";
        self.database.rows(LIST, [experiment_id.get().into()], decode::sensor).await
    }

    async fn ids_by_name(
        &self,
        experiment_id: ExperimentId,
        names: &[SensorName],
    ) -> Result<HashMap<SensorName, SensorId>, StorageError> {
        let known = self.database.database().known_sensors();
        let ids = known.ids(names.iter().map(|name| Some((experiment_id, name))));
        let mut ids: HashMap<_, _> =
            names.iter().zip(ids).filter_map(|(name, id)| Some((name.clone(), id?))).collect();
        let missing: Vec<_> = names.iter().filter(|name| !ids.contains_key(*name)).cloned().collect();
        if !missing.is_empty() {
            let found = self.database.read(move |mut connection| {
                async move { new_sensors::find(&mut connection, experiment_id, &missing).await }.boxed()
            });
            let found = found.await?;
            ids.extend(found.iter().map(|(_, name, id)| (name.clone(), *id)));
            known.add(found);
        }
        Ok(ids)
    }

    async fn names_by_id(&self, ids: &[SensorId]) -> Result<HashMap<SensorId, SensorName>, StorageError> {
        let known = self.database.database().known_sensors();
        let mut names = known.names(ids);
        let missing: Vec<_> = ids.iter().filter(|id| !names.contains_key(id)).copied().collect();
        if !missing.is_empty() {
            let found = self.database.read(move |mut connection| {
                async move {
                    let mut found = Vec::new();
                    for ids in missing.chunks(MAX_ROWS) {
                        let values: Vec<_> = padded(ids).map(|id| Value::from(id.get())).collect();
                        let list = repeated("?", values.len());
                        let select =
                            format!("SELECT EXPERIMENT_ID, NAME, ID FROM SENSORS WHERE ID IN ({list})");
                        let rows =
                            connection.rows::<(u32, String, u32)>(AssertSqlSafe(select), values).await?;
                        for (experiment_id, name, id) in rows {
                            let (id, name) = decode::sensor_key(id, &name)?;
                            found.push((ExperimentId::new(experiment_id), name, id));
                        }
                    }
                    Ok(found)
                }
                .boxed()
            });
            let found = found.await?;
            names.extend(found.iter().map(|(_, name, id)| (*id, name.clone())));
            known.add(found);
        }
        Ok(names)
    }

    async fn describe(
        &self,
        experiment_id: ExperimentId,
        name: &SensorName,
        description: &Description,
    ) -> Result<bool, StorageError> {
        let (name, description) = (name.clone(), description.clone());
        self.database
            .write(move |mut connection| {
                async move { describe(&mut connection, experiment_id, &name, &description).await }.boxed()
            })
            .await
    }

    async fn series(&self, experiment_id: ExperimentId) -> Result<Vec<Series>, StorageError> {
        self.database
            .read(move |mut connection| {
                async move {
                    let select = series(&connection);
                    let rows = connection.rows(AssertSqlSafe(select), [experiment_id.get().into()]).await?;
                    let mut series = rows.into_iter().map(decode::series).collect::<Result<Vec<_>, _>>()?;
                    series.sort_unstable_by_key(|each| (each.measure_type, each.sensor));
                    Ok(series)
                }
                .boxed()
            })
            .await
    }
}

/// `false` if the experiment has no such sensor.
pub(crate) async fn describe(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    name: &SensorName,
    description: &Description,
) -> Result<bool, Fault> {
    const DESCRIBE: &str = "UPDATE SENSORS SET DESCRIPTION = ? WHERE EXPERIMENT_ID = ? AND NAME = ?";
    let values = [description.as_str().into(), experiment_id.get().into(), name.as_str().into()];
    Ok(connection.execute(DESCRIBE, values).await?.rows > 0)
}

/// One range of the table's own key, which begins with the sensor; the rows are sorted here.
pub(crate) fn series(connection: &Connection<'_>) -> String {
    let (is_negative_zero, key) = match connection {
        Connection::MySql(_) => ("IS_NEGATIVE_ZERO", "PRIMARY"),
        Connection::Sqlite(_) => ("FALSE", "sqlite_autoindex_SERIES_1"),
    };
    let index = connection.index(key);
    format!(
        "SELECT SENSOR_ID, TYPE, FIRST_TIMESTAMP, LAST_TIMESTAMP, LATEST_VALUE, {is_negative_zero} \
         FROM SERIES {index} WHERE EXPERIMENT_ID = ?"
    )
}
