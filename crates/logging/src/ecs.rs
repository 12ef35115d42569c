//! A line as JSON with the field names of the Elastic Common Schema (ECS), as Kibana expects.

use std::fmt::Write;

use mymonit_model::Timestamp;
use tracing::{Level, Metadata};

use crate::audit::AUDIT;
use crate::entry::{Fields, Value, escape};

/// The version of ECS whose names these are.
const ECS_VERSION: &str = "8.11.0";

/// This program's field names and their names in ECS. Fields unknown to ECS get the prefix
/// `mymonit.`, so that they cannot collide with ECS.
const NAMES: [(&str, &str); 27] = [
    ("request_id", "http.request.id"),
    ("method", "http.request.method"),
    ("route", "url.path"),
    ("status", "http.response.status_code"),
    ("duration_ms", "event.duration"),
    ("user_id", "user.id"),
    ("token_id", "mymonit.token.id"),
    ("source_ip", "source.ip"),
    ("code", "error.code"),
    ("cause", "error.message"),
    ("why", "error.message"),
    ("error", "error.message"),
    ("address", "server.address"),
    ("kind", "event.kind"),
    ("category", "event.category"),
    ("action", "event.action"),
    ("outcome", "event.outcome"),
    ("reason", "event.reason"),
    ("command", "mymonit.command"),
    ("operation", "mymonit.operation"),
    ("resource_type", "mymonit.resource.type"),
    ("resource_id", "mymonit.resource.id"),
    ("seconds", "mymonit.throughput.seconds"),
    ("received", "mymonit.throughput.received"),
    ("stored", "mymonit.throughput.stored"),
    ("duplicate", "mymonit.throughput.duplicate"),
    ("rejected", "mymonit.throughput.rejected"),
];

/// Writes the line without its end. The innermost of equal field names counts: event before span.
pub(crate) fn line(metadata: &Metadata<'_>, fields: &Fields, spans: &[Fields], out: &mut String) {
    let is_audit = metadata.target() == AUDIT;
    out.push_str("{\"@timestamp\":\"");
    let _ = write!(out, "{}", Timestamp::now());
    out.push_str("\",\"log.level\":\"");
    out.push_str(level(*metadata.level()));
    out.push_str("\",\"message\":\"");
    if let Some(Value::Text(message)) = fields.get("message") {
        escape(message, out);
    }
    out.push_str("\",\"ecs.version\":\"");
    out.push_str(ECS_VERSION);
    out.push_str("\",\"service.name\":\"mymonit\",\"service.version\":\"");
    out.push_str(env!("CARGO_PKG_VERSION"));
    out.push_str("\",\"event.dataset\":\"");
    out.push_str(if is_audit { "mymonit.audit" } else { "mymonit.log" });
    out.push_str("\",\"log.logger\":\"");
    escape(metadata.target(), out);
    let _ = write!(out, "\",\"process.pid\":{}", std::process::id());
    let mut seen = Vec::with_capacity(16);
    for (name, value) in std::iter::once(fields).chain(spans).flat_map(|fields| &fields.0) {
        if *name != "message" {
            field(name, value, &mut seen, out);
        }
    }
    out.push('}');
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

fn field<'a>(name: &'a str, value: &Value, seen: &mut Vec<&'a str>, out: &mut String) {
    let ecs = NAMES.iter().find(|(short, _)| *short == name).map_or(name, |(_, ecs)| *ecs);
    if seen.contains(&ecs) {
        return;
    }
    seen.push(ecs);
    out.push_str(",\"");
    if ecs == name && !name.contains('.') {
        out.push_str("mymonit.");
    }
    out.push_str(ecs);
    out.push_str("\":");
    match value {
        // ECS counts durations in nanoseconds.
        Value::Number(milliseconds) if name == "duration_ms" => {
            let _ = write!(out, "{:.0}", milliseconds * 1e6);
        }
        Value::Number(number) if number.is_finite() => {
            let _ = write!(out, "{number}");
        }
        Value::Number(number) => {
            let _ = write!(out, "\"{number}\"");
        }
        Value::Integer(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Truth(truth) => {
            let _ = write!(out, "{truth}");
        }
        Value::Text(text) => {
            out.push('"');
            escape(text, out);
            out.push('"');
        }
    }
}
