//! Files as instruments and programs write them. The values are right, or an error is reported.

mod files;
mod formats;
mod hostile;
mod init;
mod times;
mod values;

use std::fs;

use tempfile::TempDir;

use crate::environment::run_in;

/// The output of a dry run, and the measures that `check` shows.
#[derive(Debug)]
struct Outcome {
    code: i32,
    said: String,
    /// As `21.5 degree Celsius at 2022-04-06T07:00:00Z`.
    measures: Vec<String>,
}

impl Outcome {
    fn values(&self) -> Vec<f64> {
        let first = |measure: &String| measure.split(' ').next().unwrap().parse().unwrap();
        self.measures.iter().map(first).collect()
    }

    fn times(&self) -> Vec<&str> {
        self.measures.iter().map(|measure| measure.split_once(" at ").unwrap().1).collect()
    }
}

/// Reads a file by a description, which gets an `[input]` unless it has one.
async fn read(content: &[u8], description: &str) -> Outcome {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("input"), content).unwrap();
    let input = if description.contains("[input]") { "" } else { "[input]\nfiles = [\"input\"]\n" };
    let text = format!("experiment = \"e\"\n{description}{input}");
    fs::write(folder.path().join("source.toml"), text).unwrap();
    let run = run_in(folder.path(), &["run", "--dry-run", "--source", "source.toml"], &[]).await.unwrap();
    let check = ["check", "--first", "1000", "--source", "source.toml"];
    let check = run_in(folder.path(), &check, &[]).await.unwrap();
    let measures = check.stdout.lines().filter_map(|line| line.split_once(": e, "));
    let measures: Vec<_> = measures.map(|(_, measure)| measure.to_owned()).collect();
    let found = format!(" {} measures found", measures.len());
    assert!(run.code == 2 || run.code == 1 || run.stderr.contains(&found), "{run:?}\n{check:?}");
    Outcome { code: run.code, said: run.stderr, measures }
}

const HERTZ: &str = "[[measures]]\nmeasure = \"hertz\"\nvalue = \"v\"\n";
const CSV: &str = "[format]\nkind = \"csv\"\n";
const TIME: &str = "[timestamp]\nfield = \"time\"\n";

/// Reads CSV with the columns `time` and `v`.
async fn csv(content: &str) -> Outcome {
    read(content.as_bytes(), &format!("{CSV}{TIME}{HERTZ}")).await
}

/// The same with more in the table `[timestamp]`.
async fn times(content: &str, more: &str) -> Outcome {
    read(content.as_bytes(), &format!("{CSV}{TIME}{more}\n{HERTZ}")).await
}
