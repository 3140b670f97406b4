//! A queue of what is due when, so that nobody scans all connections to find out.

use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

/// Items ordered by the moment they are due; equal moments come out in the order they went in.
///
/// An item is not taken out when it no longer matters: whoever pops it looks whether it still holds, and pushes it
/// again if the deadline has moved. A deadline that moves with each message therefore costs nothing per message.
///
/// ```
/// use portcullis_core::DeadlineQueue;
/// use std::time::Duration;
///
/// let mut queue = DeadlineQueue::default();
/// queue.push(Duration::from_secs(2), "late");
/// queue.push(Duration::from_secs(1), "early");
/// assert_eq!(queue.pop_due(Duration::from_secs(1)), Some("early"));
/// assert_eq!(queue.pop_due(Duration::from_secs(1)), None);
/// ```
#[derive(Debug)]
pub struct DeadlineQueue<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    pushed: u64,
}

impl<T> DeadlineQueue<T> {
    /// Adds an item that is due at this time of the [`Clock`](crate::Clock).
    pub fn push(&mut self, due: Duration, item: T) {
        self.pushed += 1;
        self.heap.push(Reverse(Entry { due, order: self.pushed, item }));
    }

    /// Takes the next item that is due by now.
    pub fn pop_due(&mut self, now: Duration) -> Option<T> {
        self.next_due().filter(|&due| due <= now)?;
        self.heap.pop().map(|Reverse(entry)| entry.item)
    }

    /// When the next item is due.
    pub fn next_due(&self) -> Option<Duration> {
        self.heap.peek().map(|Reverse(entry)| entry.due)
    }

    /// What waits, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.heap.iter().map(|Reverse(entry)| &entry.item)
    }

    /// Drops the items for which `keep` gives false. It looks at each.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        self.heap.retain(|Reverse(entry)| keep(&entry.item));
    }

    /// How many items wait.
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }
}

impl<T> Default for DeadlineQueue<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), pushed: 0 }
    }
}

#[derive(Debug)]
struct Entry<T> {
    due: Duration,
    order: u64,
    item: T,
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl<T> Eq for Entry<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_moments_keep_their_order() {
        let mut queue = DeadlineQueue::default();
        for item in 0..100 {
            queue.push(Duration::from_millis(5), item);
        }
        assert_eq!(queue.pop_due(Duration::from_millis(4)), None);
        for item in 0..100 {
            assert_eq!(queue.pop_due(Duration::from_millis(5)), Some(item));
        }
        assert!(queue.is_empty());
    }
}
