//! Parameters in the path of a request.

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use mymonit_model::{ApiTokenId, ExperimentId, FlagId, MeasureTypeId};
use mymonit_services::ports::RejectedMessageId;
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer, Error};
use utoipa::IntoParams;

use crate::error::Problem;
use crate::openapi::{
    ApiTokenIdNumber, ExperimentIdNumber, FlagIdNumber, MeasureTypeIdNumber, PublisherNameText,
    RejectedMessageIdNumber, SensorNameText, UserIdText,
};
use crate::query::{is_well_encoded, parsed, read};

/// The parameters in the path of a request.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        if !is_well_encoded(parts.uri.path()) {
            return Err(Problem::invalid("path", "must have two hexadecimal digits after each `%`"));
        }
        let parameters = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_| Problem::invalid("path", "must be UTF-8, percent-encoded"))?;
        read(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()).map(Self)
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ExperimentPath {
    /// The number of the experiment.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = ExperimentIdNumber)]
    pub(crate) experiment_id: ExperimentId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct MeasureTypePath {
    /// The number of the measure type.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = MeasureTypeIdNumber)]
    pub(crate) measure_type_id: MeasureTypeId,
}

/// The services check the id.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct UserPath {
    /// The staff identification of the user.
    #[param(value_type = UserIdText)]
    pub(crate) user_id: String,
}

/// The services check the name.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct PublisherPath {
    /// The name of the publisher.
    #[param(value_type = PublisherNameText)]
    pub(crate) name: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct AssociationPath {
    /// The number of the experiment.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = ExperimentIdNumber)]
    pub(crate) experiment_id: ExperimentId,
    /// The staff identification of the user.
    #[param(value_type = UserIdText)]
    pub(crate) user_id: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct SensorPath {
    /// The number of the experiment.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = ExperimentIdNumber)]
    pub(crate) experiment_id: ExperimentId,
    /// The name of the sensor, percent-encoded.
    #[param(value_type = SensorNameText)]
    pub(crate) name: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct FlagPath {
    /// The number of the experiment.
    #[serde(deserialize_with = "parsed")]
    #[param(value_type = ExperimentIdNumber)]
    pub(crate) experiment_id: ExperimentId,
    /// The number of the flag.
    #[serde(deserialize_with = "flag_id")]
    #[param(inline, value_type = FlagIdNumber)]
    pub(crate) flag_id: FlagId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct RejectedMessagePath {
    /// The number of the rejected message.
    #[serde(deserialize_with = "rejected_message_id")]
    #[param(inline, value_type = RejectedMessageIdNumber)]
    pub(crate) id: RejectedMessageId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OwnApiTokenPath {
    /// The number of the API token.
    #[serde(deserialize_with = "api_token_id")]
    #[param(inline, value_type = ApiTokenIdNumber)]
    pub(crate) token_id: ApiTokenId,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct ApiTokenPath {
    /// The staff identification of the user.
    #[param(value_type = UserIdText)]
    pub(crate) user_id: String,
    /// The number of the API token.
    #[serde(deserialize_with = "api_token_id")]
    #[param(inline, value_type = ApiTokenIdNumber)]
    pub(crate) token_id: ApiTokenId,
}

fn rejected_message_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RejectedMessageId, D::Error> {
    positive(deserializer).map(RejectedMessageId::new)
}

fn flag_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FlagId, D::Error> {
    positive(deserializer).map(FlagId::new)
}

fn api_token_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ApiTokenId, D::Error> {
    positive(deserializer).map(ApiTokenId::new)
}

fn positive<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let id = text.parse().ok().filter(|id| is_plain && *id > 0);
    id.ok_or_else(|| D::Error::custom(format!("must be an integer from 1 to {}", u64::MAX)))
}
