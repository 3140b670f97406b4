//! skynet's hash of texts, and its keyed hash made of MD5's steps.

use md5::block_api::compress;

/// Eight bytes of any text: two home-made hashes of 32 bits. Collisions are easily made on purpose.
pub fn hashkey(text: &[u8]) -> [u8; 8] {
    let (mut djb, mut js) = (5381u32, 1_315_423_911u32);
    for &byte in text {
        let byte = u32::from(byte);
        djb = djb.wrapping_mul(33).wrapping_add(byte);
        js ^= (js << 5).wrapping_add(byte).wrapping_add(js >> 2);
    }
    joined(djb, js)
}

/// What login proves a secret by: `x` is the challenge, `y` the secret. No HMAC in spite of its name: one block
/// through MD5's steps.
pub fn hmac64(x: &[u8; 8], y: &[u8; 8]) -> [u8; 8] {
    const INITIAL: [u32; 4] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    let [x0, x1, x2, x3, x4, x5, x6, x7] = *x;
    let [y0, y1, y2, y3, y4, y5, y6, y7] = *y;
    let quarter = [x4, x5, x6, x7, x0, x1, x2, x3, y4, y5, y6, y7, y0, y1, y2, y3];
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(quarter.iter().cycle()) {
        *to = *from;
    }
    let mut state = INITIAL;
    compress(&mut state, &[block]);
    // MD5 ends a block by adding the state before it; the original leaves that out.
    for (word, initial) in state.iter_mut().zip(INITIAL) {
        *word = word.wrapping_sub(initial);
    }
    let [a, b, c, d] = state;
    joined(c ^ d, a ^ b)
}

/// What msgserver proves a secret by: [`hmac64`] of the text's [`hashkey`] and the secret `key`.
pub fn hmac_hash(key: &[u8; 8], text: &[u8]) -> [u8; 8] {
    hmac64(&hashkey(text), key)
}

fn joined(low: u32, high: u32) -> [u8; 8] {
    (u64::from(high) << 32 | u64::from(low)).to_le_bytes()
}
