//! The command-line interface: help, completions, progress bar, exit codes, systemd unit.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use mymonit_test_support::{Exit, ReservedPort, ServiceProcess, wait_until};
use tempfile::TempDir;
use tokio::process::Command;

use crate::environment::{BINARY, Finished, TIMEOUT, TestEnvironment, run_in};

const SIMPLE: [&str; 5] = ["run", "--experiment", "device-vibrations", "--measure", "hertz"];

/// The folder of the binary, for `PATH`.
fn folder_of_binary() -> PathBuf {
    Path::new(BINARY).parent().unwrap().to_owned()
}

/// A shell with the binary in its `PATH`.
fn shell(program: &str, arguments: &[&str], folder: &Path) -> Command {
    let path = format!("{}:{}", folder_of_binary().display(), std::env::var("PATH").unwrap_or_default());
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("PATH", path).env("HOME", folder).env("TERM", "dumb");
    command.kill_on_drop(true);
    command
}

/// The output of a shell that has loaded the completions.
async fn completed(program: &str, arguments: &[&str], script: &str) -> anyhow::Result<String> {
    let folder = TempDir::new()?;
    let run = run_in(folder.path(), &["completions", program], &[]).await?;
    ensure!(run.code == 0, "{run:?}");
    fs::write(folder.path().join("_mymonit-adapter"), run.stdout)?;
    let arguments = [arguments, &["-c", script]].concat();
    let said = Finished::of_command(shell(program, &arguments, folder.path())).await?;
    ensure!(said.code == 0, "{said:?}");
    ensure!(said.stderr.is_empty(), "{said:?}");
    Ok(said.stdout)
}

#[tokio::test]
async fn bash_completes_commands_options_and_their_values() {
    let script = r#"
        source ./_mymonit-adapter
        complete_words() {
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
            local function
            function=$(complete -p mymonit-adapter | sed 's/.*-F \([^ ]*\).*/\1/')
            "$function" mymonit-adapter "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
            echo "${COMPREPLY[*]}"
        }
        complete_words mymonit-adapter r
        complete_words mymonit-adapter run --meas
        complete_words mymonit-adapter run --format ''
        complete_words mymonit-adapter completions z
    "#;
    let said = completed("bash", &["--norc"], script).await.unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), ["run", "--measure", "text csv ndjson json xml", "zsh"]);
}

#[tokio::test]
async fn fish_completes_commands_options_and_their_values() {
    let script = "source ./_mymonit-adapter
        for line in 'mymonit-adapter r' 'mymonit-adapter run --meas' 'mymonit-adapter run --format nd'
            complete --do-complete $line | string replace -r '\\t.*' ''
        end";
    let said = completed("fish", &["--no-config"], script).await.unwrap();
    assert_eq!(said.lines().collect::<Vec<_>>(), ["run", "--measure", "ndjson"]);
}

#[tokio::test]
async fn zsh_completes_commands_options_and_their_values() {
    // zsh completes only on a terminal, here from zpty. Control-B prints the current line.
    let script = r#"
        zmodload zsh/zpty
        zpty shell "TERM=dumb zsh -f -i"
        zpty -w shell 'PS1=; stty -echo; fpath=($PWD $fpath); autoload -Uz compinit; compinit -u -D; show() { print -r -- "$BUFFER" >>lines; BUFFER= }; zle -N show; bindkey "^B" show; bindkey "^I" complete-word; print rea""dy'
        zpty -r -m shell said '*ready*'
        for line in 'run --meas' 'completions z' 'run --format nd'; do
            zpty -w shell "mymonit-adapter $line"$'\t'$'\C-b'
        done
        zpty -w shell 'print do""ne'
        zpty -r -m shell said '*done*'
        zpty -d shell
        cat lines
    "#;
    let said = completed("zsh", &["-f"], script).await.unwrap();
    let expected = [
        "mymonit-adapter run --measure=",
        "mymonit-adapter completions zsh ",
        "mymonit-adapter run --format ndjson ",
    ];
    assert_eq!(said.lines().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn completions_to_a_closed_output_are_a_clear_error() {
    let folder = TempDir::new().unwrap();
    let full = "mymonit-adapter completions bash >/dev/full";
    let run = Finished::of_command(shell("bash", &["-c", full], folder.path())).await.unwrap();
    assert_eq!(
        (run.code, run.stderr.as_str()),
        (1, "mymonit-adapter: cannot print the result: No space left on device (os error 28)\n")
    );
}

#[tokio::test]
async fn unrelated_variables_may_hold_any_bytes() {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(BINARY);
    command.args(SIMPLE).arg("values.txt").current_dir(folder.path());
    command.env("SITE", OsStr::from_bytes(b"Gen\xe8ve")).env("RABBIT_USER", "a").env("RABBIT_USER_FILE", "b");
    let finished = Finished::of_command(command).await.unwrap();
    assert_eq!(
        (finished.code, finished.stderr.as_str()),
        (2, "mymonit-adapter: RABBIT_USER and RABBIT_USER_FILE are both set; set one of them\n")
    );
}

#[tokio::test]
async fn the_output_may_be_closed() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("values.txt"), "1\nx\n2\n").unwrap();
    let line = format!("mymonit-adapter {} values.txt 2>/dev/full", SIMPLE.join(" "));
    let mut command = shell("bash", &["-c", &line], environment.folder.path());
    command.env("RABBIT_URL", &environment.broker_url).env("XDG_STATE_HOME", environment.path("state"));
    assert_eq!(Finished::of_command(command).await.unwrap().code, 3);
    assert_eq!(environment.measures_when(2, TIMEOUT).await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_terminal_shows_progress_throughput_and_remaining_time() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("values.txt"), "1.5\n".repeat(400_000)).unwrap();
    let line = format!("stty cols 120; mymonit-adapter {} --dry-run values.txt", SIMPLE.join(" "));
    let run = |line: &str| {
        shell("script", &["--quiet", "--return", "--command", line, "typescript"], folder.path())
    };
    let mut command = run(&line);
    // A terminal with cursor movement.
    command.env("TERM", "xterm");
    let shown = Finished::of_command(command).await.unwrap();
    assert_eq!(shown.code, 0, "{shown:?}");
    let bars: Vec<_> = shown.stdout.split(['\r', '\n']).filter(|line| line.contains(" left")).collect();
    let is_whole = |bar: &str| {
        let percent =
            bar.split_once(" %").and_then(|(before, _)| before.rsplit(' ').next()?.parse::<u8>().ok());
        percent.is_some_and(|percent| percent > 0) && bar.contains("iB/s") && bar.contains(" measures  ")
    };
    assert!(bars.iter().any(|bar| is_whole(bar)), "{bars:?}");
    assert!(shown.stdout.contains("400,000 measures found"), "the bar is taken away for the summary");

    let plain =
        run_in(folder.path(), &[&SIMPLE[..], &["--dry-run", "values.txt"]].concat(), &[]).await.unwrap();
    assert!(
        !plain.stderr.contains(" left") && !plain.stderr.contains('\u{1b}'),
        "without a terminal: {plain:?}"
    );
}

/// The commands under "Examples:" of the help, one line each.
fn examples(help: &str) -> Vec<String> {
    let examples = help.split_once("Examples:").unwrap().1.split_once("The broker is").unwrap().0;
    let examples = examples.replace("\\\n", " ");
    examples.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_examples_of_the_help_work() {
    let environment = TestEnvironment::new().await.unwrap();
    let help = environment.run(&["--help"]).await.unwrap();
    assert_eq!(
        environment.run(&["run", "--help"]).await.unwrap().stdout.split_once("Examples:").unwrap().1,
        help.stdout.split_once("Examples:").unwrap().1
    );
    fs::write(environment.path("values.txt"), "1\n2\n").unwrap();
    fs::write(environment.path("run-17.csv"), "time,frequency\n1700000000,3\n").unwrap();
    fs::write(
        environment.path("station.toml"),
        "experiment = \"device-vibrations\"\n[input]\nfiles = [\"station.txt\"]\n[timestamp]\narrival = true\n\
         [[measures]]\nmeasure = \"hertz\"\nvalue = \"line\"\n[format]\nkind = \"text\"\n",
    )
    .unwrap();
    fs::write(environment.path("station.txt"), "4\n").unwrap();
    let (mut measures, mut run) = (0, 0);
    for example in examples(&help.stdout) {
        run += 1;
        measures += run_example(&environment, &example, measures).await.unwrap();
    }
    assert_eq!((run, measures), (5, 6), "one of the examples only checks");
}

/// Runs an example until it ends or its measures arrive; returns their number.
async fn run_example(environment: &TestEnvironment, example: &str, before: usize) -> anyhow::Result<usize> {
    let is_endless = example.contains("tail -f") || example.contains("--follow");
    let expected = match example {
        _ if is_endless => 2,
        _ if example.contains(" check ") => 0,
        _ => 1,
    };
    // The process group ends with its pipe.
    let line =
        if is_endless { format!("set -m; {{ {example}; }} & echo $!; wait") } else { example.to_owned() };
    let mut command = shell("bash", &["-c", &line], environment.folder.path());
    command.env("RABBIT_URL", &environment.broker_url).env("XDG_STATE_HOME", environment.path("state"));
    if !is_endless {
        let run = Finished::of_command(command).await?;
        ensure!(run.code == 0, "{example}: {run:?}");
    } else {
        let mut child = command.stdout(std::process::Stdio::piped()).spawn()?;
        let mut first = String::new();
        let mut out = tokio::io::BufReader::new(child.stdout.take().context("its output")?);
        tokio::io::AsyncBufReadExt::read_line(&mut out, &mut first).await?;
        let arrived = environment.measures_when(before + expected, TIMEOUT).await;
        let group = format!("kill -TERM -- -{}", first.trim());
        ensure!(
            shell("bash", &["-c", &group], environment.folder.path()).status().await?.success(),
            "{group}"
        );
        child.wait().await?;
        arrived?;
    }
    environment.measures_when(before + expected, TIMEOUT).await.with_context(|| example.to_owned())?;
    Ok(expected)
}

#[tokio::test]
async fn each_exit_code_means_what_the_help_says() {
    let environment = TestEnvironment::new().await.unwrap();
    fs::write(environment.path("good.txt"), "1\n").unwrap();
    fs::write(environment.path("bad.txt"), "x\n").unwrap();
    let nobody = ReservedPort::reserve().unwrap();
    let away = format!("127.0.0.1:{}", nobody.get());
    let run = async |more: &[&str], variables: &[(&str, &str)]| {
        environment.run_with(&[&SIMPLE[..], more].concat(), variables).await.unwrap().code
    };
    assert_eq!(run(&["good.txt"], &[]).await, 0);
    assert_eq!(run(&["absent.txt"], &[]).await, 1);
    assert_eq!(run(&["good.txt", "--scale", "x"], &[]).await, 2);
    assert_eq!(run(&["bad.txt"], &[]).await, 3);
    assert_eq!(run(&["good.txt", "--give-up-after", "0", "--name", "b"], &[("RABBIT_URL", &away)]).await, 4);
    let waiting = ServiceProcess::builder(BINARY)
        .args(SIMPLE)
        .args(["good.txt", "--name", "c"])
        .env("RABBIT_URL", &away)
        .env("XDG_STATE_HOME", environment.path("state"))
        .working_folder(environment.folder.path())
        .start()
        .await
        .unwrap();
    waiting.wait_for_line("retrying", TIMEOUT).await.unwrap();
    let exit = waiting.terminate(TIMEOUT).await.unwrap();
    assert!(matches!(exit, Exit::Status(5)), "{exit:?}: {:?}", waiting.lines());
    let help = environment.run(&["--help"]).await.unwrap().stdout;
    for code in 0..=5 {
        assert!(help.contains(&format!("\n  {code}  ")), "{help}");
    }
    // The records read before are published by the next run.
    assert_eq!(run(&["good.txt", "--name", "c"], &[]).await, 0);
    wait_until("both measures have arrived", TIMEOUT, async || {
        let measures = environment.measures().await.map_err(|error| error.to_string())?;
        if measures.len() == 2 { Ok(()) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn check_asks_the_service_for_the_names() {
    let environment = TestEnvironment::new().await.unwrap();
    let description = "experiment = \"device-vibrations\"\n[input]\nfiles = [\"values.csv\"]\n[format]\nkind = \"csv\"\n\
        [timestamp]\nfield = \"time\"\n[[measures]]\nmeasure = { field = \"unit\", names = { hertz = \"hertz\" } }\nvalue = \"v\"\n";
    fs::write(environment.path("source.toml"), description).unwrap();
    let check = async |content: &str, token: &str| {
        fs::write(environment.path("values.csv"), format!("time,unit,v\n1700000000,{content},1\n")).unwrap();
        let service = environment.service_url();
        let arguments = ["check", "--source", "source.toml", "--service", &service];
        environment.run_with(&arguments, &[("MYMONIT_TOKEN", token)]).await.unwrap()
    };
    for content in ["hertz", "Hz"] {
        let good = check(content, environment.token()).await;
        assert_eq!(good.code, 0, "{good:?}");
    }
    let typo = check("herz", environment.token()).await;
    assert_eq!(typo.code, 3, "{typo:?}");
    assert!(typo.stdout.contains("there is no measure type `herz`; the closest are `hertz`"), "{typo:?}");
    let other = description.replace("device-vibrations", "device-vibration");
    fs::write(environment.path("source.toml"), other).unwrap();
    let typo = check("hertz", environment.token()).await;
    assert!(typo.code == 3 && typo.stdout.contains("the closest are `device-vibrations`"), "{typo:?}");
    let refused = check("hertz", "nonsense").await;
    assert!(refused.code == 1 && refused.stderr.contains("does not accept the token"), "{refused:?}");
    let arguments = ["check", "--source", "source.toml", "--service", "http://127.0.0.1:1"];
    let none = environment.run(&arguments).await.unwrap();
    assert!(none.code == 2 && none.stderr.contains("--service needs an API token"), "{none:?}");
}

#[tokio::test]
async fn systemd_verifies_the_unit() {
    const UNIT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/systemd/mymonit-adapter@.service"));
    let folder = TempDir::new().unwrap();
    // systemd checks that the program exists.
    let unit = UNIT.replace("/usr/local/bin/mymonit-adapter", BINARY);
    assert_ne!(unit, UNIT);
    fs::write(folder.path().join("mymonit-adapter@.service"), unit).unwrap();
    let arguments = ["verify", "--man=no", "./mymonit-adapter@station.service"];
    let said = Finished::of_command(shell("systemd-analyze", &arguments, folder.path())).await.unwrap();
    assert!(said.code == 0 && said.stderr.is_empty(), "{said:?}");
}

#[tokio::test]
async fn a_closed_pipe_is_no_failure() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("values.txt"), "1\nnonsense\n".repeat(20_000)).unwrap();
    let options = "--experiment device-vibrations --measure hertz";
    for (command, shown) in [
        (format!("check {options} --first 40000 values.txt | head -n 1"), "values.txt:\n"),
        (format!("run --dry-run {options} values.txt 2>&1 | true"), ""),
        ("completions bash | head -c 3".to_owned(), "_my"),
    ] {
        let script = format!("set -o pipefail; mymonit-adapter {command}");
        let said = Finished::of_command(shell("bash", &["-c", &script], folder.path())).await.unwrap();
        // The exit code of a dry run reports bad lines, even if its output is not read.
        let code = if command.starts_with("run") { 3 } else { 0 };
        assert_eq!((said.code, said.stdout.as_str(), said.stderr.as_str()), (code, shown, ""), "{command}");
    }
}
