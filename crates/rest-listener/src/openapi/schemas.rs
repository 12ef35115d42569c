//! What may stand in a field, as schemas whose numbers and lists are those of the types that check it.

use std::borrow::Cow;

use mymonit_model::{
    Email, ExperimentId, ExperimentName, MeasureTypeName, PersonName, Role, UserId, Username,
};
use mymonit_services::message::RejectionReason;
use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
use utoipa::openapi::{Object, ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Control characters, which no text may hold.
const CONTROL: &str = r"\x00-\x1f\x7f-\x9f";
/// Unicode's white space, spelt out because `\s` is something else in every dialect of patterns.
const SPACE: &str = r"\x20\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000";

/// Text as specification §2 has it: not blank, no control characters; it is stored trimmed.
fn text(max_chars: usize) -> ObjectBuilder {
    text_but(&[], max_chars)
}

/// The same, but none of these words.
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

/// Makes a type that stands for a schema of `components` and has no values.
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
    /// The staff identification. It stays for audit when a user is erased, and cannot be used again then.
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
    /// The number that the system gave to an experiment.
    ExperimentIdNumber is "ExperimentId":
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(ExperimentId::MIN.get()))
        .maximum(Some(ExperimentId::MAX.get()))
        .examples([1])
}

component! {
    /// The name of an experiment, unique, by which messages refer to it.
    ExperimentNameText is "ExperimentName":
    text(ExperimentName::MAX_CHARS).examples(["device-vibrations"])
}

component! {
    /// The name of a measure type: one of the named SI derived units, and of those that were added.
    MeasureTypeNameText is "MeasureTypeName": text(MeasureTypeName::MAX_CHARS).examples(["hertz"])
}

component! {
    /// Why a message could not be stored.
    ReasonCode is "RejectionReason":
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(RejectionReason::ALL.map(RejectionReason::code)))
}

component! {
    /// A moment in UTC with as many fractional digits as it needs, at most nine.
    StoredTimestamp is "Timestamp":
    ObjectBuilder::new()
        .schema_type(Type::String)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,8}[1-9])?Z$"))
        .examples(["2022-04-06T07:09:00Z"])
}
