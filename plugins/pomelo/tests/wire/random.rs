/// A small generator with a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    pub fn bytes(&mut self, below: u64) -> Vec<u8> {
        (0..self.below(below)).map(|_| self.next() as u8).collect()
    }

    pub fn text(&mut self) -> String {
        const CHARS: [char; 8] = ['a', '"', '\\', '\n', 'é', '你', '\u{ffff}', '😀'];
        (0..self.below(6)).map(|_| CHARS[self.below(8) as usize]).collect()
    }
}
