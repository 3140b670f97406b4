//! A server as a child process: this binary again, with hidden arguments.

use std::{
    env,
    io::{self, Read, Write},
    net::{Ipv4Addr, SocketAddr},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    process::{Signal, set_parent_process_death_signal},
};

use crate::{args::Args, cores, proc, subject, subject::Subject, wire::Wire};

/// How long a server may take to listen.
const START: Duration = Duration::from_secs(10);

/// The child's side: pins itself, serves, and prints its port as the first line of stdout.
pub fn serve(subject: Subject, args: &Args) -> io::Result<()> {
    // A bench that was killed runs no Drop: let the kernel take the server along.
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Before any thread exists, so that all inherit it.
    args.core.map_or(Ok(()), cores::pin)?;
    subject::serve(subject, args.wire, args.certificate.as_deref(), |port| {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{port}")?;
        stdout.flush()
    })
}

/// The bench's side: a running server, killed and waited for when this is dropped.
pub struct Server {
    child: Child,
    subject: Subject,
    wire: Wire,
    port: u16,
}

impl Server {
    /// Starts `subject`, on `core` if given, with the certificate of this folder where it encrypts, and waits until it
    /// listens.
    pub fn start(
        subject: Subject,
        wire: Wire,
        core: Option<usize>,
        certificate: Option<&Path>,
    ) -> io::Result<Self> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--serve", subject.name(), "--wire", wire.name()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        if let Some(folder) = certificate {
            command.arg("--certificate").arg(folder);
        }
        if let Some(core) = core {
            command.args(["--core", &core.to_string()]);
        }
        // The guard exists before anything can fail.
        let mut server = Self { child: command.spawn()?, subject, wire, port: 0 };
        server.port = server.await_port()?;
        Ok(server)
    }

    /// Which server it is.
    pub fn subject(&self) -> Subject {
        self.subject
    }

    /// What it speaks.
    pub fn wire(&self) -> Wire {
        self.wire
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// CPU time it has used so far.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        proc::cpu_time(self.child.id())
    }

    /// Its resident memory, in KiB.
    pub fn resident_kib(&self) -> io::Result<u64> {
        proc::resident_kib(self.child.id())
    }

    /// The first line of its stdout. The pipe stays open after that, unread: a server must print little.
    fn await_port(&mut self) -> io::Result<u16> {
        let Some(stdout) = &mut self.child.stdout else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        let deadline = Instant::now() + START;
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            if poll(&mut [PollFd::new(stdout, PollFlags::IN)], Some(&left))? == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "the server did not start to listen"));
            }
            let mut byte = [0];
            if stdout.read(&mut byte)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server ended before it listened",
                ));
            }
            line.extend_from_slice(&byte);
        }
        let line = String::from_utf8_lossy(&line);
        line.trim().parse().map_err(|_| {
            io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the server printed {line:?} instead of its port"),
            )
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only if it is gone and reaped already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
