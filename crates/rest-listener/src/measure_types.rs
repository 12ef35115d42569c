//! `/measure-types/`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use mymonit_model::MeasureType;
use mymonit_services::MeasureTypeService;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::routes;

use crate::caller::{AnyCaller, Caller};
use crate::created::Created;
use crate::error::Problem;
use crate::json::{self, present_whole_number};
use crate::openapi::{
    Conflict, Endpoints, MeasureTypeIdNumber, MeasureTypeNameText, QuantityText, UnitSymbolText,
};
use crate::path::{MeasureTypePath, Path};
use crate::query::NoParameters;

type MeasureTypes = State<Arc<dyn MeasureTypeService>>;

pub(crate) fn endpoints() -> Endpoints {
    Endpoints::default().guarded(routes!(list, create)).guarded(routes!(correct))
}

/// The unit of a measure.
#[derive(Serialize, ToSchema)]
#[schema(as = MeasureType)]
struct MeasureTypeShape {
    #[schema(value_type = MeasureTypeIdNumber)]
    measure_type_id: u16,
    #[schema(value_type = MeasureTypeNameText)]
    name: String,
    #[schema(value_type = UnitSymbolText)]
    symbol: String,
    #[schema(value_type = QuantityText)]
    quantity: String,
}

impl From<MeasureType> for MeasureTypeShape {
    fn from(measure_type: MeasureType) -> Self {
        let MeasureType { id, name, symbol, quantity } = measure_type;
        Self { measure_type_id: id.get(), name: name.to_string(), symbol, quantity }
    }
}

/// A new measure type. The system assigns the id.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewMeasureType, example = json!({"name": "tesla per second", "symbol": "T/s", "quantity": "change of flux density"}))]
struct NewMeasureTypeShape {
    #[schema(value_type = MeasureTypeNameText)]
    name: String,
    #[schema(value_type = UnitSymbolText)]
    symbol: String,
    #[schema(value_type = QuantityText)]
    quantity: String,
}

/// The whole measure type. `name` and, where given, `measure_type_id` must be the stored ones.
#[derive(Deserialize, ToSchema)]
#[schema(as = MeasureTypeUpdate, example = json!({"measure_type_id": 1, "name": "hertz", "symbol": "Hz", "quantity": "frequency"}))]
struct MeasureTypeUpdateShape {
    #[serde(default, deserialize_with = "present_whole_number")]
    #[schema(value_type = MeasureTypeIdNumber, required = false)]
    measure_type_id: Option<u32>,
    #[schema(value_type = MeasureTypeNameText)]
    name: String,
    #[schema(value_type = UnitSymbolText)]
    symbol: String,
    #[schema(value_type = QuantityText)]
    quantity: String,
}

/// Lists the measure types.
#[utoipa::path(
    get, path = "/measure-types/", tag = "measures", operation_id = "listMeasureTypes",
    responses((status = OK, description = "All measure types.", body = [MeasureTypeShape]))
)]
async fn list(
    State(measure_types): MeasureTypes,
    AnyCaller(caller): AnyCaller,
    _: NoParameters,
) -> Result<Json<Vec<MeasureTypeShape>>, Problem> {
    let measure_types = measure_types.list(&caller.user).await?;
    Ok(Json(measure_types.into_iter().map(MeasureTypeShape::from).collect()))
}

/// Adds a measure type.
///
/// For administrators.
#[utoipa::path(
    post, path = "/measure-types/", tag = "measures", operation_id = "createMeasureType",
    request_body = NewMeasureTypeShape, responses(Created<MeasureTypeShape>, Conflict)
)]
async fn create(
    State(measure_types): MeasureTypes,
    Caller(caller): Caller,
    _: NoParameters,
    json::Json(shape): json::Json<NewMeasureTypeShape>,
) -> Result<Created<MeasureTypeShape>, Problem> {
    let NewMeasureTypeShape { name, symbol, quantity } = shape;
    let created = measure_types.create(&caller, &name, &symbol, &quantity).await?;
    Ok(Created { location: format!("/measure-types/{}", created.id.get()), thing: created.into() })
}

/// Corrects symbol and quantity of a measure type.
///
/// For administrators. The name never changes, since measures refer to it.
#[utoipa::path(
    put, path = "/measure-types/{measure_type_id}", tag = "measures", operation_id = "updateMeasureType",
    params(MeasureTypePath), request_body = MeasureTypeUpdateShape,
    responses((status = OK, description = "The measure type as it is now.", body = MeasureTypeShape), Conflict)
)]
async fn correct(
    State(measure_types): MeasureTypes,
    Caller(caller): Caller,
    Path(MeasureTypePath { measure_type_id }): Path<MeasureTypePath>,
    _: NoParameters,
    json::Json(shape): json::Json<MeasureTypeUpdateShape>,
) -> Result<Json<MeasureTypeShape>, Problem> {
    let MeasureTypeUpdateShape { measure_type_id: given_id, name, symbol, quantity } = shape;
    let corrected =
        measure_types.correct(&caller, measure_type_id, given_id, &name, &symbol, &quantity).await?;
    Ok(Json(corrected.into()))
}
