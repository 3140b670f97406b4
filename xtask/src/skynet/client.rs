//! A client of skynet's, at its work.

use std::{
    io::{self, Read, Write},
    path::Path,
    process::{ChildStdin, Command, ExitStatus, Stdio},
    thread::{self, JoinHandle},
};

use super::{Error, running::Running};

/// A client that runs. Its input is held open until it is gone: it exits at once when that ends.
pub struct Client {
    running: Running,
    input: Option<ChildStdin>,
    out: Option<JoinHandle<String>>,
    err: Option<JoinHandle<String>>,
}

/// What a client left behind.
pub struct Left {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Client {
    /// Starts the client whose script this is.
    pub fn start(checkout: &Path, script: &str) -> Result<Self, Error> {
        let mut command = Command::new(checkout.join("3rd/lua/lua"));
        command.arg(script).current_dir(checkout);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut running = Running::start("client", command)?;
        let out = running.child.stdout.take().map(read_aside);
        let err = running.child.stderr.take().map(read_aside);
        let input = running.child.stdin.take();
        Ok(Self { running, input, out, err })
    }

    pub fn say(&mut self, words: &str) -> Result<(), Error> {
        match self.input.as_mut().map(|input| input.write_all(words.as_bytes())) {
            // A client that has already gone left its reasons in its output, which is looked at next.
            Some(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::Io("the client's input", error))
            }
            _ => Ok(()),
        }
    }

    /// Waits until it is gone.
    pub fn end(mut self) -> Result<Left, Error> {
        let status = self.running.wait()?;
        let text =
            |reader: Option<JoinHandle<String>>| reader.and_then(|r| r.join().ok()).unwrap_or_default();
        Ok(Left { status, out: text(self.out), err: text(self.err) })
    }
}

fn read_aside(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read before an error is still worth showing.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
