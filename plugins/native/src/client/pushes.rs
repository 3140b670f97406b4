//! Pushes that nobody has asked for yet.

use crate::Push;
use std::collections::VecDeque;

/// A queue that forgets its oldest when it is full.
#[derive(Debug)]
pub(super) struct Pushes {
    list: VecDeque<Push>,
    capacity: usize,
    dropped: u64,
}

impl Pushes {
    pub(super) fn new(capacity: usize) -> Self {
        Self { list: VecDeque::new(), capacity: capacity.max(1), dropped: 0 }
    }

    pub(super) fn add(&mut self, push: Push) {
        if self.list.len() == self.capacity {
            self.list.pop_front();
            self.dropped += 1;
        }
        self.list.push_back(push);
    }

    pub(super) fn take(&mut self) -> Option<Push> {
        self.list.pop_front()
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Body;
    use bytes::Bytes;

    #[test]
    fn a_full_queue_forgets_its_oldest_and_counts_it() {
        let mut pushes = Pushes::new(2);
        for number in 0..5u8 {
            let body = Body(Bytes::copy_from_slice(&[number]));
            pushes.add(Push { route: "news".into(), type_name: "u8", body });
        }
        assert_eq!(pushes.dropped(), 3);
        let left: Vec<u8> = std::iter::from_fn(|| pushes.take()).map(|push| push.decode().unwrap()).collect();
        assert_eq!(left, [3, 4]);
    }
}
