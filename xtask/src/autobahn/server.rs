//! The server under judgement.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use super::Error;

/// The echo server, at work until it is dropped.
pub struct Server {
    child: Child,
    listeners: Vec<(String, String)>,
}

impl Server {
    /// Starts it, and waits until it listens.
    pub fn start(program: &Path, arguments: &[String]) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().map_err(|error| Error::Io("the server does not start", error))?;
        let mut server = Self { child, listeners: Vec::new() };
        let mut lines = BufReader::new(server.child.stdout.as_mut().ok_or(Error::NotListening)?).lines();
        while server.listeners.len() < 2 {
            let line = lines.next().ok_or(Error::NotListening)?;
            let line = line.map_err(|error| Error::Io("the server's output", error))?;
            let (kind, url) = line.split_once(' ').ok_or(Error::NotListening)?;
            server.listeners.push((kind.to_owned(), url.to_owned()));
        }
        Ok(server)
    }

    /// What kind of message each listener sends, and where it is.
    pub fn listeners(&self) -> impl Iterator<Item = (&str, &str)> {
        self.listeners.iter().map(|(kind, url)| (kind.as_str(), url.as_str()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
