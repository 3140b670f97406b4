//! The servers that are compared.

use std::{fmt, io, path::Path};

use clap::ValueEnum;

use crate::{portcullis, raw, raw_ws, wire::Wire};

/// An echo server of this bench.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Subject {
    /// Straight on tokio: the yardstick.
    Raw,
    /// Portcullis with the sockets on the ECS thread.
    Inline,
    /// Portcullis with the sockets on tokio's own thread.
    Thread,
}

impl Subject {
    /// The name on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Inline => "inline",
            Self::Thread => "thread",
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Runs the server `subject` until the process is killed. It listens on a free port of 127.0.0.1 and calls
/// `report_port` once it does. Its certificate, where it encrypts, is in that folder.
pub fn serve(
    subject: Subject,
    wire: Wire,
    certificate: Option<&Path>,
    report_port: impl FnOnce(u16) -> io::Result<()>,
) -> io::Result<()> {
    match (subject, wire) {
        (Subject::Raw, Wire::Be16 | Wire::MsgServer) => raw::serve(raw::be16, report_port),
        (Subject::Raw, Wire::PomeloTcp) => raw::serve(raw::package, report_port),
        (Subject::Raw, Wire::PomeloWs | Wire::Sysconn) => raw_ws::serve(report_port),
        (Subject::Raw, Wire::PomeloTls) => Err(io::ErrorKind::Unsupported.into()),
        (Subject::Inline | Subject::Thread, _) => {
            portcullis::serve(subject.name(), wire, certificate, report_port)
        }
    }
}
