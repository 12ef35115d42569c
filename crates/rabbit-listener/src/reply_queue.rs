//! Which queues get replies: those that RabbitMQ has named. Publishers may write any other name
//! into `reply-to`, also that of a queue of another program.
//!
//! RabbitMQ decodes the name of a direct reply queue: `amq.rabbitmq.reply-to.PID.KEY`, both in
//! base64. An invalid name ends the connection, as does an unknown node in some versions, and each
//! node name takes a place in a table of limited size. So the service sends well-formed names of
//! few nodes only, and tries each node once.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lapin::types::ShortString;
use serde_json::Value;

const DIRECT: &str = "amq.rabbitmq.reply-to.";
const GENERATED: &str = "amq.gen-";
/// Nodes of a cluster that get direct replies, and more than any has.
const MAX_NODES: usize = 64;
/// The start of a process identifier in Erlang's external format.
const PID: [u8; 2] = [131, 88];
/// Texts with a length of two bytes and of one.
const ATOM: u8 = 118;
const SMALL_ATOM: u8 = 119;
/// What follows the node in a process identifier.
const NUMBERS: usize = 12;

/// A queue that RabbitMQ has named.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ReplyQueue {
    pub(crate) name: ShortString,
    /// The node in the name of a direct reply queue.
    node: Option<String>,
}

/// The nodes that direct replies were sent to, and whether the broker took them.
#[derive(Default)]
pub(crate) struct ReplyNodes(HashMap<String, bool>);

impl ReplyQueue {
    /// The queue that a message names for replies.
    pub(crate) fn of(properties: &Value) -> Option<Self> {
        let text = properties.get("reply_to")?.as_str()?;
        let name = ShortString::try_new(text).ok()?;
        if let Some(token) = text.strip_prefix(DIRECT) {
            let (pid, key) = token.split_once('.')?;
            return is_token(key).then_some(Self { name, node: Some(node(pid)?) });
        }
        is_token(text.strip_prefix(GENERATED)?).then_some(Self { name, node: None })
    }
}

impl ReplyNodes {
    /// Whether the broker has taken a reply to this node, or the queue names none.
    pub(crate) fn is_proven(&self, queue: &ReplyQueue) -> bool {
        queue.node.as_ref().is_none_or(|node| self.0.get(node) == Some(&true))
    }

    /// Whether to try a node that is not proven. Only the first time.
    pub(crate) fn try_once(&mut self, queue: &ReplyQueue) -> bool {
        let Some(node) = &queue.node else { return true };
        self.0.len() < MAX_NODES && self.0.insert(node.clone(), false).is_none()
    }

    /// The broker has taken the reply.
    pub(crate) fn prove(&mut self, queue: &ReplyQueue) {
        self.0.extend(queue.node.iter().map(|node| (node.clone(), true)));
    }

    /// The attempt was inconclusive.
    pub(crate) fn forget(&mut self, queue: &ReplyQueue) {
        if let Some(node) = &queue.node {
            self.0.remove(node);
        }
    }
}

/// The node of a process identifier in base64: a word, `@` and a number that represents the node's
/// real name.
fn node(pid: &str) -> Option<String> {
    let bytes = STANDARD.decode(pid).ok()?;
    let (length, rest) = match bytes.strip_prefix(&PID)? {
        [ATOM, high, low, rest @ ..] => (usize::from(u16::from_be_bytes([*high, *low])), rest),
        [SMALL_ATOM, length, rest @ ..] => (usize::from(*length), rest),
        _ => return None,
    };
    let (node, numbers) = rest.split_at_checked(length)?;
    let node = std::str::from_utf8(node).ok().filter(|_| numbers.len() == NUMBERS)?;
    let (word, number) = node.split_once('@')?;
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
    // Without leading zeros, or a node would have many names.
    let is_number = number.parse::<u32>().is_ok_and(|value| value.to_string() == number);
    (is_word && is_number).then(|| node.to_owned())
}

/// Base64 of either alphabet.
fn is_token(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
    !text.is_empty() && text.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn queue(name: &str) -> Option<ReplyQueue> {
        ReplyQueue::of(&json!({ "reply_to": name }))
    }

    /// A direct reply queue on that node, with this many bytes of numbers.
    fn direct(node: &str, numbers: usize) -> String {
        let length = u16::try_from(node.len()).unwrap().to_be_bytes();
        let pid = [&PID[..], &[ATOM], &length, node.as_bytes(), &vec![1; numbers]].concat();
        format!("{DIRECT}{}.aWsf9pYvwwFRtLSRXdVIzA==", STANDARD.encode(pid))
    }

    #[test]
    fn queues_that_the_broker_has_named_get_replies() {
        for name in ["amq.gen-JzTY20BRgKO-HjmUJj0wLg", &direct("generated@12345", NUMBERS)] {
            assert_eq!(queue(name).unwrap().name.as_str(), name);
        }
        let small = [&PID[..], &[SMALL_ATOM, 11], b"generated@7", &[0; NUMBERS]].concat();
        let name = format!("{DIRECT}{}.key", STANDARD.encode(small));
        assert_eq!(queue(&name).unwrap().node.as_deref(), Some("generated@7"));
    }

    #[test]
    fn other_names_get_none() {
        let long = format!("amq.gen-{}", "x".repeat(248));
        for name in [
            "",
            "measures",
            "amq.gen-",
            "amq.rabbitmq.reply-to",
            "amq.rabbitmq.reply-to.",
            "amq.rabbitmq.reply-to.x.y",
            "amq.rabbitmq.reply-to.g1h2AA==.AAAA",
            "amq.gen-a b",
            "amq.gen-\u{0}",
            "amq.gen-é",
            "AMQ.GEN-a",
            " amq.gen-a",
            &long,
            &direct("rabbit@host", NUMBERS),
            &direct("generated@007", NUMBERS),
            &direct("generated@99999999999", NUMBERS),
            &direct("@1", NUMBERS),
            &direct("generated@1", NUMBERS + 1),
            &direct("generated@1", NUMBERS).replace(".aWsf", "..aWsf"),
        ] {
            assert_eq!(queue(name), None, "{name:?}");
        }
        assert_eq!(ReplyQueue::of(&json!({})), None);
        assert_eq!(ReplyQueue::of(&json!({ "$raw": { "flags": 1, "list": "amq.gen-a" } })), None);
    }

    #[test]
    fn a_node_is_tried_once_and_used_if_the_broker_takes_it() {
        let mut nodes = ReplyNodes::default();
        let on = |node: usize| queue(&direct(&format!("generated@{node}"), NUMBERS)).unwrap();
        assert!(!nodes.is_proven(&on(0)) && nodes.try_once(&on(0)) && !nodes.try_once(&on(0)));
        nodes.forget(&on(0));
        assert!(nodes.try_once(&on(0)));
        nodes.prove(&on(0));
        assert!(nodes.is_proven(&on(0)));
        assert!((1..MAX_NODES).all(|node| nodes.try_once(&on(node))));
        assert!(!nodes.try_once(&on(MAX_NODES)) && !nodes.is_proven(&on(1)));
        assert!(nodes.is_proven(&queue("amq.gen-a").unwrap()));
    }
}
