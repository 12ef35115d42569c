//! The program as its users meet it: the real binary beside a real broker and a real database.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod audit;
mod canary;
mod cancelled_readings;
mod concurrency;
mod configuration;
mod evaluation;
mod guide;
mod house;
mod kill;
mod listeners;
mod log_fields;
mod logstash;
mod main_job;
mod metrics;
mod moving_in;
mod prometheus;
mod python_system;
mod rejected;
mod replay;
mod role_matrix;
mod rolling_restart;
mod start;
mod stop;
mod terminal;
mod transfer;
