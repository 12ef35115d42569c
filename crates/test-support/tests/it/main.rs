//! The private servers are real, apart from each other, and leave nothing behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod abandoned;
mod mysql;
mod ports;
mod proxy;
mod rabbitmq;
mod service_process;
mod wait;
