//! 0-pack: words of eight bytes without their zeros (skynet, sproto wire protocol).
//!
//! A word becomes a tag byte, bit *i* set when byte *i* is not zero, and its non-zero bytes. Full words are stored in runs of up to
//! 256 as `ff`, count − 1 and the raw words; while a run is open, words of six or seven non-zero bytes join it.

use super::UnpackError;

const WORD: usize = 8;
const RUN: u8 = 0xff;

/// Appends the packed form of `raw` to `out`, byte for byte as skynet writes it. The last word is padded with zeros.
///
/// ```
/// use portcullis_skynet::sproto::{pack, unpack};
///
/// let (mut packed, mut raw) = (Vec::new(), Vec::new());
/// pack(&[8, 0, 0, 0, 3, 0, 2, 0], &mut packed);
/// assert_eq!(packed, [0x51, 8, 3, 2]);
/// unpack(&packed, &mut raw, 1024)?;
/// assert_eq!(raw, [8, 0, 0, 0, 3, 0, 2, 0]);
/// # Ok::<(), portcullis_skynet::sproto::UnpackError>(())
/// ```
pub fn pack(raw: &[u8], out: &mut Vec<u8>) {
    // The worst case: ten bytes for a lone full word.
    out.reserve(raw.len() / WORD * (WORD + 2) + WORD + 2);
    let (words, tail) = raw.as_chunks::<WORD>();
    let mut run = None;
    for word in words {
        run = pack_word(*word, run, out);
    }
    if !tail.is_empty() {
        let mut word = [0; WORD];
        for (to, from) in word.iter_mut().zip(tail) {
            *to = *from;
        }
        pack_word(word, run, out);
    }
}

/// Packs one word. `run` is where the count of the open run stands in `out`, if one is open; the answer is the same for the next word.
fn pack_word(word: [u8; WORD], run: Option<usize>, out: &mut Vec<u8>) -> Option<usize> {
    let mask = nonzero_bytes(u64::from_le_bytes(word));
    let set = mask.count_ones();
    if let Some(at) = run
        && set >= 6
        && let Some(count) = out.get_mut(at)
    {
        *count = count.saturating_add(1);
        let full = *count == u8::MAX;
        out.extend_from_slice(&word);
        return if full { None } else { Some(at) };
    }
    if set == 8 {
        out.extend_from_slice(&[RUN, 0]);
        out.extend_from_slice(&word);
        return Some(out.len() - WORD - 1);
    }
    let mut packed = [0; 16];
    let mut used = 0;
    for (byte, slot) in word.iter().zip(0..) {
        // Each byte is written and kept only if not zero; `& 7` tells the compiler that it fits.
        if let Some(to) = packed.get_mut((used & 7) + 1) {
            *to = *byte;
        }
        used += usize::from(mask >> slot & 1);
    }
    packed[0] = mask;
    out.extend_from_slice(packed.get(..=used).unwrap_or_default());
    None
}

/// Bit *i* is set when byte *i* of the word, lowest first, is not zero.
fn nonzero_bytes(word: u64) -> u8 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let high_bits = (((word & LOW) + LOW) | word) & !LOW;
    // The multiplication moves the eight bits, which are eight apart, into the top byte.
    ((high_bits >> 7).wrapping_mul(GATHER) >> 56) as u8
}

/// Appends the unpacked form of `packed` to `out`: always a multiple of eight bytes, at most `limit`.
///
/// One packed byte can make eight, so the limit is the caller's memory; a frame of 64 KiB makes at most 512 KiB. Forms that no
/// packer writes (zeros announced as non-zero, runs of anything) are accepted, as in skynet.
///
/// # Errors
/// [`UnpackError::Short`] when the data ends inside a word or run, [`UnpackError::TooLarge`] when the result would exceed
/// `limit`. `out` is then as before.
pub fn unpack(packed: &[u8], out: &mut Vec<u8>, limit: usize) -> Result<(), UnpackError> {
    let start = out.len();
    let done = unpack_words(packed, out, start, limit);
    if done.is_err() {
        out.truncate(start);
    }
    done
}

fn unpack_words(mut packed: &[u8], out: &mut Vec<u8>, start: usize, limit: usize) -> Result<(), UnpackError> {
    while let Some((&tag, rest)) = packed.split_first() {
        let room = limit.saturating_sub(out.len() - start);
        if tag == RUN {
            let (&count, rest) = rest.split_first().ok_or(UnpackError::Short)?;
            let length = (usize::from(count) + 1) * WORD;
            let (words, rest) = rest.split_at_checked(length).ok_or(UnpackError::Short)?;
            if room < length {
                return Err(UnpackError::TooLarge { limit });
            }
            out.extend_from_slice(words);
            packed = rest;
            continue;
        }
        let used = tag.count_ones() as usize;
        let (bytes, after) = rest.split_at_checked(used).ok_or(UnpackError::Short)?;
        if room < WORD {
            return Err(UnpackError::TooLarge { limit });
        }
        // Whole words are read where they can be, so that the loop below has a fixed length.
        let source = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut source = [0; WORD];
            for (to, from) in source.iter_mut().zip(bytes) {
                *to = *from;
            }
            source
        });
        out.extend_from_slice(&spread(tag, source));
        packed = after;
    }
    Ok(())
}

/// Puts the bytes of `source`, in order, where `tag` has its bits; zeros elsewhere.
fn spread(tag: u8, source: [u8; WORD]) -> [u8; WORD] {
    let mut word = [0; WORD];
    let mut next = 0_usize;
    for (to, slot) in word.iter_mut().zip(0..) {
        let set = tag >> slot & 1;
        let byte = source.get(next & 7).copied().unwrap_or_default();
        *to = byte & 0_u8.wrapping_sub(set);
        next += usize::from(set);
    }
    word
}
