//! Tests of the binary with a real broker and a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod api_tokens;
mod audit;
mod canary;
mod cancelled_readings;
mod concurrency;
mod configuration;
mod environment;
mod evaluation;
mod import_legacy;
mod kill;
mod listeners;
mod log_fields;
mod logstash;
mod logstash_tls;
mod main_job;
mod metrics;
mod prometheus;
mod proxy;
mod publishers;
mod python_system;
mod rejected;
mod replay;
mod role_matrix;
mod rolling_restart;
mod sealing;
mod start;
mod stop;
mod terminal;
mod transfer;
mod user_rate;
