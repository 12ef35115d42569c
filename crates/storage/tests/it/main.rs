//! Tests of the store ports, for every engine on a real server or file.

// Shared test bodies are outside of test functions, where clippy does not allow these.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api_tokens;
mod associations;
mod cancellation;
mod database;
mod directory;
mod example_data;
mod experiments;
mod fixtures;
mod flags;
mod import_legacy;
mod ingest;
mod measure_ids;
mod measure_types;
mod measures;
mod mysql_outages;
mod mysql_sign_in;
mod mysql_tls;
mod preparation;
mod publishers;
mod readings;
mod rejected_messages;
mod rejected_races;
mod sealing;
mod sensor_readings;
mod sensors;
mod series;
mod sqlite_files;
mod upgrade;
mod users;
