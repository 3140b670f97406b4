//! The answers themselves, oldest first: written to the end of a ring of bytes, dropped from its front.

use std::collections::VecDeque;

/// Answers by their place. Each has its id beside it, for that is what is looked for.
///
/// There is no index of ids: clients count them up, most of the time, so a new one is above all others, and a known one
/// lies where counting leads. Others are looked for one by one, in no more steps than there are answers.
#[derive(Default)]
pub(super) struct Answers {
    ids: VecDeque<u64>,
    slots: VecDeque<Slot>,
    log: VecDeque<u8>,
    /// Bytes that were dropped from the front of the log so far.
    dropped: u64,
    live: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    /// Where the answer ends, counted from the first byte there ever was. It begins where the one before ends.
    end: u64,
    /// The version its request came under, or last came again under.
    version: u32,
    /// Otherwise it is left over: a later place has it, or nobody knows it any more.
    live: bool,
}

impl Answers {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// How many places there are, those that are left over too.
    pub(super) fn places(&self) -> usize {
        self.slots.len()
    }

    /// Bytes of all places.
    pub(super) fn bytes(&self) -> usize {
        self.log.len()
    }

    /// Bytes of memory they take.
    pub(super) fn allocated(&self) -> usize {
        self.log.capacity()
            + self.ids.capacity() * size_of::<u64>()
            + self.slots.capacity() * size_of::<Slot>()
    }

    /// Bytes of memory that one more of this length takes.
    pub(super) fn growth(&self, length: usize) -> usize {
        let log = match self.log.capacity() - self.log.len() < length {
            true => self.log.len() + self.step(length) - self.log.capacity(),
            false => 0,
        };
        // A deque doubles.
        let doubled = |len: usize, capacity: usize| if len < capacity { 0 } else { capacity.max(4) };
        log + doubled(self.ids.len(), self.ids.capacity()) * size_of::<u64>()
            + doubled(self.slots.len(), self.slots.capacity()) * size_of::<Slot>()
    }

    /// How many places, and bytes, may be left so that one of this length takes no more memory; none where it must.
    pub(super) fn room_for(&self, length: usize) -> Option<(usize, usize)> {
        let places = self.ids.capacity().min(self.slots.capacity()).checked_sub(1)?;
        Some((places, self.log.capacity().checked_sub(length)?))
    }

    /// By how much the log grows for an answer of this length: by little, for the whole ring is written to in turn, and
    /// what of it lies unused only crowds out of the processor's caches what is used.
    fn step(&self, length: usize) -> usize {
        length.max(self.log.capacity() / 8)
    }

    /// Where the answer of this id is.
    pub(super) fn find(&self, id: u64) -> Option<usize> {
        let live = |place: &usize| self.slots.get(*place).is_some_and(|slot| slot.live);
        let back = self.ids.back().and_then(|last| usize::try_from(last.checked_sub(id)?).ok());
        let counted = back.and_then(|back| self.ids.len().checked_sub(back)?.checked_sub(1));
        let counted = counted.filter(|&place| self.ids.get(place) == Some(&id)).filter(live);
        // Of several with one id, the latest is the one that may be live.
        counted.or_else(|| self.ids.iter().rposition(|&known| known == id).filter(live))
    }

    pub(super) fn version(&self, place: usize) -> Option<u32> {
        self.slots.get(place).map(|slot| slot.version)
    }

    pub(super) fn set_version(&mut self, place: usize, version: u32) {
        if let Some(slot) = self.slots.get_mut(place) {
            slot.version = version;
        }
    }

    /// Appends the bytes of an answer.
    pub(super) fn read(&self, place: usize, out: &mut Vec<u8>) {
        let Some(slot) = self.slots.get(place) else { return };
        let before = place.checked_sub(1).and_then(|before| self.slots.get(before));
        let begin = before.map_or(self.dropped, |before| before.end);
        out.extend(self.log.range((begin - self.dropped) as usize..(slot.end - self.dropped) as usize));
    }

    /// The answer is not known any more.
    pub(super) fn remove(&mut self, place: usize) {
        if let Some(slot) = self.slots.get_mut(place)
            && slot.live
        {
            slot.live = false;
            self.live -= 1;
        }
    }

    /// Drops the oldest until there are at most so many places, and so many bytes; tells of each that was still known, by
    /// its id and version.
    pub(super) fn trim(&mut self, places: usize, bytes: usize, mut told: impl FnMut(u64, u32)) {
        let mut begin = self.dropped;
        let end = begin + self.log.len() as u64;
        while let Some(&Slot { end: oldest, version, live }) = self.slots.front()
            && (self.slots.len() > places || end - begin > bytes as u64)
        {
            self.slots.pop_front();
            begin = oldest;
            if let Some(id) = self.ids.pop_front()
                && live
            {
                self.live -= 1;
                told(id, version);
            }
        }
        if begin > self.dropped {
            self.log.drain(..(begin - self.dropped) as usize);
            self.dropped = begin;
        }
    }

    pub(super) fn push(&mut self, id: u64, version: u32, frame: &[u8]) {
        if self.log.capacity() - self.log.len() < frame.len() {
            self.log.reserve_exact(self.step(frame.len()));
        }
        self.log.extend(frame);
        let end = self.dropped + self.log.len() as u64;
        self.ids.push_back(id);
        self.slots.push_back(Slot { end, version, live: true });
        self.live += 1;
    }

    /// Gives back the memory that is not needed.
    pub(super) fn shrink(&mut self) {
        self.ids.shrink_to_fit();
        self.slots.shrink_to_fit();
        self.log.shrink_to_fit();
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.log.capacity()
    }
}
