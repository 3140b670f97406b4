//! The server as a child process: this binary again, with a hidden argument.

use std::{
    env, fs,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    proc,
    sample::{Line, Sample},
};

/// How long it may take to listen.
const START: Duration = Duration::from_secs(10);
/// How long it may take to end: its drain, and a second signal's worth of patience.
const END: Duration = Duration::from_secs(20);
/// Lines that may wait for us. It tells one a second, and we look each second.
const LINES: usize = 256;
/// Of what it logs, so many lines are shown.
const SHOWN: u64 = 40;

/// A running server, killed and waited for when this is dropped.
pub struct Server {
    child: Child,
    lines: Receiver<Line>,
    logged: Arc<Logged>,
}

/// How many lines it has logged.
#[derive(Default)]
pub struct Logged {
    pub warnings: AtomicU64,
    pub errors: AtomicU64,
}

/// What Linux knows of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Process {
    /// Resident memory, in KiB, and the part of it that is no file's.
    pub rss: u64,
    pub anonymous: u64,
    /// CPU time so far.
    pub cpu: Duration,
    pub descriptors: u64,
    pub threads: u64,
}

impl Server {
    /// Starts it, with the certificate in this folder.
    pub fn start(folder: &Path) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--serve").arg(folder);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for us: we tell it when the bots are gone.
        command.process_group(0);
        let mut child = command.spawn()?;
        let (sender, lines) = sync_channel(LINES);
        let logged = Arc::<Logged>::default();
        if let Some(stdout) = child.stdout.take() {
            thread::spawn(move || {
                let lines = BufReader::new(stdout).lines().map_while(Result::ok);
                // The banner is no JSON.
                for line in lines.filter_map(|line| serde_json::from_str(&line).ok()) {
                    // One that nobody takes is lost: the next says as much.
                    let _ = sender.try_send(line);
                }
            });
        }
        if let Some(stderr) = child.stderr.take() {
            let logged = Arc::clone(&logged);
            thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    logged.add(&line);
                }
            });
        }
        Ok(Self { child, lines, logged })
    }

    /// The next line, waited for.
    pub fn first_line(&self) -> io::Result<Line> {
        self.lines.recv_timeout(START).map_err(|_| {
            io::Error::new(io::ErrorKind::TimedOut, "the server did not start to listen, or has ended")
        })
    }

    /// The latest sample, if there is a new one.
    pub fn sample(&self) -> Option<Sample> {
        let samples = self.lines.try_iter().filter_map(|line| match line {
            Line::Sample(sample) => Some(sample),
            Line::Ports(_) => None,
        });
        samples.last()
    }

    /// What it has logged.
    pub fn logged(&self) -> &Logged {
        &self.logged
    }

    /// What Linux knows of it.
    pub fn process(&self) -> io::Result<Process> {
        let pid = self.child.id();
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let number = |key| {
            let value = proc::value_of(&status, key)?;
            value.split_ascii_whitespace().next()?.parse().ok()
        };
        Ok(Process {
            rss: proc::resident_kib(pid)?,
            anonymous: number("RssAnon:").unwrap_or_default(),
            cpu: proc::cpu_time(pid)?,
            descriptors: fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64,
            threads: number("Threads:").unwrap_or_default(),
        })
    }

    /// Whether it runs.
    pub fn is_running(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Tells it to stop, and waits until it has.
    pub fn stop(&mut self) -> io::Result<ExitStatus> {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            kill_process(pid, Signal::TERM)?;
        }
        let deadline = Instant::now() + END;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server does not end"));
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Logged {
    fn add(&self, line: &str) {
        let counter = if line.contains("ERROR") || line.contains("panicked") {
            &self.errors
        } else if line.contains("WARN") {
            &self.warnings
        } else {
            return;
        };
        if counter.fetch_add(1, Ordering::Relaxed) < SHOWN {
            writeln!(io::stderr(), "server: {line}").ok();
        }
    }
}
