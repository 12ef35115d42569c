use std::time::Duration;

use mymonit_test_support::{Exit, ServiceProcess, Stream, wait_until};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A shell that runs `script` as a service would run.
async fn run(script: &str) -> ServiceProcess {
    ServiceProcess::builder("/bin/sh").args(["-c", script]).start().await.unwrap()
}

fn exists(pid: rustix::process::Pid) -> bool {
    rustix::process::test_kill_process(pid).is_ok()
}

#[tokio::test]
async fn lines_of_both_outputs_are_kept_with_where_they_came_from() {
    let process = run("echo ready; echo oh dear >&2; exit 3").await;
    assert_eq!(process.wait_for_line("ready", TIMEOUT).await.unwrap().stream, Stream::Stdout);
    assert_eq!(process.wait_for_line("oh dear", TIMEOUT).await.unwrap().stream, Stream::Stderr);
    assert_eq!(process.wait_for_exit(TIMEOUT).await.unwrap(), Exit::Status(3));
    assert!(!process.is_running());
    assert_eq!(process.lines().len(), 2);
}

#[tokio::test]
async fn waiting_for_a_line_ends_with_the_process_and_quotes_what_it_said() {
    let process = run("echo no such file >&2; exit 1").await;
    let error = format!("{:#}", process.wait_for_line("ready", TIMEOUT).await.unwrap_err());
    assert!(error.contains("\"ready\"") && error.contains("no such file"), "{error}");
}

#[tokio::test]
async fn all_output_is_available_at_the_end_of_a_process() {
    let process = run("echo first; yes | head --lines 2000; printf unfinished; printf unheard >&2").await;
    for runs in 1..=20 {
        assert!(process.wait_for_exit(TIMEOUT).await.unwrap().success());
        let lines: Vec<_> = process.lines().iter().map(|line| line.text.clone()).collect();
        assert_eq!(lines.len(), runs * 2003);
        let said = |text: &str| lines.iter().filter(|line| *line == text).count();
        assert_eq!(
            (said("first"), said("y"), said("unfinished"), said("unheard")),
            (runs, runs * 2000, runs, runs)
        );
        if runs < 20 {
            process.start_again().await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_environment_holds_only_what_the_test_puts_there() {
    let process = ServiceProcess::builder("/usr/bin/env").env("REST_PORT", "5000").start().await.unwrap();
    process.wait_for_exit(TIMEOUT).await.unwrap();
    process.wait_for_line("REST_PORT=5000", TIMEOUT).await.unwrap();
    let names: Vec<_> =
        process.lines().iter().filter_map(|line| Some(line.text.split_once('=')?.0.to_owned())).collect();
    for name in names {
        assert!(["PATH", "REST_PORT", "METRICS_PORT", "PWD"].contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn a_graceful_stop_gives_the_status_and_a_kill_the_signal() {
    let script = "trap 'echo stopping; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let process = run(script).await;
    process.wait_for_line("ready", TIMEOUT).await.unwrap();
    assert_eq!(process.terminate(TIMEOUT).await.unwrap(), Exit::Status(0));
    process.wait_for_line("stopping", TIMEOUT).await.unwrap();

    let lines = process.line_count();
    process.start_again().await.unwrap();
    process.wait_for_line_after(lines, "ready", TIMEOUT).await.unwrap();
    assert_eq!(process.kill9().await.unwrap(), Exit::Signal(9));
}

#[tokio::test]
async fn ctrl_c_reaches_the_process() {
    let process = run("exec sleep 1000").await;
    assert_eq!(process.interrupt(TIMEOUT).await.unwrap(), Exit::Signal(2));
}

#[tokio::test]
async fn a_dropped_process_is_removed_with_its_folder() {
    let process = run("exec sleep 1000").await;
    let (pid, folder) = (process.pid().unwrap(), process.folder().to_owned());
    assert!(exists(pid) && folder.is_dir());
    drop(process);
    assert!(!exists(pid) && !folder.exists());
}

#[tokio::test]
async fn a_process_that_stopped_itself_goes_when_it_is_dropped() {
    let process = run("echo ready; kill -STOP $$; echo unreachable").await;
    process.wait_for_line("ready", TIMEOUT).await.unwrap();
    let pid = process.pid().unwrap();
    drop(process);
    wait_until(
        "the process is gone",
        TIMEOUT,
        async || if exists(pid) { Err("it is there") } else { Ok(()) },
    )
    .await
    .unwrap();
}

#[tokio::test]
async fn a_missing_binary_is_named() {
    let error = ServiceProcess::builder("/no/such/binary").start().await.unwrap_err();
    assert!(error.to_string().contains("/no/such/binary"));
}
