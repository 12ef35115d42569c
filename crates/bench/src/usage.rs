//! Resource usage of a process.

use anyhow::Context;
use mymonit_test_support::Pid;
use procfs::process::Process;

use crate::report::to_f64;

/// The use of the machine by one process since its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// Seconds on all processors together.
    pub(crate) cpu_s: f64,
    /// The greatest resident memory, in MiB.
    pub(crate) peak_mib: f64,
}

impl Usage {
    /// Reads the usage of a process from the kernel.
    pub(crate) fn of(pid: Pid) -> anyhow::Result<Self> {
        let pid = pid.as_raw_nonzero().get();
        let process = Process::new(pid).with_context(|| format!("process {pid}"))?;
        let stat = process.stat()?;
        let peak_kib = process.status()?.vmhwm.context("the peak of the memory")?;
        Ok(Self {
            cpu_s: to_f64(stat.utime + stat.stime) / to_f64(procfs::ticks_per_second()),
            peak_mib: to_f64(peak_kib) / 1024.0,
        })
    }

    /// The processor time since an earlier sample of the same process.
    pub(crate) fn cpu_since(self, earlier: Self) -> f64 {
        self.cpu_s - earlier.cpu_s
    }
}
