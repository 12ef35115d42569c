use std::io::{Write, stdout};

use anyhow::Context;

/// Prints the OpenAPI document of the REST API.
pub(crate) fn openapi() -> anyhow::Result<()> {
    stdout().write_all(mymonit_rest_listener::openapi_yaml().as_bytes()).context("cannot print the document")
}
