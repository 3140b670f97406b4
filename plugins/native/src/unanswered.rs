//! What a client has asked and has not been told: known by its id, and whole where it may be asked again.

use crate::ClientError;
use std::{collections::BTreeMap, fmt};

/// How many requests without an answer a client keeps, to send them again over its next connection. One more fails with
/// [`TooManyUnanswered`](ClientError::TooManyUnanswered) at once, and is not sent: one that was sent and not kept might
/// be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepLimits {
    /// How many. Default 64, as many as a server lets wait, and half of the answers that it keeps: so none that we have
    /// not seen is too old to be sent again, however many connections it takes.
    pub requests: usize,
    /// Their frames, in bytes. Default 1 MiB.
    pub bytes: usize,
}

impl Default for KeepLimits {
    fn default() -> Self {
        Self { requests: 64, bytes: 1024 * 1024 }
    }
}

/// The requests of a client that have no answer yet, by id.
#[derive(Debug, Default)]
pub(crate) struct Unanswered {
    asked: BTreeMap<u32, Asked>,
    kept: usize,
    bytes: usize,
}

/// What was asked.
pub(crate) enum Asked {
    /// Something that is not asked again.
    Once,
    /// The frame of a request that is.
    Kept(Box<[u8]>),
    /// A ticket, for a password.
    LogIn,
    /// A ticket, for the one before, over a new connection.
    Resume,
    /// A ticket, for one that is getting old.
    Renew,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Once => "Once",
            Self::Kept(_) => "Kept",
            Self::LogIn => "LogIn",
            Self::Resume => "Resume",
            Self::Renew => "Renew",
        })
    }
}

impl Unanswered {
    pub(crate) fn contains(&self, id: u32) -> bool {
        self.asked.contains_key(&id)
    }

    pub(crate) fn note(&mut self, id: u32, asked: Asked) {
        self.asked.insert(id, asked);
    }

    /// Keeps the frame of a request, if there is room.
    pub(crate) fn keep(&mut self, id: u32, frame: &[u8], limits: KeepLimits) -> Result<(), ClientError> {
        if self.kept >= limits.requests || self.bytes.saturating_add(frame.len()) > limits.bytes {
            return Err(ClientError::TooManyUnanswered { requests: self.kept, bytes: self.bytes });
        }
        self.kept += 1;
        self.bytes += frame.len();
        self.asked.insert(id, Asked::Kept(frame.into()));
        Ok(())
    }

    /// It was answered, or nobody waits any more.
    pub(crate) fn take(&mut self, id: u32) -> Option<Asked> {
        let asked = self.asked.remove(&id)?;
        if let Asked::Kept(frame) = &asked {
            self.kept -= 1;
            self.bytes -= frame.len();
        }
        Some(asked)
    }

    /// The connection is gone, and with it all answers but those to requests that are kept. Gives the ids of the others.
    pub(crate) fn lose(&mut self) -> Vec<u32> {
        let lost = self.asked.extract_if(.., |_, asked| !matches!(asked, Asked::Kept(_)));
        lost.map(|(id, _)| id).collect()
    }

    /// As [`lose`](Self::lose), where there will be no other connection.
    pub(crate) fn lose_all(&mut self) -> Vec<u32> {
        (self.kept, self.bytes) = (0, 0);
        std::mem::take(&mut self.asked).into_keys().collect()
    }

    /// The frames that are kept, by id.
    pub(crate) fn frames(&self) -> impl Iterator<Item = &[u8]> {
        self.asked.values().filter_map(|asked| match asked {
            Asked::Kept(frame) => Some(&**frame),
            _ => None,
        })
    }
}
