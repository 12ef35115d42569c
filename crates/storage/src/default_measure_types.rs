use futures::FutureExt;
use mymonit_services::ports::StorageError;

use crate::connection::{Connection, in_transaction};
use crate::error::{Fault, PrepareError};
use crate::one_time_step;

/// The name of this step in ONE_TIME_STEPS.
const STEP: &str = "measure_types";

/// The SI base units and what laboratories use beside SI units. Migration 3 adds the named SI
/// derived units.
const DEFAULTS: [(&str, &str, &str); 16] = [
    ("metre", "m", "length"),
    ("kilogram", "kg", "mass"),
    ("second", "s", "time"),
    ("ampere", "A", "electric current"),
    ("kelvin", "K", "thermodynamic temperature"),
    ("mole", "mol", "amount of substance"),
    ("candela", "cd", "luminous intensity"),
    ("one", "1", "dimensionless number"),
    ("percent", "%", "fraction"),
    ("decibel", "dB", "logarithmic ratio"),
    ("electronvolt", "eV", "energy"),
    ("litre", "L", "volume"),
    ("bar", "bar", "pressure"),
    ("minute", "min", "time"),
    ("hour", "h", "time"),
    ("degree", "°", "plane angle"),
];

/// Adds [`DEFAULTS`] once. A type whose name is in use stays as it is.
pub(crate) async fn add(connection: &mut Connection<'_>) -> Result<(), PrepareError> {
    const ADD: &str = "INSERT INTO MEASURE_TYPES (NAME, SYMBOL, QUANTITY) \
        SELECT ?, ?, ? FROM ONE_TIME_STEPS \
        WHERE NAME = ? AND NOT EXISTS (SELECT 1 FROM MEASURE_TYPES WHERE NAME = ?)";
    let done: Result<(), Fault> = in_transaction(connection.reborrow(), |mut connection| {
        async move {
            if !one_time_step::begin(&mut connection, STEP).await? {
                return Ok(());
            }
            for (name, symbol, quantity) in DEFAULTS {
                let values = [name, symbol, quantity, STEP, name].map(Into::into);
                connection.execute(ADD, values).await?;
            }
            Ok(())
        }
        .boxed()
    })
    .await;
    done.map_err(|fault| StorageError::from(fault).into())
}
