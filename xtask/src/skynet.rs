//! `cargo xtask skynet`: skynet's own example client, unmodified, against the headless server.
//!
//! The client is the best judge of whether we speak skynet's protocol. It needs a checkout of skynet that somebody
//! built, so this is not among the checks of every change.

use std::{
    fs, io,
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use thiserror::Error as ThisError;

use crate::{
    error::Error as AnyError,
    project::{CargoLine, Project},
};

/// Where the example client connects to; it takes no arguments.
const ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8888);

/// What the client needs of its checkout.
const NEEDED: &[&str] = &["3rd/lua/lua", "luaclib/client.so", "luaclib/sproto.so", "examples/client.lua"];

/// The example server promises a heartbeat every 5 s: long enough for one.
const ONE_HEARTBEAT: Duration = Duration::from_secs(6);

/// How long a start or an end may take before we give up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often we look whether something has started or ended.
const GLANCE: Duration = Duration::from_millis(20);

/// Why the check with skynet's client failed.
#[derive(Debug, ThisError)]
pub enum Error {
    /// The checkout has not been built.
    #[error(
        "the checkout has no {0}; build it there with: make linux MALLOC_STATICLIB= SKYNET_DEFINES=-DNOUSE_JEMALLOC"
    )]
    NotBuilt(&'static str),
    /// Somebody else has the port.
    #[error("something listens on {ADDRESS} already; to check just that, add --running")]
    PortTaken,
    /// Nobody has the port.
    #[error("nothing listens on {ADDRESS}")]
    NobodyListens,
    /// The server ended before it listened.
    #[error("the server ended before it listened on {ADDRESS}: {0}")]
    EndedEarly(ExitStatus),
    /// The server did not end well when asked to.
    #[error("the server ended with {0} after SIGTERM, not with code 0")]
    EndedBadly(ExitStatus),
    /// Something did not end in time.
    #[error("the {0} did not end within {PATIENCE:?} and was killed")]
    StillRunning(&'static str),
    /// The client did not see what it should have; what it printed stands above.
    #[error("the client did not see {}", .0.join("; nor "))]
    NotSeen(Vec<&'static str>),
    /// The operating system failed us.
    #[error("{0}: {1}")]
    Io(&'static str, io::Error),
}

/// Builds the headless server, checks it with the client, and checks that it ends well.
pub fn check_ours(project: &Project, checkout: &Path, arguments: &[String]) -> Result<(), AnyError> {
    require_built(checkout)?;
    CargoLine::new("build --release --locked --package portcullis --bin portcullis").run(project)?;
    if listens() {
        return Err(Error::PortTaken.into());
    }
    let program = project.metadata()?.target_directory.join("release/portcullis");
    let mut command = Command::new(program);
    command.args(arguments).current_dir(project.root()).stdin(Stdio::null());
    let mut server = Running::start("server", command)?;
    server.wait_until_it_listens()?;
    let seen = talk(checkout);
    // The client's complaint goes first: it says more than how the server ended.
    let status = server.terminate();
    seen?;
    let status = status?;
    if !status.success() {
        return Err(Error::EndedBadly(status).into());
    }
    println!("==> skynet's client is content, and the server ended with code 0");
    Ok(())
}

/// Checks whatever server listens already.
pub fn check_running(checkout: &Path) -> Result<(), AnyError> {
    require_built(checkout)?;
    if !listens() {
        return Err(Error::NobodyListens.into());
    }
    talk(checkout)?;
    println!("==> skynet's client is content");
    Ok(())
}

fn require_built(checkout: &Path) -> Result<(), Error> {
    match NEEDED.iter().find(|file| !checkout.join(file).is_file()) {
        Some(file) => Err(Error::NotBuilt(file)),
        None => Ok(()),
    }
}

fn listens() -> bool {
    TcpStream::connect_timeout(&ADDRESS, PATIENCE).is_ok()
}

/// Plays one conversation: two questions, a wait for a heartbeat, `quit`.
fn talk(checkout: &Path) -> Result<(), Error> {
    let checkout = fs::canonicalize(checkout).map_err(|error| Error::Io("the checkout", error))?;
    let mut command = Command::new(checkout.join("3rd/lua/lua"));
    command.arg("examples/client.lua").current_dir(&checkout);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = Running::start("client", command)?;
    let out = client.child.stdout.take().map(read_aside);
    let err = client.child.stderr.take().map(read_aside);
    // Held until the client is gone: it exits at once when its input ends, and would not see the server close.
    let mut input = client.child.stdin.take();

    say(&mut input, "hello\nnosuchkey\n")?;
    // The client prints into a buffer that it empties only at its end, so there is no line to wait for.
    thread::sleep(ONE_HEARTBEAT);
    say(&mut input, "quit\n")?;
    client.wait()?;

    let text =
        |reader: Option<thread::JoinHandle<String>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
    let (out, err) = (text(out), text(err));
    let missing = not_seen(&out, &err);
    if missing.is_empty() {
        return Ok(());
    }
    println!("{out}{err}");
    Err(Error::NotSeen(missing))
}

fn say(input: &mut Option<ChildStdin>, words: &str) -> Result<(), Error> {
    match input.as_mut().map(|input| input.write_all(words.as_bytes())) {
        // A client that has already gone left its reasons in its output, which is looked at next.
        Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io("the client's input", error))
        }
        _ => Ok(()),
    }
}

fn read_aside(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What of the conversation is missing in what the client printed. It prints the name of a package, then its fields.
fn not_seen(out: &str, err: &str) -> Vec<&'static str> {
    let lines: Vec<_> = out.lines().collect();
    let after = |name: &str| {
        let position = lines.iter().position(|line| *line == name)?;
        Some(lines.get(position + 1).copied().unwrap_or_default())
    };
    let seen = [
        (
            "the welcome (RESPONSE 1)",
            after("RESPONSE\t1").is_some_and(|line| line.starts_with("msg\tWelcome to skynet")),
        ),
        ("what was set for `hello` (RESPONSE 3)", after("RESPONSE\t3") == Some("result\tworld")),
        (
            "an answer without a value for `nosuchkey` (RESPONSE 4)",
            after("RESPONSE\t4").is_some_and(|line| !line.starts_with("result")),
        ),
        ("a heartbeat", lines.contains(&"REQUEST\theartbeat")),
        ("the server closing after `quit`", err.contains("Server closed")),
    ];
    seen.iter().filter(|(_, seen)| !seen).map(|(what, _)| *what).collect()
}

/// A process of ours, killed if we leave early.
struct Running {
    what: &'static str,
    child: Child,
}

impl Running {
    fn start(what: &'static str, mut command: Command) -> Result<Self, Error> {
        let child = command.spawn().map_err(|error| Error::Io(what, error))?;
        Ok(Self { what, child })
    }

    fn wait_until_it_listens(&mut self) -> Result<(), Error> {
        let start = Instant::now();
        while !listens() {
            if let Some(status) = self.ended()? {
                return Err(Error::EndedEarly(status));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::NobodyListens);
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Asks the process to end, with the signal a service manager would send, and waits until it has.
    fn terminate(mut self) -> Result<ExitStatus, Error> {
        // The standard library can only kill outright. The id is still this child's, as nobody has waited for it.
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        kill.map_err(|error| Error::Io("kill", error))?;
        self.wait()
    }

    fn wait(&mut self) -> Result<ExitStatus, Error> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::StillRunning(self.what));
            }
            thread::sleep(GLANCE);
        }
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, Error> {
        self.child.try_wait().map_err(|error| Error::Io(self.what, error))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client printed against skynet's own server.
    const CONTENT: &str = "Request:\t1\nRequest:\t2\nRequest:\t3\nRequest:\t4\nRESPONSE\t1\n\
        msg\tWelcome to skynet, I will send heartbeat every 5 sec.\nRESPONSE\t2\nRESPONSE\t3\nresult\tworld\n\
        RESPONSE\t4\nREQUEST\theartbeat\nRequest:\t5\n";
    const CLOSED: &str = "3rd/lua/lua: examples/client.lua:46: Server closed\n";

    #[test]
    fn skynets_own_server_makes_the_client_content() {
        assert_eq!(not_seen(CONTENT, CLOSED), [] as [&str; 0]);
    }

    #[test]
    fn each_missing_part_is_named() {
        for (from, to, part) in [
            ("Welcome to skynet", "Hi", "welcome"),
            ("result\tworld", "result\tmoon", "`hello`"),
            ("RESPONSE\t4\n", "RESPONSE\t4\nresult\tworld\n", "`nosuchkey`"),
            ("RESPONSE\t4\n", "", "`nosuchkey`"),
            ("REQUEST\theartbeat\n", "", "heartbeat"),
        ] {
            let missing = not_seen(&CONTENT.replace(from, to), CLOSED);
            assert!(matches!(missing[..], [what] if what.contains(part)), "{part}: {missing:?}");
        }
        assert_eq!(not_seen(CONTENT, ""), ["the server closing after `quit`"]);
        assert_eq!(not_seen("", "").len(), 5);
    }
}
