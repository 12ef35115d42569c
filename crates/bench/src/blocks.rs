//! Sealed blocks in memory: bytes per measure, and the speed of encoding and decoding.

use std::time::{Duration, Instant};

use clap::Args;
use mymonit_storage::blocks::{BlockMeasure, BlockSeries, decode, encode};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::report::{line, per_second, to_f64};

/// The maximum size of a block: two fit into a page of InnoDB.
const MAX_BYTES: usize = 8_000;
const SECOND: i64 = 1_000_000_000;

/// What the benchmark does.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// How many measures of each kind.
    #[arg(long, default_value_t = 1_000_000)]
    measures: u32,
}

/// Runs the benchmark.
///
/// # Errors
/// If a decoded block differs from its measures.
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    line("measures                          bytes each   a block   encode/s   decode/s");
    report("0.01 °C walk, ms jitter", &made(options.measures, 1, walk))?;
    report("the same, 20 series in turn", &made(options.measures, 20, walk))?;
    report(
        "12-bit ADC, ms jitter",
        &made(options.measures, 1, |random, _| f64::from(random.random_range(0..4096_u16))),
    )?;
    report("full mantissa, random ns", &made(options.measures, 1, |random, _| random.random::<f64>()))
}

fn walk(random: &mut StdRng, before: f64) -> f64 {
    ((before * 100.0).round() + f64::from(random.random_range(-1..=1_i8))) / 100.0
}

/// Measures of one experiment, alternating between the series, about one per second each.
fn made(count: u32, series: u32, mut next: impl FnMut(&mut StdRng, f64) -> f64) -> Vec<BlockMeasure> {
    let mut random = StdRng::seed_from_u64(1);
    let mut values = vec![20.0; series as usize];
    (0..count)
        .map(|number| {
            let sensor = number % series;
            let value = &mut values[sensor as usize];
            *value = next(&mut random, *value);
            let second = i64::from(number / series);
            let is_random = series == 1 && value.fract() != 0.0 && (*value * 100.0).fract() != 0.0;
            let jitter = if is_random {
                random.random_range(0..SECOND)
            } else {
                random.random_range(0..10) * 1_000_000
            };
            BlockMeasure {
                timestamp: (1_650_000_000 + second) * SECOND + jitter,
                id: u64::from(number) + 1,
                series: BlockSeries { sensor, measure_type: 16 },
                value: *value,
            }
        })
        .collect()
}

fn report(name: &str, measures: &[BlockMeasure]) -> anyhow::Result<()> {
    let (mut rest, mut blocks, mut size) = (measures, Vec::new(), 4_096);
    let began = Instant::now();
    while !rest.is_empty() {
        let (block, after) = rest.split_at(size.min(rest.len()));
        let coded = encode(block)?;
        let fitting = block.len() * MAX_BYTES / coded.0.len() * 97 / 100;
        if coded.0.len() <= MAX_BYTES {
            blocks.push(coded);
            rest = after;
        }
        size = fitting.clamp(1, 16_384);
    }
    let encoded = began.elapsed();
    let began = Instant::now();
    let mut decoded = Vec::new();
    let mut waste = Duration::ZERO;
    for (data, crc) in &blocks {
        let block = decode(data, *crc)?;
        let kept = Instant::now();
        decoded.extend(block);
        waste += kept.elapsed();
    }
    let took = began.elapsed() - waste;
    let mut expected = measures.to_vec();
    expected.sort_by_key(BlockMeasure::position);
    decoded.sort_by_key(BlockMeasure::position);
    anyhow::ensure!(decoded == expected, "the measures have changed");
    let count = measures.len() as u64;
    let bytes: usize = blocks.iter().map(|(data, _)| data.len()).sum();
    line(&format!(
        "{name:32} {:11.2} {:9} {:10.0} {:10.0}",
        to_f64(bytes as u64) / to_f64(count),
        count / blocks.len() as u64,
        per_second(count, encoded),
        per_second(count, took),
    ));
    Ok(())
}
