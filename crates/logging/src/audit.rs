use mymonit_services::audit::{Action, AuditEvent, AuditLog};
use shaku::Component;

/// Says audit events beside everything else, under a target of their own, which no filter can silence.
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
            throughput,
        } = event;
        tracing::info!(
            target: "mymonit::audit",
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
            seconds = throughput.map(|throughput| throughput.during.as_secs_f64()),
            received = throughput.map(|throughput| throughput.received),
            stored = throughput.map(|throughput| throughput.stored),
            duplicate = throughput.map(|throughput| throughput.duplicate),
            rejected = throughput.map(|throughput| throughput.rejected),
            "audit"
        );
    }
}
