use axum::Router;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, PathItem, Paths};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa_axum::router::UtoipaMethodRouter;

use super::{problems, request_id};
use crate::error::Kind;
use crate::methods;
use crate::state::RestState;

/// Endpoints with their handlers and their documentation.
pub(crate) struct Endpoints<S = RestState> {
    router: Router<S>,
    paths: Paths,
    schemas: Vec<(String, RefOr<Schema>)>,
}

impl<S: Clone + Send + Sync + 'static> Default for Endpoints<S> {
    fn default() -> Self {
        Self { router: Router::new(), paths: Paths::default(), schemas: Vec::new() }
    }
}

impl<S: Clone + Send + Sync + 'static> Endpoints<S> {
    /// Adds the methods of a path that need a token.
    pub(crate) fn guarded(self, routes: UtoipaMethodRouter<S>) -> Self {
        self.add(routes, guard)
    }

    /// Adds the methods of a path that need no token.
    pub(crate) fn open(self, routes: UtoipaMethodRouter<S>) -> Self {
        self.add(routes, |_, operation| operation.security = Some(Vec::new()))
    }

    /// Adds the endpoints of another resource.
    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.router = self.router.merge(other.router);
        self.paths.merge(other.paths);
        self.schemas.extend(other.schemas);
        self
    }

    /// Adds the schema of a type to which only hand-written answers or parameters refer.
    pub(crate) fn with_schema<T: ToSchema>(mut self) -> Self {
        self.schemas.push((T::name().into_owned(), T::schema()));
        T::schemas(&mut self.schemas);
        self
    }

    pub(crate) fn into_router(self) -> Router<S> {
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
        (schemas, paths, methods): UtoipaMethodRouter<S>,
        complete: fn(&str, &mut Operation),
    ) -> Self {
        for (path, mut item) in paths.paths {
            let methods = methods::complete(methods.clone(), &allowed(&item));
            // The middleware removes the trailing slash of a request's path.
            self.router = self.router.route(path.trim_end_matches('/'), methods);
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

/// The methods of a path; axum answers HEAD where there is GET.
fn allowed(item: &PathItem) -> String {
    let methods = [
        ("GET, HEAD", item.get.is_some()),
        ("POST", item.post.is_some()),
        ("PUT", item.put.is_some()),
        ("DELETE", item.delete.is_some()),
    ];
    let allowed: Vec<_> =
        methods.into_iter().filter(|(_, is_there)| *is_there).map(|(name, _)| name).collect();
    allowed.join(", ")
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
}

/// Adds the refusals that follow from a token, a parameter in the path, or a body. Handlers
/// document the others, such as a conflict.
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
        let refusal = Ref::from_response_name(problems::name(*kind));
        let status = kind.status().as_str().to_owned();
        operation.responses.responses.entry(status).or_insert_with(|| refusal.into());
    }
}

/// Adds the request id to the parameters and to the answers.
fn name_request_id(operation: &mut Operation) {
    let given = Ref::new(format!("#/components/parameters/{}", request_id::X_REQUEST_ID));
    operation.parameters.get_or_insert_default().push(RefOr::Ref(given));
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response {
            response.headers.insert(request_id::X_REQUEST_ID.to_owned(), request_id::header().into());
        }
    }
}
