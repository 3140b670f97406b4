//! What targets make of their input: pieces of a stream, damaged copies, numbers.

/// A small generator with a seed (splitmix64), so that the same input is always the same story.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Any number.
    pub fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below this one, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.any() % end as u64) as usize
    }
}

/// The bytes in pieces as a network might deliver them: mostly a few, sometimes many.
pub fn pieces(bytes: &[u8], seed: u64) -> Vec<&[u8]> {
    let mut random = Random(seed);
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let longest = if random.below(4) == 0 { rest.len() } else { rest.len().min(9) };
        let (piece, after) = rest.split_at(1 + random.below(longest));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// The first byte, and the others.
pub fn first(data: &[u8]) -> (u8, &[u8]) {
    data.split_first().map_or((0, data), |(&first, rest)| (first, rest))
}

/// A copy with a few faults: flipped bits, lost, doubled and inserted bytes, a cut end.
pub fn damaged(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    const ODD: [u8; 8] = [0, 1, 0x0a, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
    let mut bytes = bytes.to_vec();
    for _ in 0..=random.below(4) {
        if bytes.is_empty() {
            bytes.push(random.any() as u8);
        }
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = ODD[random.below(ODD.len())],
            2 => bytes.truncate(at),
            3 => bytes.insert(at, random.any() as u8),
            4 => {
                let end = at + 1 + random.below((bytes.len() - at).min(16));
                bytes.drain(at..end);
            }
            _ => {
                let end = at + 1 + random.below((bytes.len() - at).min(64));
                bytes.extend_from_within(at..end);
            }
        }
    }
    bytes
}
