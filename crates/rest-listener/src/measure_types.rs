//! `/measure-types/`: what can be measured.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mymonit_model::MeasureType;
use mymonit_services::MeasureTypeService;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::Caller;
use crate::error::Problem;
use crate::openapi::{Endpoints, MeasureTypeNameText};
use crate::query::NoParameters;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(list))
}

/// What a measure is a number of: a named SI derived unit.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasureType)]
struct MeasureTypeShape {
    measure_type_id: u16,
    #[schema(value_type = MeasureTypeNameText)]
    name: String,
    /// The unit's symbol.
    #[schema(example = "Hz")]
    symbol: String,
    /// What the unit measures.
    #[schema(example = "frequency")]
    quantity: String,
}

impl From<MeasureType> for MeasureTypeShape {
    fn from(measure_type: MeasureType) -> Self {
        let MeasureType { id, name, symbol, quantity } = measure_type;
        Self { measure_type_id: id.get(), name: name.to_string(), symbol, quantity }
    }
}

/// Lists what can be measured.
#[utoipa::path(
    get, path = "/measure-types/", tag = "measures", operation_id = "listMeasureTypes",
    responses((status = OK, description = "All measure types.", body = [MeasureTypeShape]))
)]
async fn list(
    State(measure_types): State<Arc<dyn MeasureTypeService>>,
    Caller(caller): Caller,
    _: NoParameters,
) -> Result<Json<Vec<MeasureTypeShape>>, Problem> {
    let measure_types = measure_types.list(&caller).await?;
    Ok(Json(measure_types.into_iter().map(MeasureTypeShape::from).collect()))
}
