//! The limit of small reads: axum with one query and none of the service's layers.

use std::net::Ipv4Addr;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use clap::Args;
use mymonit_model::Timestamp;
use serde::Serialize;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{MySqlPool, query_as};
use tokio::net::TcpListener;

/// What the service's own statement reads for a first page, with the names that the service keeps
/// in memory.
const READ: &str = "SELECT ID, TYPE, TIMESTAMP, MEASURE_VALUE, IS_NEGATIVE_ZERO \
    FROM MEASURES FORCE INDEX (PRIMARY) \
    WHERE EXPERIMENT_ID = ? AND TIMESTAMP BETWEEN ? AND ? ORDER BY TIMESTAMP DESC, ID DESC LIMIT ?";
const MEASURES: u64 = 10;

#[derive(Debug, Args)]
pub(crate) struct Options {
    #[arg(long)]
    database_url: String,
    #[arg(long)]
    port: u16,
}

#[derive(Serialize)]
struct Measure {
    experiment: &'static str,
    measure_type: &'static str,
    timestamp: String,
    value: f64,
}

/// Answers until it is killed.
#[expect(clippy::disallowed_methods, reason = "the peer has no middleware; only the benchmark connects")]
pub(crate) async fn serve(options: &Options) -> anyhow::Result<()> {
    let pool = MySqlPoolOptions::new().max_connections(10).connect(&options.database_url).await?;
    let router = Router::new().route("/measures/{experiment_id}", get(read)).with_state(pool);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).await?;
    Ok(axum::serve(listener, router).await?)
}

/// A handler as in a tutorial. Errors end the benchmark, on the client's side.
async fn read(
    State(pool): State<MySqlPool>,
    Path(experiment_id): Path<u32>,
) -> Result<Json<Vec<Measure>>, StatusCode> {
    let rows = query_as::<_, (u64, u16, i64, f64, bool)>(READ)
        .bind(experiment_id)
        .bind(0_i64)
        .bind(i64::MAX)
        .bind(MEASURES)
        .fetch_all(&pool)
        .await
        .map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let measure = |(_, _, nanos, value, _): (u64, u16, i64, f64, bool)| Measure {
        experiment: "million",
        measure_type: "hertz",
        timestamp: Timestamp::from_unix_nanos(nanos).map(|at| at.to_string()).unwrap_or_default(),
        value,
    };
    Ok(Json(rows.into_iter().map(measure).collect()))
}
