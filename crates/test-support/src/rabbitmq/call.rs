//! Calls into a running node.
//!
//! `erl_call` takes milliseconds; `rabbitmqctl` boots an Erlang machine, which takes seconds.

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, anyhow, bail};

/// Timeout of `erl_call` in seconds: longer than a host stalls, shorter than the caller's timeout,
/// so that its error is reported.
const CALL_TIMEOUT_SECONDS: &str = "50";

/// The state of a queue, from the queue itself.
///
/// A passive declaration does not count messages that a cancelled consumer still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueState {
    /// Messages ready for delivery.
    pub ready: u64,
    /// Messages with a consumer, or not requeued yet.
    pub unacknowledged: u64,
    /// The number of consumers.
    pub consumers: u64,
}

impl QueueState {
    /// All messages in it.
    pub fn queued(&self) -> u64 {
        self.ready + self.unacknowledged
    }

    /// The Erlang expressions that query it.
    pub(super) fn question(vhost: &str, queue: &str) -> String {
        format!(
            "{{ok, Queue}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<\"{vhost}\">>, queue, <<\"{queue}\">>)), \
             Items = [messages_ready, messages_unacknowledged, consumers], \
             list_to_tuple([Number || {{_, Number}} <- rabbit_amqqueue:info(Queue, Items)])."
        )
    }

    /// Parses the output.
    pub(super) fn parse(answer: &str) -> anyhow::Result<Self> {
        let numbers = answer.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let numbers: Vec<u64> = numbers
            .with_context(|| format!("no queue: {answer}"))?
            .split(',')
            .map(|number| number.trim().parse().with_context(|| answer.to_owned()))
            .collect::<anyhow::Result<_>>()?;
        let [ready, unacknowledged, consumers] = numbers[..] else { bail!("{answer}") };
        Ok(Self { ready, unacknowledged, consumers })
    }
}

/// The result of a call.
pub(super) enum Called {
    /// The value of the expressions, or an error of their evaluation.
    Answered(anyhow::Result<String>),
    /// The node refused the call; nothing was evaluated.
    Refused(String),
}

/// Evaluates expressions on the node at that address, with the cookie in `HOME`; returns the value
/// of the last one.
pub(super) fn call(
    caller: &Path,
    address: &str,
    environment: Vec<(OsString, OsString)>,
    expressions: &str,
) -> anyhow::Result<Called> {
    let mut command = Command::new(caller);
    command.env_clear().envs(environment);
    // A node accepts each name only once at a time.
    let name = format!("test-{:016x}", rand::random::<u64>());
    command.args(["-address", address, "-h", &name, "-timeout", CALL_TIMEOUT_SECONDS, "-e"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().context("cannot run erl_call")?;
    // If it has ended already, its output says why.
    let _ = writeln!(running.stdin.take().context("no input for erl_call")?, "{expressions}");
    let output = running.wait_with_output().context("cannot run erl_call")?;
    let (said, why) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let value = said.trim().strip_prefix("{ok, ").and_then(|rest| rest.strip_suffix('}'));
    Ok(match value {
        Some(value) if output.status.success() => Called::Answered(Ok(value.to_owned())),
        _ if why.contains("failed to connect") => Called::Refused(why.trim().to_owned()),
        _ => Called::Answered(Err(anyhow!("the call fails ({}): {said} {why}", output.status))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_queue_states_are_errors() {
        let state = QueueState { ready: 7, unacknowledged: 0, consumers: 12 };
        assert_eq!(QueueState::parse("{7, 0, 12}").unwrap(), state);
        for other in ["{7, 0}", "not_found", "{7, a, 12}"] {
            assert!(QueueState::parse(other).unwrap_err().to_string().contains(other), "{other}");
        }
    }
}
