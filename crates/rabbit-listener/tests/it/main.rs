//! The Rabbit listener with a real RabbitMQ and a scripted ingest service.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod broker;
mod consuming;
mod database;
mod harness;
mod ingest;
mod log;
mod mqtt;
mod raw;
mod replies;
mod sessions;
mod stopping;
mod tls;
