//! What the cache is held against.

use std::collections::HashMap as Map;

/// The original's algorithm, as skynet's `msgserver.lua` has it, with its tables and its counters, and two changes:
/// an answer is of the version its request came under, and a conflict does not drop the entry.
#[derive(Default)]
pub(super) struct Original {
    pub(super) version: u32,
    pub(super) index: usize,
    pub(super) response: Map<u64, Response>,
}

#[derive(Clone, Default)]
pub(super) struct Response {
    to: u32,
    answer: Option<Vec<u8>>,
    version: Option<u32>,
    arrived: u32,
    index: usize,
}

#[derive(Debug, PartialEq)]
pub(super) enum Did {
    Execute,
    Send(Vec<u8>),
    Absorb,
    Conflict,
}

impl Original {
    pub(super) fn len(&self) -> usize {
        self.response.values().filter(|response| response.answer.is_some()).count()
    }

    pub(super) fn request(&mut self, id: u64, expired: usize) -> Did {
        if let Some(known) = self.response.get_mut(&id) {
            if known.version != Some(self.version) {
                known.to = self.version;
                known.version = Some(self.version);
                known.index = self.index;
                let Some(answer) = known.answer.clone() else { return Did::Absorb };
                self.index += 1;
                self.retire(expired);
                return Did::Send(answer);
            }
            if known.answer.is_none() {
                return Did::Conflict;
            }
        }
        let new = Response { to: self.version, arrived: self.version, ..Response::default() };
        self.response.insert(id, new);
        Did::Execute
    }

    pub(super) fn finish(&mut self, id: u64, answer: Vec<u8>, expired: usize) -> u32 {
        let done = self.response.get_mut(&id).unwrap();
        done.answer = Some(answer);
        done.version = Some(done.version.unwrap_or(done.arrived));
        done.index = self.index;
        let to = done.to;
        self.index += 1;
        self.retire(expired);
        to
    }

    fn retire(&mut self, expired: usize) {
        if self.index < expired * 2 {
            return;
        }
        let mut max = 0;
        self.response.retain(|_, response| {
            if response.answer.is_none() {
                return true;
            }
            if response.index < expired {
                return false;
            }
            response.index -= expired;
            max = max.max(response.index);
            true
        });
        self.index = max + 1;
    }
}
