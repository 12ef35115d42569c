use super::print;

/// Prints the OpenAPI document of the REST API.
pub(crate) fn openapi() -> anyhow::Result<()> {
    print(mymonit_rest_listener::openapi_yaml())
}
