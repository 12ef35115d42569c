//! Schemas of fields, with the limits of the types that check them.

use std::borrow::Cow;

use mymonit_model::{
    ApiTokenName, Description, Email, ExperimentId, ExperimentName, FlagReason, MeasureTypeId,
    MeasureTypeName, PersonName, PublisherName, Quantity, Role, SensorName, UnitSymbol, UserId, Username,
};
use mymonit_services::MAX_API_TOKEN_EXPERIMENTS;
use mymonit_services::message::RejectionReason;
use utoipa::openapi::schema::{ArrayBuilder, KnownFormat, SchemaFormat, SchemaType};
use utoipa::openapi::{Object, ObjectBuilder, Ref, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Control characters, also of the direction of text, which text must not contain.
const CONTROL: &str = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069";
/// Unicode's white space; `\s` differs between dialects of patterns.
const SPACE: &str = r"\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Text: not blank, without control characters; stored trimmed.
fn text(max_chars: usize) -> ObjectBuilder {
    text_but(&[], max_chars)
}

/// Text, but none of these words.
fn text_but(words: &[&str], max_chars: usize) -> ObjectBuilder {
    let words: Vec<_> = words.iter().map(|word| word.replace('.', r"\.")).collect();
    let not_these = match words.join("|") {
        words if words.is_empty() => String::new(),
        words => format!("(?![{SPACE}]*(?:{words})[{SPACE}]*$)"),
    };
    let pattern = format!("^{not_these}[^{CONTROL}]*[^{CONTROL}{SPACE}][^{CONTROL}]*$");
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(max_chars))
        .pattern(Some(pattern))
}

/// One of these texts.
pub(crate) fn one_of<'a>(values: impl IntoIterator<Item = &'a str>) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values)).build()
}

/// Defines a type without values that represents a schema of `components`.
macro_rules! component {
    ($(#[doc = $doc:literal])+ $marker:ident is $name:literal: $schema:expr) => {
        $(#[doc = $doc])+
        pub(crate) enum $marker {}

        impl PartialSchema for $marker {
            fn schema() -> RefOr<Schema> {
                let description = concat!($($doc),+).trim();
                Schema::from($schema.description(Some(description)).build()).into()
            }
        }

        impl ToSchema for $marker {
            fn name() -> Cow<'static, str> {
                Cow::Borrowed($name)
            }
        }
    };
}

component! {
    /// The staff identification. It stays for audit when a user is erased, and cannot be used
    /// again.
    UserIdText is "UserId":
    text_but(&UserId::RESERVED, UserId::MAX_CHARS).examples(["S001"])
}

component! {
    /// The name of a person.
    PersonNameText is "PersonName": text(PersonName::MAX_CHARS).examples(["Peter Higg"])
}

component! {
    /// The Firebase UID, unique.
    UsernameText is "Username": text(Username::MAX_CHARS).examples(["uJayGH994iVa2TY5auSNYZoUpwk1"])
}

component! {
    /// The e-mail address, unique without regard to case.
    EmailText is "Email":
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::Custom("idn-email".to_owned())))
        .max_length(Some(Email::MAX_CHARS))
        .examples(["phigg@home.cern"])
}

component! {
    /// What a user may do; it never changes.
    RoleName is "Role":
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Role::ALL.map(Role::as_str)))
}

component! {
    /// The number of an experiment, assigned by the system.
    ExperimentIdNumber is "ExperimentId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(ExperimentId::MIN.get()))
        .maximum(Some(ExperimentId::MAX.get()))
        .examples([1])
}

component! {
    /// The number of an API token, assigned by the system.
    ApiTokenIdNumber is "ApiTokenId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_u64))
        .maximum(Some(u64::MAX))
        .examples([1])
}

component! {
    /// The name of an API token, given by its user.
    ApiTokenNameText is "ApiTokenName": text(ApiTokenName::MAX_CHARS).examples(["nightly plots"])
}

component! {
    /// Experiments that the user may read; `null` for all of them.
    ExperimentIds is "ExperimentIds":
    ArrayBuilder::new()
        .schema_type(SchemaType::from_iter([Type::Array, Type::Null]))
        .items(Ref::from_schema_name(ExperimentIdNumber::name()))
        .min_items(Some(1))
        .max_items(Some(MAX_API_TOKEN_EXPERIMENTS))
}

component! {
    /// The number of a rejected message.
    RejectedMessageIdNumber is "RejectedMessageId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_u64))
        .maximum(Some(u64::MAX))
        .examples([1])
}

component! {
    /// The name of an experiment, unique, by which messages refer to it.
    ExperimentNameText is "ExperimentName":
    text(ExperimentName::MAX_CHARS).examples(["device-vibrations"])
}

component! {
    /// What it is, in words; may be empty.
    DescriptionText is "Description":
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(Description::MAX_CHARS))
        .pattern(Some(format!("^[^{CONTROL}]*$")))
        .examples(["since 2022, in hall 7"])
}

component! {
    /// The number that the system gave to a measure type.
    MeasureTypeIdNumber is "MeasureTypeId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(MeasureTypeId::MIN.get()))
        .maximum(Some(MeasureTypeId::MAX.get()))
        .examples([1])
}

component! {
    /// The name of a measure type, unique, by which messages refer to it.
    MeasureTypeNameText is "MeasureTypeName": text(MeasureTypeName::MAX_CHARS).examples(["hertz"])
}

component! {
    /// The name of a sensor, unique within its experiment.
    SensorNameText is "SensorName":
    text_but(&[".", ".."], SensorName::MAX_CHARS).examples(["thermometer-1"])
}

component! {
    /// The name of a sensor; empty for measures without one.
    SensorFilterText is "SensorFilter":
    ObjectBuilder::new()
        .schema_type(Type::String)
        .max_length(Some(SensorName::MAX_CHARS))
        .pattern(Some(format!("^[^{CONTROL}]*$")))
        .examples(["thermometer-1"])
}

component! {
    /// The number of a flag, assigned by the system.
    FlagIdNumber is "FlagId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1_u64))
        .maximum(Some(u64::MAX))
        .examples([1])
}

component! {
    /// Why measures are not to be used.
    FlagReasonText is "FlagReason": text(FlagReason::MAX_CHARS).examples(["the lid was open"])
}

component! {
    /// The symbol of a measure type. Messages may use it in place of the name while no other type
    /// has it.
    UnitSymbolText is "UnitSymbol": text(UnitSymbol::MAX_CHARS).examples(["Hz"])
}

component! {
    /// What a measure type measures.
    QuantityText is "Quantity": text(Quantity::MAX_CHARS).examples(["frequency"])
}

component! {
    /// The name of a publisher: the broker account that is the `user-id` of its messages; at most
    /// 255 bytes.
    PublisherNameText is "PublisherName":
    text_but(&PublisherName::RESERVED, PublisherName::MAX_BYTES).examples(["station-1"])
}

component! {
    /// Why a message could not be stored.
    ReasonCode is "RejectionReason":
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(RejectionReason::ALL.map(RejectionReason::code)))
}

component! {
    /// A time in UTC with as many fractional digits as it needs, at most nine.
    StoredTimestamp is "Timestamp":
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,8}[1-9])?Z$"))
        .examples(["2022-04-06T07:09:00Z"])
}
