//! Metrics of the process, read from the kernel.

use std::fs;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Counter, Gauge};

/// The metrics of the process.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    cpu: Counter,
    received: Counter,
    sent: Counter,
    open_files: Gauge,
    max_files: Gauge,
    resident: Gauge,
    virtual_size: Gauge,
    virtual_max: Gauge,
    started: Gauge,
}

impl Process {
    /// Makes the metrics.
    pub(crate) fn new() -> prometheus::Result<Self> {
        Ok(Self {
            cpu: Counter::new("process_cpu_seconds_total", "Seconds of processor time")?,
            received: Counter::new(
                "process_network_receive_bytes_total",
                "Bytes received by the network",
            )?,
            sent: Counter::new(
                "process_network_transmit_bytes_total",
                "Bytes sent by the network",
            )?,
            open_files: Gauge::new("process_open_fds", "Open file descriptors")?,
            max_files: Gauge::new("process_max_fds", "Limit of open file descriptors")?,
            resident: Gauge::new("process_resident_memory_bytes", "Memory in use")?,
            virtual_size: Gauge::new("process_virtual_memory_bytes", "Address space in use")?,
            virtual_max: Gauge::new("process_virtual_memory_max_bytes", "Limit of the address space")?,
            started: Gauge::new("process_start_time_seconds", "Start of the process since 1970")?,
        })
    }

    /// Reads what the kernel says; what it does not say keeps its last value.
    fn refresh(&self) {
        if let Some(stat) = fs::read_to_string("/proc/self/stat")
            .ok()
            .as_deref()
            .and_then(Stat::read)
        {
            raise(&self.cpu, stat.cpu_seconds);
            self.resident.set(stat.resident_bytes);
            self.virtual_size.set(stat.virtual_bytes);
            if let Some(booted) = boot_time() {
                self.started.set(booted + stat.started_seconds);
            }
        }
        if let Ok(files) = fs::read_dir("/proc/self/fd") {
            self.open_files.set(as_float(files.count()));
        }
        if let Ok(limits) = fs::read_to_string("/proc/self/limits") {
            set(&self.max_files, limit(&limits, "Max open files"));
            set(&self.virtual_max, limit(&limits, "Max address space"));
        }
        if let Ok(devices) = fs::read_to_string("/proc/self/net/dev") {
            let (received, sent) = traffic(&devices);
            raise(&self.received, received);
            raise(&self.sent, sent);
        }
    }

    fn parts(&self) -> [&dyn Collector; 9] {
        [
            &self.cpu,
            &self.received,
            &self.sent,
            &self.open_files,
            &self.max_files,
            &self.resident,
            &self.virtual_size,
            &self.virtual_max,
            &self.started,
        ]
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.parts().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.refresh();
        self.parts().into_iter().flat_map(Collector::collect).collect()
    }
}

/// What `/proc/self/stat` says.
struct Stat {
    cpu_seconds: f64,
    started_seconds: f64,
    virtual_bytes: f64,
    resident_bytes: f64,
}

impl Stat {
    fn read(text: &str) -> Option<Self> {
        // The name of the program stands in parentheses and may hold anything.
        let fields: Vec<f64> = text
            .rsplit_once(')')?
            .1
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        let ticks = as_float(usize::try_from(rustix::param::clock_ticks_per_second()).ok()?);
        let page = as_float(rustix::param::page_size());
        // proc(5) counts from 1 and the first two fields are gone.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / ticks,
            started_seconds: field(22)? / ticks,
            virtual_bytes: field(23)?,
            resident_bytes: field(24)? * page,
        })
    }
}

fn boot_time() -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let line = stat.lines().find_map(|line| line.strip_prefix("btime "))?;
    line.trim().parse().ok()
}

/// Returns the soft limit in a line of `/proc/self/limits`.
fn limit(limits: &str, name: &str) -> Option<f64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        // Upstream shows the largest number there is.
        "unlimited" => Some(18_446_744_073_709_551_615.0),
        number => number.parse().ok(),
    }
}

/// Returns the bytes received and sent by all devices of `/proc/self/net/dev`.
fn traffic(devices: &str) -> (f64, f64) {
    let mut sums = (0.0, 0.0);
    for line in devices.lines() {
        let Some((_, counters)) = line.split_once(':') else {
            continue;
        };
        let counters: Vec<f64> = counters
            .split_whitespace()
            .map(|counter| counter.parse().unwrap_or(0.0))
            .collect();
        sums.0 += counters.first().copied().unwrap_or(0.0);
        sums.1 += counters.get(8).copied().unwrap_or(0.0);
    }
    sums
}

fn set(gauge: &Gauge, value: Option<f64>) {
    if let Some(value) = value {
        gauge.set(value);
    }
}

/// Brings a counter to a total that someone else counts.
fn raise(counter: &Counter, total: f64) {
    let growth = total - counter.get();
    if growth > 0.0 {
        counter.inc_by(growth);
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "metrics are floats, with just this loss"
)]
const fn as_float(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_tables_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 4096                 files     \n\
                      Max address space         unlimited            unlimited            bytes     \n";
        assert_eq!(limit(limits, "Max open files"), Some(1024.0));
        assert_eq!(
            limit(limits, "Max address space"),
            Some(18_446_744_073_709_551_615.0)
        );
        let devices = "Inter-|   Receive\n face |bytes packets\n    lo: 10 1 0 0 0 0 0 0 20 1 0 0 0 0 0 0\n  eth0: 5 1 0 0 0 0 0 0 7 1 0 0 0 0 0 0\n";
        assert_eq!(traffic(devices), (15.0, 27.0));
        let stat = "1 (a) b) S 1 1 1 0 -1 0 1 0 0 0 200 100 0 0 20 0 4 0 500 4096 3 18446744073709551615";
        let stat = Stat::read(stat).unwrap();
        assert_eq!(stat.virtual_bytes, 4096.0);
        assert!(stat.cpu_seconds > 0.0 && stat.resident_bytes > 0.0);
    }
}
