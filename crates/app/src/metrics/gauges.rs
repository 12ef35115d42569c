use std::fmt;
use std::sync::Arc;

use mymonit_logging::LogstashStatistics;
use mymonit_rabbit_listener::ConsumerState;
use mymonit_services::RejectedQuota;
use mymonit_storage::{Database, PoolUse};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use super::encoding::Descriptor;

/// Reads the state of the consumer, the connection pool and the Logstash buffer at each scrape.
#[derive(Debug)]
pub(super) struct GaugeCollector {
    /// None without the Rabbit listener.
    pub(super) consumer: Option<(watch::Receiver<ConsumerState>, Arc<RejectedQuota>)>,
    pub(super) pool: Database,
    pub(super) logstash: Option<Arc<LogstashStatistics>>,
}

impl Collector for GaugeCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if let Some((consumer, quota)) = &self.consumer {
            encode_consumer(*consumer.borrow(), &mut encoder)?;
            encode_rejected(quota, &mut encoder)?;
        }
        encode_pool(self.pool.pool_use(), &mut encoder)?;
        self.logstash.as_deref().map_or(Ok(()), |logstash| encode_logstash(logstash, &mut encoder))
    }
}

fn encode_consumer(now: ConsumerState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let states = ConsumerState::ALL
        .into_iter()
        .map(|state| ([("state", state.as_str())], ConstGauge::new(u32::from(state == now))));
    Descriptor::new("consumer_state", "State of the consumer: 1 for the current one")
        .encode_family(encoder, states)
}

fn encode_rejected(quota: &RejectedQuota, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    Descriptor::new(
        "rejected_messages",
        "Size of all rejected messages, measured once a minute while messages arrive",
    )
    .with_unit(&Unit::Bytes)
    .encode(encoder, &ConstGauge::new(quota.bytes()))?;
    Descriptor::new("rejected_messages_max", "Size at which consumption pauses, REJECTED_MAX_BYTES")
        .with_unit(&Unit::Bytes)
        .encode(encoder, &ConstGauge::new(quota.max_bytes()))
}

fn encode_pool(PoolUse { open, idle, most }: PoolUse, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let states = [("idle", idle), ("busy", open - idle)];
    let states = states.map(|(state, number)| ([("state", state)], ConstGauge::new(number)));
    Descriptor::new("database_connections", "Database connections of the pool")
        .encode_family(encoder, states)?;
    Descriptor::new("database_connections_max", "Largest size of the pool, DB_POOL_SIZE")
        .encode(encoder, &ConstGauge::new(most))
}

fn encode_logstash(logstash: &LogstashStatistics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    Descriptor::new("logstash_lines_sent", "Lines sent to Logstash")
        .encode(encoder, &ConstCounter::new(logstash.sent()))?;
    Descriptor::new("logstash_lines_dropped", "Lines dropped because the Logstash buffer was full")
        .encode(encoder, &ConstCounter::new(logstash.dropped()))?;
    Descriptor::new("logstash_connected", "Whether Logstash is connected")
        .encode(encoder, &ConstGauge::new(u32::from(logstash.is_connected())))?;
    let waiting = u64::try_from(logstash.waiting_bytes()).unwrap_or(u64::MAX);
    Descriptor::new("logstash_buffer", "Size of the lines that wait for Logstash")
        .with_unit(&Unit::Bytes)
        .encode(encoder, &ConstGauge::new(waiting))
}
