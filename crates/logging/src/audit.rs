use mymonit_services::audit::{Action, AuditEvent, AuditLog};
use shaku::Component;

/// The target of audit events, which no filter can silence.
pub const AUDIT: &str = "mymonit::audit";

/// Logs audit events under the target [`AUDIT`].
#[derive(Component)]
#[shaku(interface = AuditLog)]
pub struct TracingAuditLog {}

impl TracingAuditLog {
    /// Without a container.
    pub const fn new() -> Self {
        Self {}
    }
}

impl Default for TracingAuditLog {
    fn default() -> Self {
        Self::new()
    }
}

impl AuditLog for TracingAuditLog {
    fn record(&self, event: AuditEvent) {
        let AuditEvent {
            action,
            outcome,
            user_id,
            command,
            operation,
            resource,
            reason,
            measures,
            changed,
            throughput,
        } = event;
        let changed = changed.join(",");
        tracing::info!(
            target: AUDIT,
            kind = if action == Action::ConsumeMessages { "metric" } else { "event" },
            category = action.category(),
            action = action.as_str(),
            outcome = outcome.as_str(),
            user_id = user_id.as_ref().map(|user_id| user_id.as_str()),
            command = command.map(|command| command.as_str()),
            operation = operation.map(|operation| operation.as_str()),
            resource_type = resource.as_ref().map(|resource| resource.kind()),
            resource_id = resource.as_ref().map(|resource| resource.id()),
            reason = reason.as_deref(),
            measures,
            changed = (!changed.is_empty()).then_some(changed),
            seconds = throughput.map(|throughput| throughput.during.as_secs_f64()),
            received = throughput.map(|throughput| throughput.received),
            stored = throughput.map(|throughput| throughput.stored),
            duplicate = throughput.map(|throughput| throughput.duplicate),
            rejected = throughput.map(|throughput| throughput.rejected),
            "audit"
        );
    }
}
