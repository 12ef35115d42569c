//! The HTTP door as a client sees it: the real services over stores that are kept in memory, served on a real
//! socket.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod associations;
mod authentication;
mod bad_bodies;
mod bad_parameters;
mod compressed;
mod contract;
mod cross_origin;
mod descriptors;
mod experiments;
mod formats;
mod headers;
mod health;
mod log;
mod measures;
mod memory;
mod methods;
mod page;
mod panics;
mod raw;
mod reduced;
mod rejected_memory;
mod rejected_messages;
mod site;
mod slow_clients;
mod stop;
mod streaming;
mod users;
