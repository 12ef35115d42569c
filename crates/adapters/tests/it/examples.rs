//! The examples of `docs/adapters.md` work as described.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, ensure};
use tokio::process::Command;

use crate::environment::{Finished, TIMEOUT, TestEnvironment};

const DOCS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/adapters.md"));
/// Debian's interpreter: the package python3-pika installs for it.
const PYTHON: &str = "/usr/bin/python3";

/// The recipes that have an output.
const RECIPES: [&str; 6] = ["campbell", "lvm", "scope", "archiver", "excel", "syslog"];

/// The code blocks whose first line is `file=name` or `output=name`.
fn blocks(kind: &str) -> BTreeMap<&'static str, &'static str> {
    let fences = DOCS.split("\n```").skip(1).step_by(2);
    let named = fences.filter_map(|block| {
        let (first, content) = block.split_once('\n')?;
        Some((first.split_once(kind)?.1, content))
    });
    named.collect()
}

/// The measures in such lines: `line 2: device-vibrations, 21.53 degree Celsius at 2022-…`.
fn shown(output: &str) -> Vec<String> {
    let measures = output.lines().filter_map(|line| line.split_once("device-vibrations, "));
    // The rest is the sensor, which this test ignores.
    let measures = measures.map(|(_, measure)| measure.split(" by ").next().unwrap_or(measure));
    measures.map(str::to_owned).collect()
}

async fn example(name: &str) -> anyhow::Result<()> {
    let environment = TestEnvironment::new().await?;
    for (file, content) in blocks("file=") {
        fs::write(environment.path(file), format!("{content}\n"))?;
    }
    let description = format!("{name}.toml");
    let expected = *blocks("output=").get(description.as_str()).context("no such example")?;

    let check = environment.run(&["check", "--source", &description]).await?;
    ensure!(check.stdout.trim_end() == expected, "{check:?}");
    let run = environment.run(&["run", "--source", &description]).await?;
    ensure!(run.code == 0, "{run:?}");
    let expected = shown(expected);
    // Some measures of the example data have the same times.
    let arrived_measures = environment.all_measures_when(expected.len() + 10, TIMEOUT).await?;
    for measure in expected {
        let arrived = |it: &crate::environment::Measure| {
            format!("{:?} {} at {}", it.value, it.measure_type, it.timestamp) == measure
        };
        ensure!(arrived_measures.iter().any(arrived), "{measure} has not arrived: {arrived_measures:?}");
    }
    Ok(())
}

#[tokio::test]
async fn the_example_for_text_works() {
    example("sensor").await.unwrap();
}

#[tokio::test]
async fn the_example_for_csv_works() {
    example("station").await.unwrap();
}

#[tokio::test]
async fn the_example_for_ndjson_works() {
    example("events").await.unwrap();
}

#[tokio::test]
async fn the_example_for_json_works() {
    example("run").await.unwrap();
}

#[tokio::test]
async fn the_example_for_xml_works() {
    example("spectrum").await.unwrap();
}

#[tokio::test]
async fn the_recipes_work() {
    for name in RECIPES {
        example(name).await.with_context(|| name.to_owned()).unwrap();
    }
    let folder = tempfile::TempDir::new().unwrap();
    for (file, content) in blocks("file=").into_iter().filter(|(file, _)| file.starts_with("nmea.")) {
        fs::write(folder.path().join(file), format!("{content}\n")).unwrap();
    }
    let run =
        crate::environment::run_in(folder.path(), &["run", "--dry-run", "--source", "nmea.toml"], &[]).await;
    let run = run.unwrap();
    assert!(run.code == 0 && run.stderr.contains("1 measures found"), "{run:?}");
}

#[test]
fn every_example_is_run() {
    let outputs: Vec<_> = blocks("output=").into_keys().collect();
    let of_formats = ["events.toml", "run.toml", "sensor.toml", "spectrum.toml", "station.toml"];
    let recipes = RECIPES.map(|name| format!("{name}.toml"));
    let is_run = |output: &&&str| of_formats.contains(*output) || recipes.iter().any(|name| name == **output);
    assert_eq!(outputs.iter().filter(is_run).count(), outputs.len());
    assert_eq!(outputs.len(), of_formats.len() + RECIPES.len());
}

#[tokio::test]
async fn the_publisher_in_python_may_be_run_twice_and_stores_everything_once() {
    let environment = TestEnvironment::new().await.unwrap();
    let program = blocks("file=")["publisher.py"];
    let lines = program.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 24, "twenty lines, more or less");
    fs::write(environment.path("publisher.py"), program).unwrap();
    fs::write(environment.path("values.txt"), "2023-01-01T00:00:00Z 0.1\n2023-01-01T00:00:01.5Z -2e3\n")
        .unwrap();
    for _ in 0..2 {
        let mut python = Command::new(PYTHON);
        python.args(["publisher.py", "device-vibrations", "hertz", "values.txt"]);
        python.env("RABBIT_URL", &environment.broker_url).current_dir(environment.folder.path());
        assert!(python.status().await.unwrap().success());
    }
    fs::write(environment.path("last.txt"), "7\n").unwrap();
    environment
        .run(&["run", "--experiment", "device-vibrations", "--measure", "lux", "last.txt"])
        .await
        .unwrap();
    let measures = environment.measures_when(3, TIMEOUT).await.unwrap();
    let values: Vec<_> = measures.iter().map(|measure| measure.value).collect();
    assert_eq!(values, [0.1, -2e3, 7.0]);
}

#[tokio::test]
async fn the_python_publisher_gets_the_closest_name_of_a_misspelt_experiment() {
    let environment = TestEnvironment::new().await.unwrap();
    let program = blocks("file=")["receive_rejections.py"];
    let lines = program.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() <= 11, "ten lines, more or less");
    fs::write(environment.path("receive_rejections.py"), program).unwrap();
    let mut python = Command::new(PYTHON);
    python
        .arg("receive_rejections.py")
        .env("RABBIT_URL", &environment.broker_url)
        .current_dir(environment.folder.path());
    let receiver = Finished::of_command(python).await.unwrap();
    let detail = "`experiment`: there is no experiment named `device-vibration`; the closest known name is `device-vibrations`";
    assert!(
        receiver.stdout.contains(detail) && receiver.stdout.contains("'reason': 'unknown_experiment'"),
        "{receiver:?}"
    );
    let rejected = environment.rejected_messages().await.unwrap();
    assert!(receiver.stdout.contains(rejected[0]["message_id"].as_str().unwrap()), "{receiver:?}");
}
