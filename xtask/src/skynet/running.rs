//! Processes, servers and clients alike.

use std::{
    net::SocketAddr,
    process::{Child, Command, ExitStatus},
    thread,
    time::Instant,
};

use super::{Error, GLANCE, PATIENCE, listens};

/// A process of ours, killed if we leave early.
pub struct Running {
    what: &'static str,
    pub child: Child,
}

impl Running {
    pub fn start(what: &'static str, mut command: Command) -> Result<Self, Error> {
        let child = command.spawn().map_err(|error| Error::Io(what, error))?;
        Ok(Self { what, child })
    }

    pub fn wait_until_it_listens(&mut self, addresses: &[SocketAddr]) -> Result<(), Error> {
        let start = Instant::now();
        while let Some(&missing) = addresses.iter().find(|address| !listens(**address)) {
            if let Some(status) = self.ended()? {
                return Err(Error::EndedEarly(status));
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::NobodyListens(missing));
            }
            thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Asks the process to end, with the signal a service manager would send, and waits until it has.
    pub fn terminate(mut self) -> Result<ExitStatus, Error> {
        // The standard library can only kill outright. The id is still this child's, as nobody has waited for it.
        let kill = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        kill.map_err(|error| Error::Io("kill", error))?;
        self.wait()
    }

    pub fn wait(&mut self) -> Result<ExitStatus, Error> {
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
