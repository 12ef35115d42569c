//! The benchmarks. Each starts private servers, measures the release binary, and prints its figures
//! beside their limit from the same run, so that the ratio holds on any machine.

mod adapter;
mod bare;
mod blocks;
mod broker;
mod database;
mod ingest;
mod load;
mod logging;
mod read;
mod report;
mod scale;
mod sealed;
mod service;
mod slow;
mod usage;
mod victoria;
mod workload;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(
    name = "mymonit-bench",
    about = "Measures MyMONIT beside the limits of its broker and its database"
)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Debug, Subcommand)]
enum Benchmark {
    /// Messages from the queue into the database.
    Ingest(ingest::Options),
    /// The overhead of logging.
    Logging(logging::Options),
    /// Measures out of the database to clients.
    Read(read::Options),
    /// One, two and four processes on one broker and one database, and the disk space of a measure.
    Scale(scale::Options),
    /// A CSV file to the broker, by the adapter.
    Adapter(adapter::Options),
    /// Sealed blocks in memory.
    Blocks(blocks::Options),
    /// Sealed measures on both engines, beside VictoriaMetrics.
    Sealed(sealed::Options),
    /// The limit that `read` compares with; it starts this itself.
    #[command(hide = true)]
    BareHandler(bare::Options),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().benchmark {
        Benchmark::Ingest(options) => ingest::run(&options).await,
        Benchmark::Logging(options) => logging::run(&options).await,
        Benchmark::Read(options) => read::run(&options).await,
        Benchmark::Scale(options) => scale::run(&options).await,
        Benchmark::Adapter(options) => adapter::run(&options).await,
        Benchmark::Blocks(options) => blocks::run(&options),
        Benchmark::Sealed(options) => sealed::run(&options).await,
        Benchmark::BareHandler(options) => bare::serve(&options).await,
    }
}
