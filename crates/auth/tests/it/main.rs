//! The token verifiers with real tokens, and keys from a real server on the loopback address.

#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod clock;
mod emulator;
mod evaluation;
mod firebase;
mod injection;
mod signing_keys;
mod table;
