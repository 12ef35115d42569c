use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, MeasureTypeId, MeasureTypeName, Role, User, UserId};
use mymonit_services::example_data::{ExampleData, ExampleExperiment};
use mymonit_services::ports::{ExampleDataStore, NewMeasure, StorageError};
use shaku::Component;

use crate::connection::Connection;
use crate::database::DatabaseHandle;
use crate::error::Fault;
use crate::known_sensors::KnownSensors;
use crate::{experiments, measure_rows, new_sensors, one_time_step, sensors, series, users};

/// Attempts, where an administrator adds the same things at the same time.
const ATTEMPTS: u32 = 3;

/// The example data.
#[derive(Component)]
#[shaku(interface = ExampleDataStore)]
pub struct SqlExampleDataStore {
    /// Where they go.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl ExampleDataStore for SqlExampleDataStore {
    async fn install(&self, data: &ExampleData) -> Result<(), StorageError> {
        let measures = data.experiments.iter().map(|experiment| experiment.measures.len()).sum();
        let first_id = self.database.take_measure_ids(measures).await?;
        let attempt = || {
            let data = data.clone();
            self.database.transaction(move |mut connection| {
                async move { install(&mut connection, &data, first_id).await }.boxed()
            })
        };
        for _ in 1..ATTEMPTS {
            match attempt().await {
                Err(StorageError::Conflict(_)) => {}
                other => return other,
            }
        }
        attempt().await
    }
}

async fn install(connection: &mut Connection<'_>, data: &ExampleData, first_id: u64) -> Result<(), Fault> {
    // First, so that other processes wait here for the commit.
    if !one_time_step::begin(connection, data.step).await? {
        return Ok(());
    }
    for user in &data.users {
        insert_user(connection, user).await?;
    }
    let added = insert_experiments(connection, &data.experiments).await?;
    let measures = new_measures(connection, &added).await?;
    // Rolled back sensors must not be cached.
    let sensors = new_sensors::resolve(connection, &KnownSensors::default(), &[(0, &measures)]).await?;
    for (experiment_id, experiment) in &added {
        for (name, description) in &experiment.sensors {
            sensors::describe(connection, *experiment_id, name, description).await?;
        }
    }
    measure_rows::insert(connection, first_id, measures.len(), measures.iter(), &sensors).await?;
    series::extend(connection, first_id, measures.iter(), &sensors).await
}

/// Adds the user unless the id, the username or the e-mail address is in use.
async fn insert_user(connection: &mut Connection<'_>, user: &User) -> Result<(), Fault> {
    const IN_USE: &str = "SELECT COUNT(*) FROM USERS WHERE ID = ? OR USERNAME = ? OR EMAIL_KEY = ?";
    let values = [
        user.user_id.as_str().into(),
        user.username.reveal().as_str().into(),
        user.email.reveal().uniqueness_key().into(),
    ];
    if connection.number(IN_USE, values).await? > 0 {
        return Ok(());
    }
    users::insert(connection, user).await
}

/// Adds the experiments that are missing, and returns these with their ids. In a database without
/// experiments they get the ids from 1, even if the counter has moved on because of a failed
/// insert.
async fn insert_experiments<'a>(
    connection: &mut Connection<'_>,
    experiments: &'a [ExampleExperiment],
) -> Result<Vec<(ExperimentId, &'a ExampleExperiment)>, Fault> {
    const COUNT_BY_NAME: &str = "SELECT COUNT(*) FROM EXPERIMENTS WHERE NAME = ?";
    let mut added = Vec::new();
    let is_first = connection.number("SELECT COUNT(*) FROM EXPERIMENTS", []).await? == 0;
    for (number, experiment) in (1_u32..).zip(experiments) {
        if connection.number(COUNT_BY_NAME, [experiment.details.name.as_str().into()]).await? > 0 {
            continue;
        }
        let id = is_first.then_some(ExperimentId::new(number));
        let id = experiments::insert(connection, id, &experiment.details).await?;
        associate(connection, id, &experiment.scientist).await?;
        added.push((id, experiment));
    }
    Ok(added)
}

/// Associates the scientist, if there is one of that id.
async fn associate(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    scientist: &UserId,
) -> Result<(), Fault> {
    let insert = format!(
        "INSERT INTO USER_EXPERIMENTS (USER_ID, EXPERIMENT_ID) \
         SELECT U.ID, ? FROM USERS U JOIN ROLES R ON R.ID = U.ROLE \
         WHERE U.ID = ? AND U.ERASED_AT IS NULL AND R.NAME = ?{}",
        connection.for_update()
    );
    let values = [experiment_id.get().into(), scientist.as_str().into(), Role::Scientist.as_str().into()];
    connection.execute(sqlx::AssertSqlSafe(insert), values).await?;
    Ok(())
}

async fn new_measures(
    connection: &mut Connection<'_>,
    experiments: &[(ExperimentId, &ExampleExperiment)],
) -> Result<Vec<NewMeasure>, Fault> {
    let mut types = HashMap::<&MeasureTypeName, MeasureTypeId>::new();
    let mut measures = Vec::new();
    for (experiment_id, experiment) in experiments {
        for measure in &experiment.measures {
            let known = types.get(&measure.measure_type).copied();
            let measure_type = match known {
                Some(id) => id,
                None => measure_type(connection, &measure.measure_type).await?,
            };
            types.insert(&measure.measure_type, measure_type);
            measures.push(NewMeasure {
                experiment_id: *experiment_id,
                measure_type,
                sensor: measure.sensor.clone(),
                timestamp: measure.timestamp,
                value: measure.value,
            });
        }
    }
    Ok(measures)
}

async fn measure_type(
    connection: &mut Connection<'_>,
    name: &MeasureTypeName,
) -> Result<MeasureTypeId, Fault> {
    const TYPE: &str = "SELECT ID FROM MEASURE_TYPES WHERE NAME = ?";
    let row = connection.row(TYPE, [name.as_str().into()]).await?;
    let (id,): (u16,) = row.ok_or(sqlx::Error::RowNotFound)?;
    Ok(MeasureTypeId::new(id))
}
