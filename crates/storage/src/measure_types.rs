use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use mymonit_model::{MeasureType, MeasureTypeId, MeasureTypeName, Quantity, UnitSymbol};
use mymonit_services::ports::{Conflict, MeasureTypeStore, StorageError};
use shaku::Component;
use sqlx::AssertSqlSafe;

use crate::connection::Connection;
use crate::database::DatabaseHandle;
use crate::decode;
use crate::error::{Fault, cause};

/// The measure types.
#[derive(Component)]
#[shaku(interface = MeasureTypeStore)]
pub struct SqlMeasureTypeStore {
    #[shaku(inject)]
    database: Arc<dyn DatabaseHandle>,
}

#[async_trait]
impl MeasureTypeStore for SqlMeasureTypeStore {
    async fn list(&self) -> Result<Vec<MeasureType>, StorageError> {
        const LIST: &str = "SELECT ID, NAME, SYMBOL, QUANTITY FROM MEASURE_TYPES ORDER BY ID";
        self.database.rows(LIST, [], decode::measure_type).await
    }

    async fn insert(
        &self,
        name: &MeasureTypeName,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<MeasureType, StorageError> {
        const INSERT: &str = "INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) VALUES (?, ?, ?)";
        let (name, symbol, quantity) = (name.clone(), symbol.to_string(), quantity.to_string());
        self.database
            .transaction(move |mut connection| {
                async move {
                    claim_symbol(&mut connection, None, &symbol).await?;
                    let values = [name.as_str().into(), symbol.as_str().into(), quantity.as_str().into()];
                    let id = connection.execute(INSERT, values).await?.last_id;
                    let id = u16::try_from(id).map_err(|_| {
                        StorageError::Internal(cause("no measure type id is left; the last is 65535"))
                    })?;
                    Ok(MeasureType { id: MeasureTypeId::new(id), name, symbol, quantity })
                }
                .boxed()
            })
            .await
    }

    async fn correct(
        &self,
        id: MeasureTypeId,
        symbol: &UnitSymbol,
        quantity: &Quantity,
    ) -> Result<bool, StorageError> {
        const CORRECT: &str = "UPDATE MEASURE_TYPES SET SYMBOL = ?, QUANTITY = ? WHERE ID = ?";
        let (symbol, quantity) = (symbol.to_string(), quantity.to_string());
        self.database
            .transaction(move |mut connection| {
                async move {
                    claim_symbol(&mut connection, Some(id), &symbol).await?;
                    let values = [symbol.into(), quantity.into(), u32::from(id.get()).into()];
                    Ok(connection.execute(CORRECT, values).await?.rows > 0)
                }
                .boxed()
            })
            .await
    }
}

/// Refuses a symbol of another type than `id`, and locks out other processes until the commit.
/// There is no unique key, since older databases may hold equal symbols.
async fn claim_symbol(
    connection: &mut Connection<'_>,
    id: Option<MeasureTypeId>,
    symbol: &str,
) -> Result<(), Fault> {
    const IN_USE: &str = "SELECT COUNT(*) FROM MEASURE_TYPES WHERE SYMBOL = ? AND ID <> ?";
    // The row of type 1 exists in every database and serves as the lock.
    let lock = format!("SELECT ID FROM MEASURE_TYPES WHERE ID = 1{}", connection.for_update());
    connection.rows::<(u16,)>(AssertSqlSafe(lock), []).await?;
    let values = [symbol.into(), id.map_or(0, |id| u32::from(id.get())).into()];
    if connection.number(IN_USE, values).await? > 0 {
        return Err(StorageError::Conflict(Conflict::MeasureTypeSymbol).into());
    }
    Ok(())
}
