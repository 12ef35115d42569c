//! Answers that several operations give.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use utoipa::openapi::content::ContentBuilder;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::schema::ArrayBuilder;
use utoipa::openapi::{ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Type};
use utoipa::{IntoResponses, ToSchema};

use super::problems;
use crate::created::Created;
use crate::error::Kind;

type Answers = BTreeMap<String, RefOr<Response>>;

fn answer(status: &str, response: impl Into<RefOr<Response>>) -> Answers {
    BTreeMap::from([(status.to_owned(), response.into())])
}

/// 409, which only some operations have.
pub(crate) enum Conflict {}

impl IntoResponses for Conflict {
    fn responses() -> Answers {
        answer("409", Ref::from_response_name(problems::name(Kind::Conflict)))
    }
}

/// 403 of an operation that cannot be undone.
pub(crate) enum Reauthentication {}

impl IntoResponses for Reauthentication {
    fn responses() -> Answers {
        answer("403", Ref::from_response_name(problems::name(Kind::ReauthenticationRequired)))
    }
}

/// 404 of an operation without a token.
pub(crate) enum NotFound {}

impl IntoResponses for NotFound {
    fn responses() -> Answers {
        answer("404", Ref::from_response_name(problems::name(Kind::NotFound)))
    }
}

impl<T: ToSchema> IntoResponses for Created<T> {
    fn responses() -> Answers {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(T::name())));
        let response = ResponseBuilder::new()
            .description("Created; `Location` holds its path.")
            .header("Location", text_header("The path, percent-encoded."))
            .content("application/json", content.build());
        answer("201", response)
    }
}

/// An array, whole or in pages.
pub(crate) struct Paged<T>(PhantomData<T>);

impl<T: ToSchema> IntoResponses for Paged<T> {
    fn responses() -> Answers {
        let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
        let response = ResponseBuilder::new()
            .description("What was asked for.")
            .header("Link", next_page())
            .content("application/json", ContentBuilder::new().schema(Some(items)).build());
        answer("200", response)
    }
}

/// The header that names the next page.
pub(crate) fn next_page() -> Header {
    text_header("While there are more than `limit`, the next page: `<…>; rel=\"next\"`.")
}

/// A header that is text.
pub(crate) fn text_header(description: &str) -> Header {
    HeaderBuilder::new()
        .description(Some(description))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}
