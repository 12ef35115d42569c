//! The examples of `docs/adapters.md` do what is said there.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::house::{House, SOON};

const DOCS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/adapters.md"));
/// Debian's interpreter, for which the package python3-pika installs its modules.
const PYTHON: &str = "/usr/bin/python3";

/// The blocks of code whose first line says this of them: `file=name` or `output=name`.
fn blocks(kind: &str) -> BTreeMap<&'static str, &'static str> {
    let fences = DOCS.split("\n```").skip(1).step_by(2);
    let named = fences.filter_map(|block| {
        let (first, content) = block.split_once('\n')?;
        Some((first.split_once(kind)?.1, content))
    });
    named.collect()
}

/// The measures that such lines show: `line 2: device-vibrations, 21.53 degree Celsius at 2022-…`.
fn shown(output: &str) -> Vec<String> {
    let measures = output.lines().filter_map(|line| line.split_once("device-vibrations, "));
    measures.map(|(_, measure)| measure.to_owned()).collect()
}

async fn example(name: &str) -> anyhow::Result<()> {
    let house = House::new().await?;
    for (file, content) in blocks("file=") {
        fs::write(house.path(file), format!("{content}\n"))?;
    }
    let description = format!("{name}.toml");
    let expected = *blocks("output=").get(description.as_str()).context("no such example")?;

    let check = house.run(&["check", "--source", &description]).await?;
    ensure!(check.stdout.trim_end() == expected, "{check:?}");
    let run = house.run(&["run", "--source", &description]).await?;
    ensure!(run.code == 0, "{run:?}");
    let expected = shown(expected);
    // Those of the example data have some of these times.
    let arrived_measures = house.all_measures_when(expected.len() + 10, SOON).await?;
    for measure in expected {
        let arrived = |it: &crate::house::Measure| {
            format!("{:?} {} at {}", it.value, it.measure_type, it.timestamp) == measure
        };
        ensure!(arrived_measures.iter().any(arrived), "{measure} has not arrived: {arrived_measures:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_example_for_text_does_what_is_said() {
    example("sensor").await.unwrap();
}

#[tokio::test]
async fn the_example_for_csv_does_what_is_said() {
    example("station").await.unwrap();
}

#[tokio::test]
async fn the_example_for_ndjson_does_what_is_said() {
    example("events").await.unwrap();
}

#[tokio::test]
async fn the_example_for_json_does_what_is_said() {
    example("run").await.unwrap();
}

#[tokio::test]
async fn the_example_for_xml_does_what_is_said() {
    example("spectrum").await.unwrap();
}

#[test]
fn every_example_is_run() {
    let outputs: Vec<_> = blocks("output=").into_keys().collect();
    assert_eq!(outputs, ["events.toml", "run.toml", "sensor.toml", "spectrum.toml", "station.toml"]);
}

#[tokio::test]
async fn the_publisher_in_python_may_be_run_twice_and_stores_everything_once() {
    let house = House::new().await.unwrap();
    let program = blocks("file=")["publisher.py"];
    let lines = program.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 24, "twenty lines, more or less");
    fs::write(house.path("publisher.py"), program).unwrap();
    fs::write(house.path("values.txt"), "2023-01-01T00:00:00Z 0.1\n2023-01-01T00:00:01.5Z -2e3\n").unwrap();
    for _ in 0..2 {
        let mut python = Command::new(PYTHON);
        python.args(["publisher.py", "device-vibrations", "hertz", "values.txt"]);
        python.env("RABBIT_URL", &house.broker_url).current_dir(house.folder.path());
        assert!(python.status().await.unwrap().success());
    }
    fs::write(house.path("last.txt"), "7\n").unwrap();
    house.run(&["run", "--experiment", "device-vibrations", "--measure", "lux", "last.txt"]).await.unwrap();
    let measures = house.measures_when(3, SOON).await.unwrap();
    let values: Vec<_> = measures.iter().map(|measure| measure.value).collect();
    assert_eq!(values, [0.1, -2e3, 7.0]);
}
