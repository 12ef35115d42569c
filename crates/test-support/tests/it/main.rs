//! The private servers are isolated from each other and are cleaned up.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abandoned;
mod mysql;
mod ports;
mod proxy;
mod rabbitmq;
mod service_process;
mod wait;
