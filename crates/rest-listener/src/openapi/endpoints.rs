use axum::Router;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{parameters, refusals};
use crate::RestState;
use crate::error::Kind;

/// Endpoints, each in the router and in the document at once.
#[derive(Default)]
pub(crate) struct Endpoints {
    router: Router<RestState>,
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl Endpoints {
    /// Adds the methods of a path that want a token.
    pub(crate) fn guarded(self, routes: UtoipaMethodRouter<RestState>) -> Self {
        self.add(routes, guard)
    }

    /// Adds the methods of a path that want none.
    pub(crate) fn open(self, routes: UtoipaMethodRouter<RestState>) -> Self {
        self.add(routes, |_, operation| operation.security = Some(Vec::new()))
    }

    /// Adds those of another resource.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
        self
    }

    /// Adds the schema of a type that only answers or parameters made by hand refer to.
    pub(crate) fn with_schema<T: ToSchema>(mut self) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self
    }

    pub(crate) fn into_router(self) -> Router<RestState> {
        self.router
    }

    pub(super) fn paths(&self) -> &Paths {
        &self.paths
    }

    pub(super) fn schemas(&self) -> &[(String, RefOr<Schema>)] {
        &self.schemas
    }

    fn add(
        mut self,
        (schemas, paths, methods): UtoipaMethodRouter<RestState>,
        complete: fn(&str, &mut Operation),
    ) -> Self {
        for (path, mut item) in paths.paths {
            // The router knows a path by its spelling without a trailing slash.
            self.router = self.router.route(path.trim_end_matches('/'), methods.clone());
            for operation in operations(&mut item) {
                complete(&path, operation);
                name_request_id(operation);
            }
            self.paths.paths.insert(path, item);
        }
        self.schemas.extend(schemas);
        self
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}

/// Adds the refusals that an operation has because it wants a token, a thing of the path, or a body. Those that only
/// some operations know, such as a conflict, stand at their handlers.
fn guard(path: &str, operation: &mut Operation) {
    let everywhere = [
        Kind::InvalidArgument,
        Kind::Unauthenticated,
        Kind::Forbidden,
        Kind::TooManyRequests,
        Kind::Internal,
        Kind::Unavailable,
    ];
    let of_path: &[_] = if path.contains('{') { &[Kind::NotFound] } else { &[] };
    let of_body: &[_] = match operation.request_body {
        Some(_) => &[Kind::RequestTimeout, Kind::PayloadTooLarge, Kind::UnsupportedMediaType],
        None => &[],
    };
    for kind in everywhere.iter().chain(of_path).chain(of_body) {
        let refusal = Ref::from_response_name(refusals::name(*kind));
        operation.responses.responses.insert(kind.status().as_str().to_owned(), refusal.into());
    }
}

/// Adds the request id, which may be given with every request and stands in every answer.
fn name_request_id(operation: &mut Operation) {
    let given = Ref::new(format!("#/components/parameters/{}", parameters::X_REQUEST_ID));
    operation.parameters.get_or_insert_default().push(RefOr::Ref(given));
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.headers.insert(parameters::X_REQUEST_ID.to_owned(), refusals::request_id().into());
        }
    }
}
