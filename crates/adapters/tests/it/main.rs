//! Tests of the adapter's binary with a real broker and the real service.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod bad_documents;
mod bad_input;
mod broker;
mod cases;
mod command_line;
mod environment;
mod exactly_once;
mod examples;
mod folders;
mod refusals;
mod state;
mod streams;
