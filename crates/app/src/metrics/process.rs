use std::fmt;

use procfs::process::{LimitValue, Process as Procfs};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use super::encoding::Descriptor;

/// Resource usage of the process, under the names of all Prometheus clients.
#[derive(Debug)]
pub(super) struct Process;

struct Usage {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: i64,
    start_seconds: u64,
    open_files: u64,
    max_files: Option<u64>,
}

impl Usage {
    #[expect(clippy::cast_precision_loss, reason = "ticks of a processor are far from 2^53")]
    fn now() -> procfs::ProcResult<Self> {
        let process = Procfs::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second();
        let max_files = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(max) => Some(max),
            LimitValue::Unlimited => None,
        };
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks as f64,
            resident_bytes: stat.rss * procfs::page_size(),
            threads: stat.num_threads,
            start_seconds: procfs::boot_time_secs()? + stat.starttime / ticks,
            open_files: process.fd_count()?.try_into().unwrap_or(u64::MAX),
            max_files,
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        // Without /proc there are no values.
        let Ok(usage) = Usage::now() else { return Ok(()) };
        let encoder = &mut encoder;
        Descriptor::new("process_cpu", "Time on all processors")
            .with_unit(&Unit::Seconds)
            .encode(encoder, &ConstCounter::new(usage.cpu_seconds))?;
        Descriptor::new("process_resident_memory", "Resident memory")
            .with_unit(&Unit::Bytes)
            .encode(encoder, &ConstGauge::new(usage.resident_bytes))?;
        Descriptor::new("process_start_time", "Start of the process, in Unix time")
            .with_unit(&Unit::Seconds)
            .encode(encoder, &ConstGauge::new(usage.start_seconds))?;
        Descriptor::new("process_threads", "Threads").encode(encoder, &ConstGauge::new(usage.threads))?;
        Descriptor::new("process_open_fds", "Open file descriptors")
            .encode(encoder, &ConstGauge::new(usage.open_files))?;
        usage.max_files.map_or(Ok(()), |max| {
            Descriptor::new("process_max_fds", "Limit of open file descriptors")
                .encode(encoder, &ConstGauge::new(max))
        })
    }
}
