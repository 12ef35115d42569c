use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{ExperimentId, Flag, FlagId, FlagRange, FlagReason, MeasureTypeId, SensorId, UserId};
use mymonit_services::ports::{Conflict, FlagStore, NewFlag, StorageError};
use shaku::Component;
use sqlx::{AssertSqlSafe, Error};

use crate::connection::{Connection, Value};
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::Fault;

/// The flags.
#[derive(Component)]
#[shaku(interface = FlagStore)]
pub struct SqlFlagStore {
    /// Where they are kept.
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

/// FROM_TIMESTAMP, TO_TIMESTAMP, SENSOR_ID, TYPE.
type RangeRow = (i64, i64, Option<u32>, Option<u16>);
/// ID, the columns of a [`RangeRow`], REASON, USER_ID, CREATED_AT.
type Row = (u64, i64, i64, Option<u32>, Option<u16>, String, String, i64);

#[async_trait]
impl FlagStore for SqlFlagStore {
    async fn list(&self, experiment_id: ExperimentId) -> Result<Vec<Flag>, StorageError> {
        const LIST: &str = "SELECT ID, FROM_TIMESTAMP, TO_TIMESTAMP, SENSOR_ID, TYPE, REASON, USER_ID, CREATED_AT \
            FROM FLAGS WHERE EXPERIMENT_ID = ? ORDER BY ID";
        self.database.rows(LIST, [experiment_id.get().into()], flag).await
    }

    async fn ranges(&self, experiment_id: ExperimentId) -> Result<Vec<FlagRange>, StorageError> {
        const RANGES: &str =
            "SELECT FROM_TIMESTAMP, TO_TIMESTAMP, SENSOR_ID, TYPE FROM FLAGS WHERE EXPERIMENT_ID = ?";
        self.database.rows(RANGES, [experiment_id.get().into()], range).await
    }

    async fn insert(&self, flag: &NewFlag, limit: u32) -> Result<Option<FlagId>, StorageError> {
        let flag = flag.clone();
        self.database
            .repeated_transaction(move |mut connection| {
                let flag = flag.clone();
                async move { insert(&mut connection, &flag, limit).await }.boxed()
            })
            .await
    }

    async fn delete(&self, experiment_id: ExperimentId, id: FlagId) -> Result<bool, StorageError> {
        // No id is greater than the greatest signed integer.
        let Ok(id) = i64::try_from(id.get()) else { return Ok(false) };
        self.database
            .repeated_transaction(move |mut connection| {
                async move { delete(&mut connection, experiment_id, id).await }.boxed()
            })
            .await
    }
}

/// Whether the experiment has flags; `None` if it is unknown. The lock on its row keeps others from
/// setting and withdrawing flags at the same time.
async fn lock(connection: &mut Connection<'_>, experiment: Value) -> Result<Option<bool>, Error> {
    let lock = format!("SELECT IS_FLAGGED FROM EXPERIMENTS WHERE ID = ?{}", connection.for_update());
    let row: Option<(bool,)> = connection.row(AssertSqlSafe(lock), [experiment]).await?;
    Ok(row.map(|(is_flagged,)| is_flagged))
}

/// In a transaction.
async fn insert(
    connection: &mut Connection<'_>,
    flag: &NewFlag,
    limit: u32,
) -> Result<Option<FlagId>, Fault> {
    const COUNT: &str = "SELECT COUNT(*) FROM FLAGS WHERE EXPERIMENT_ID = ?";
    const INSERT: &str = "INSERT INTO FLAGS \
        (EXPERIMENT_ID, FROM_TIMESTAMP, TO_TIMESTAMP, SENSOR_ID, TYPE, REASON, USER_ID, CREATED_AT) \
        VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
    const MARK: &str = "UPDATE EXPERIMENTS SET IS_FLAGGED = 1 WHERE ID = ?";
    let experiment = Value::from(flag.experiment_id.get());
    let Some(is_flagged) = lock(connection, experiment.clone()).await? else { return Ok(None) };
    if connection.number(COUNT, [experiment.clone()]).await? >= i64::from(limit) {
        return Err(StorageError::Conflict(Conflict::TooManyFlags).into());
    }
    let values = [
        experiment.clone(),
        flag.range.from().unix_nanos().into(),
        flag.range.to().unix_nanos().into(),
        flag.range.sensor().map(SensorId::or_zero).into(),
        flag.range.measure_type().map(MeasureTypeId::get).into(),
        flag.reason.as_str().into(),
        flag.user_id.as_str().into(),
        flag.created_at.unix_nanos().into(),
    ];
    let id = connection.execute(INSERT, values).await?.last_id;
    if !is_flagged {
        connection.execute(MARK, [experiment]).await?;
    }
    Ok(Some(FlagId::new(id)))
}

/// In a transaction.
async fn delete(
    connection: &mut Connection<'_>,
    experiment_id: ExperimentId,
    id: i64,
) -> Result<bool, Fault> {
    const DELETE: &str = "DELETE FROM FLAGS WHERE ID = ? AND EXPERIMENT_ID = ?";
    const MARK: &str = "UPDATE EXPERIMENTS \
        SET IS_FLAGGED = EXISTS (SELECT 1 FROM FLAGS WHERE EXPERIMENT_ID = ?) WHERE ID = ?";
    let experiment = Value::from(experiment_id.get());
    if lock(connection, experiment.clone()).await?.is_none()
        || connection.execute(DELETE, [id.into(), experiment.clone()]).await?.rows == 0
    {
        return Ok(false);
    }
    connection.execute(MARK, [experiment.clone(), experiment]).await?;
    Ok(true)
}

fn range((from, to, sensor, measure_type): RangeRow) -> Result<FlagRange, Error> {
    let from = decode::timestamp("from", from)?;
    let to = decode::timestamp("to", to)?;
    decode::field(FlagRange::new(from, to, sensor.map(SensorId::new), measure_type.map(MeasureTypeId::new)))
}

fn flag((id, from, to, sensor, measure_type, reason, user_id, created_at): Row) -> Result<Flag, Error> {
    Ok(Flag {
        id: FlagId::new(id),
        range: range((from, to, sensor, measure_type))?,
        reason: decode::field(FlagReason::existing(&reason))?,
        user_id: decode::field(UserId::existing(&user_id))?,
        created_at: decode::timestamp("created_at", created_at)?,
    })
}
