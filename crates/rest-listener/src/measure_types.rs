//! `/measure-types/`: what can be measured.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mymonit_model::MeasureType;
use mymonit_services::MeasureTypeService;
use serde::Serialize;

use crate::RestState;
use crate::caller::Caller;
use crate::error::Problem;
use crate::query::NoParameters;

pub(crate) fn router() -> Router<RestState> {
    Router::new().route("/measure-types", get(list))
}

/// A measure type, as specification §5 has it.
#[derive(Serialize)]
struct MeasureTypeShape {
    measure_type_id: u16,
    name: String,
    symbol: String,
    quantity: String,
}

impl From<MeasureType> for MeasureTypeShape {
    fn from(measure_type: MeasureType) -> Self {
        let MeasureType { id, name, symbol, quantity } = measure_type;
        Self { measure_type_id: id.get(), name: name.to_string(), symbol, quantity }
    }
}

async fn list(
    State(measure_types): State<Arc<dyn MeasureTypeService>>,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<MeasureTypeShape>>, Problem> {
    let measure_types = measure_types.list(&caller).await?;
    Ok(Json(measure_types.into_iter().map(MeasureTypeShape::from).collect()))
}
