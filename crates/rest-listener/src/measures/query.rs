use std::borrow::Cow;

use mymonit_model::{ExperimentId, Flagged, Window};
use mymonit_services::ports::Order;
use mymonit_services::{MAX_LIMIT, MAX_POINTS, ReadRequest};
use serde::Deserialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::format::Format;
use crate::openapi::{MeasureTypeNameText, SensorFilterText};
use crate::query::{Count, Cursor, RelativeMoment, optional};

type Limit = Count<MAX_LIMIT>;
type Points = Count<MAX_POINTS>;

/// The parameters of a reading.
#[derive(Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct ReadQuery {
    /// Only measures of this moment or later. Must be before `to`.
    #[param(inline)]
    from: Option<RelativeMoment>,
    /// Only measures before this moment.
    #[param(inline)]
    to: Option<RelativeMoment>,
    /// Only measures of this type, by the name that `/measure-types/` gives; may be repeated. Any
    /// other name is refused.
    #[serde(rename = "type")]
    #[param(value_type = Vec<MeasureTypeNameText>, required = false, style = Form, explode)]
    types: Vec<String>,
    /// Only measures of this sensor; may be repeated. Empty means measures without a sensor. Any
    /// name that is no sensor of the experiment is refused.
    #[serde(rename = "sensor")]
    #[param(value_type = Vec<SensorFilterText>, required = false, style = Form, explode)]
    sensors: Vec<String>,
    /// `exclude` leaves flagged measures out, `include` reads them as any other, `only` reads them
    /// alone; `exclude` unless given.
    #[param(inline)]
    flagged: Option<FlaggedName>,
    /// By timestamp; `desc` unless given.
    #[param(inline)]
    order: Option<OrderName>,
    /// At most this many measures or bins, with a `Link` to the next page while there are more.
    /// Without `limit`: all, streamed.
    #[param(inline)]
    limit: Option<Limit>,
    /// Where the page begins: opaque, from the `Link` of an earlier answer to the same request. Any
    /// other is refused.
    #[param(inline)]
    cursor: Option<Cursor>,
    /// Bins instead of measures: at most so many for each series (measure type and sensor). They
    /// get the narrowest round width that does it for the time between the first measure and the
    /// last; all pages of a reading have the same. Not together with `window`.
    #[param(inline)]
    max_points: Option<Points>,
    /// Bins instead of measures: of this width, aligned to the Unix epoch. Not together with
    /// `max_points`.
    #[serde(deserialize_with = "optional")]
    #[param(inline, value_type = Option<WindowText>)]
    window: Option<Window>,
    /// The format, which may be asked for by `Accept` as well; the parameter wins.
    #[param(inline)]
    pub(super) format: Option<Format>,
}

/// The names of the orders.
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OrderName {
    Desc,
    Asc,
}

/// The names of [`Flagged`].
#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum FlaggedName {
    Exclude,
    Include,
    Only,
}

/// The width of bins as it is written.
struct WindowText;

impl PartialSchema for WindowText {
    fn schema() -> RefOr<Schema> {
        let schema =
            ObjectBuilder::new().schema_type(Type::String).pattern(Some(Window::pattern())).examples(["5m"]);
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for WindowText {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Window")
    }
}

impl ReadQuery {
    pub(super) fn request(self, experiment_id: ExperimentId) -> ReadRequest {
        ReadRequest {
            experiment_id,
            from: self.from.map(|RelativeMoment(from)| from),
            to: self.to.map(|RelativeMoment(to)| to),
            types: self.types,
            sensors: self.sensors,
            flagged: match self.flagged {
                None | Some(FlaggedName::Exclude) => Flagged::Exclude,
                Some(FlaggedName::Include) => Flagged::Include,
                Some(FlaggedName::Only) => Flagged::Only,
            },
            order: match self.order {
                None | Some(OrderName::Desc) => Order::Descending,
                Some(OrderName::Asc) => Order::Ascending,
            },
            limit: self.limit.map(|Count(limit)| limit),
            cursor: self.cursor.map(|Cursor(cursor)| cursor),
            max_points: self.max_points.map(|Count(points)| points),
            window: self.window,
        }
    }
}
