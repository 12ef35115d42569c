use std::fmt;

use procfs::process::{LimitValue, Process as Procfs};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// What the process takes of the machine, under the names that all Prometheus clients use.
#[derive(Debug)]
pub(super) struct Process;

struct Taken {
    cpu_seconds: f64,
    resident_bytes: u64,
    threads: i64,
    start_seconds: u64,
    open_files: u64,
    most_files: Option<u64>,
}

impl Taken {
    /// What the kernel says now.
    #[expect(clippy::cast_precision_loss, reason = "ticks of a processor are far from 2^53")]
    fn now() -> procfs::ProcResult<Self> {
        let process = Procfs::myself()?;
        let stat = process.stat()?;
        let ticks = procfs::ticks_per_second();
        let most_files = match process.limits()?.max_open_files.soft_limit {
            LimitValue::Value(most) => Some(most),
            LimitValue::Unlimited => None,
        };
        Ok(Self {
            cpu_seconds: (stat.utime + stat.stime) as f64 / ticks as f64,
            resident_bytes: stat.rss * procfs::page_size(),
            threads: stat.num_threads,
            start_seconds: procfs::boot_time_secs()? + stat.starttime / ticks,
            open_files: process.fd_count()?.try_into().unwrap_or(u64::MAX),
            most_files,
        })
    }
}

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        // Where the kernel does not say, Prometheus is not told either.
        let Ok(taken) = Taken::now() else { return Ok(()) };
        let cpu = ConstCounter::new(taken.cpu_seconds);
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "Time on all processors together",
            Some(&Unit::Seconds),
            cpu.metric_type(),
        )?)?;
        let resident = ConstGauge::new(taken.resident_bytes);
        resident.encode(encoder.encode_descriptor(
            "process_resident_memory",
            "Memory that is really there",
            Some(&Unit::Bytes),
            resident.metric_type(),
        )?)?;
        let start = ConstGauge::new(taken.start_seconds);
        start.encode(encoder.encode_descriptor(
            "process_start_time",
            "When the process started, in Unix time",
            Some(&Unit::Seconds),
            start.metric_type(),
        )?)?;
        let threads = ConstGauge::new(taken.threads);
        threads.encode(encoder.encode_descriptor(
            "process_threads",
            "Threads",
            None,
            threads.metric_type(),
        )?)?;
        let files = [
            ("process_open_fds", "Open file descriptors", Some(taken.open_files)),
            ("process_max_fds", "The greatest number of open file descriptors", taken.most_files),
        ];
        for (name, help, number) in files {
            let Some(number) = number else { continue };
            let number = ConstGauge::new(number);
            number.encode(encoder.encode_descriptor(name, help, None, number.metric_type())?)?;
        }
        Ok(())
    }
}
