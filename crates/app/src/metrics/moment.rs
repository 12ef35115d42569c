use std::fmt;
use std::sync::Arc;

use mymonit_logging::LogstashStatistics;
use mymonit_rabbit_listener::ConsumerState;
use mymonit_storage::PoolUse;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use crate::container::PoolWatch;

/// How things stand at the moment of the question.
#[derive(Debug)]
pub(super) struct Moment {
    /// None where the Rabbit listener does not run.
    pub(super) consumer: Option<watch::Receiver<ConsumerState>>,
    pub(super) pool: PoolWatch,
    pub(super) logstash: Option<Arc<LogstashStatistics>>,
}

impl Collector for Moment {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        if let Some(consumer) = &self.consumer {
            encode_consumer(*consumer.borrow(), &mut encoder)?;
        }
        encode_pool(self.pool.now(), &mut encoder)?;
        self.logstash.as_deref().map_or(Ok(()), |logstash| encode_logstash(logstash, &mut encoder))
    }
}

fn encode_consumer(now: ConsumerState, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauge = ConstGauge::new(0_u32);
    let mut family = encoder.encode_descriptor(
        "consumer_state",
        "What the consumer is doing: 1 for the state that it is in",
        None,
        gauge.metric_type(),
    )?;
    for state in ConsumerState::ALL {
        let label = [("state", state.as_str())];
        ConstGauge::new(u32::from(state == now)).encode(family.encode_family(&label)?)?;
    }
    Ok(())
}

fn encode_pool(PoolUse { open, idle, most }: PoolUse, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let gauge = ConstGauge::new(0_u32);
    let mut family = encoder.encode_descriptor(
        "database_connections",
        "Connections of the pool to the database",
        None,
        gauge.metric_type(),
    )?;
    for (state, number) in [("idle", idle), ("busy", open - idle)] {
        ConstGauge::new(number).encode(family.encode_family(&[("state", state)])?)?;
    }
    let most = ConstGauge::new(most);
    let metric = encoder.encode_descriptor(
        "database_connections_max",
        "The greatest number of connections of the pool, DB_POOL_SIZE",
        None,
        most.metric_type(),
    )?;
    most.encode(metric)
}

fn encode_logstash(logstash: &LogstashStatistics, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    for (name, help, count) in [
        ("logstash_lines_sent", "Lines that the network has taken over for Logstash", logstash.sent()),
        (
            "logstash_lines_dropped",
            "Lines for which there was no room while Logstash took none",
            logstash.dropped(),
        ),
    ] {
        let counter = ConstCounter::new(count);
        counter.encode(encoder.encode_descriptor(name, help, None, counter.metric_type())?)?;
    }
    let connected = ConstGauge::new(u32::from(logstash.is_connected()));
    connected.encode(encoder.encode_descriptor(
        "logstash_connected",
        "Whether there is a connection to Logstash",
        None,
        connected.metric_type(),
    )?)?;
    let waiting = ConstGauge::new(u64::try_from(logstash.waiting_bytes()).unwrap_or(u64::MAX));
    waiting.encode(encoder.encode_descriptor(
        "logstash_buffer",
        "What waits to be sent to Logstash",
        Some(&Unit::Bytes),
        waiting.metric_type(),
    )?)
}
