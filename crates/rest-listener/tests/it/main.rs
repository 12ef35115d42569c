//! The REST API as a client sees it: the real services over in-memory stores, on a real socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod api_tokens;
mod associations;
mod authentication;
mod bad_bodies;
mod bad_parameters;
mod compressed;
mod contract;
mod cross_origin;
mod descriptors;
mod experiments;
mod flag_memory;
mod flags;
mod formats;
mod headers;
mod health;
mod log;
mod measures;
mod memory;
mod methods;
mod page;
mod panics;
mod publisher_memory;
mod publishers;
mod raw;
mod recent_sign_in;
mod reduced;
mod rejected_memory;
mod rejected_messages;
mod sensor_memory;
mod sensors;
mod shares;
mod site;
mod slow_clients;
mod stop;
mod streaming;
mod users;
