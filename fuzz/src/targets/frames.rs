//! How streams are cut into frames: any cut of the stream gives the frames that a slow reader finds.

use crate::bytes::{first, pieces};
use portcullis::{
    core::{Assembler, Frames, Framing},
    pomelo::wire::package,
};

/// Payloads that may come, in bytes.
const LIMITS: [usize; 5] = [0, 1, 5, 64, 1 << 20];

pub fn be16(data: &[u8]) {
    stream(Framing::BE16, data);
}

pub fn le32(data: &[u8]) {
    stream(Framing::LE32, data);
}

pub fn line(data: &[u8]) {
    stream(Framing::LINE, data);
}

pub fn pomelo(data: &[u8]) {
    stream(package::FRAMING, data);
}

/// Of messages each is one frame; a message that is not is not taken, and spoils nothing.
pub fn whole(data: &[u8]) {
    let (limit, bytes) = first(data);
    let max_frame = LIMITS[usize::from(limit) % LIMITS.len()];
    for framing in [Framing::WHOLE, Framing::BE16, Framing::LE32, Framing::LINE, package::FRAMING] {
        let mut frames = Frames::with_capacity(bytes.len());
        let (mut taken, mut held) = (0, 0);
        for piece in pieces(bytes, limit.into()) {
            if frames.push_message(framing, max_frame, |out| out.extend_from_slice(piece)).is_ok() {
                taken += 1;
                held += piece.len();
            }
        }
        assert_eq!((frames.len(), frames.byte_len()), (taken, held), "{}", framing.name);
        assert!(frames.iter().all(|frame| frame.len() <= max_frame), "{}", framing.name);
    }
}

fn stream(framing: Framing, data: &[u8]) {
    let (limit, bytes) = first(data);
    let max_frame = LIMITS[usize::from(limit) % LIMITS.len()];
    // A read that brings nothing is the end, and is not fed.
    if bytes.is_empty() {
        return;
    }
    let whole = assembled(framing, max_frame, [bytes]);
    assert_eq!(whole, slowly(framing, max_frame, bytes), "as a slow reader finds them");
    assert_eq!(whole, assembled(framing, max_frame, bytes.chunks(1)), "byte by byte");
    assert_eq!(whole, assembled(framing, max_frame, pieces(bytes, limit.into())), "in pieces");
}

/// The frames, and whether one was too large.
fn assembled<'a>(
    framing: Framing,
    max_frame: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Vec<u8>>, bool) {
    let mut assembler = Assembler::new(framing);
    let (mut frames, mut fed) = (Vec::new(), 0);
    for piece in pieces {
        fed += piece.len();
        let (complete, result) = assembler.feed(piece, max_frame);
        frames.extend(complete.iter().map(<[u8]>::to_vec));
        if result.is_err() {
            return (frames, true);
        }
        assert!(assembler.held() <= fed, "only what came is held");
        assert!(assembler.held() < 4 + max_frame.max(1), "and never more than a frame");
    }
    (frames, false)
}

fn slowly(framing: Framing, max_frame: usize, mut rest: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let mut frames = Vec::new();
    while let Some(extent) = (framing.measure)(rest) {
        if extent.payload > max_frame {
            return (frames, true);
        }
        let Some((frame, after)) = rest.split_at_checked(extent.header + extent.payload) else { break };
        frames.push(frame[extent.header..].to_vec());
        rest = after;
    }
    (frames, false)
}
