//! The output of the program on a terminal.

use tokio::process::Command;

use crate::environment::{BINARY, Engine, TestEnvironment};

/// Runs a command on a terminal made by `script` (part of every Debian); returns its output.
async fn shown_on_a_terminal(environment: &TestEnvironment, command: &str) -> String {
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &format!("{BINARY} {command}"), "/dev/null"]);
    script.env("DATABASE_URL", &environment.database_url).env("LOGSTASH_HOST", "").kill_on_drop(true);
    let output = script.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn on_a_terminal_lines_are_for_people_and_coloured_and_anywhere_else_they_are_json() {
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let shown = shown_on_a_terminal(&environment, "migrate").await;
    let line = shown.lines().find(|line| line.contains("the database schema is up to date")).unwrap();
    assert!(line.contains("\u{1b}[32m INFO\u{1b}[0m"), "{line:?}");
    assert!(!line.contains('{'), "{line:?}");

    let finished = environment.command("migrate").unwrap().run().await.unwrap();
    let line: serde_json::Value = serde_json::from_str(&finished.stdout).unwrap();
    assert_eq!(line["message"], "the database schema is up to date");
}
