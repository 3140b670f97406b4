//! What Linux knows about a process and the machine, from `/proc`.

use std::{fs, io, thread, time::Duration};

use rustix::param::clock_ticks_per_second;

/// CPU time a process has used, user and system, all threads; in steps of a clock tick, 10 ms as a rule.
pub fn cpu_time(pid: u32) -> io::Result<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // Field 2, the name in parentheses, may hold spaces: count from behind it. utime and stime are fields 14 and 15.
    let numbers = stat.rsplit_once(')').map_or("", |(_, numbers)| numbers);
    let mut times = numbers.split_ascii_whitespace().skip(11).map(str::parse::<u64>);
    match (times.next(), times.next()) {
        (Some(Ok(user)), Some(Ok(system))) => {
            Ok(Duration::from_secs_f64((user + system) as f64 / clock_ticks_per_second() as f64))
        }
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no times in /proc/PID/stat")),
    }
}

/// Resident memory of a process (`VmRSS`), in KiB.
pub fn resident_kib(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    value_of(&status, "VmRSS:")
        .and_then(|value| value.trim_end_matches("kB").trim_end().parse().ok())
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "no VmRSS in /proc/PID/status"))
}

/// How much of the time in which this thread wanted its core somebody else had it, from 0 to 1; none where the
/// kernel does not say. Pinned to a core of its own, anything above 0 is a disturbance from outside the bench.
pub fn disturbance() -> Option<f64> {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let mut nanos = stat.split_ascii_whitespace().map(str::parse::<u64>);
    let (ran, waited) = (nanos.next()?.ok()?, nanos.next()?.ok()?);
    (ran > 0).then(|| waited as f64 / (ran + waited) as f64)
}

/// The machine in one line: cores, processor, kernel, and how busy it is.
pub fn machine() -> String {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = read("/proc/cpuinfo");
    let model =
        value_of(&cpuinfo, "model name").map_or("unknown processor", |m| m.trim_start_matches([':', ' ']));
    let kernel = read("/proc/sys/kernel/osrelease");
    let loads = read("/proc/loadavg");
    let load = loads.split_ascii_whitespace().next().unwrap_or("unknown");
    format!("{cores} cores, {model}, Linux {}, load average {load} at the start", kernel.trim())
}

/// The rest of the first line that begins with `key`.
pub fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(key)).map(str::trim)
}
