//! The binary `mymonit`.
fn main() {}
