use super::*;

const UPGRADE: &[u8] =
    b"GET / HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";

/// All a stream comes to: how the greeting ended, the frames, how many bytes were answered, and the end.
type Outcome = (Option<Greeted>, Vec<Vec<u8>>, usize, Option<End>);

fn fed(accepts: Accepts, stream: &[u8], piece: usize) -> Outcome {
    let mut inlet = Inlet::new(Framing::BE16, accepts, MessageKind::Either, "/health".into());
    let (mut greeted, mut frames, mut answered, mut end) = (None, Vec::new(), 0, None);
    for mut bytes in stream.chunks(piece) {
        while !bytes.is_empty() {
            let fed = inlet.feed(bytes, 4096);
            bytes = &bytes[fed.used..];
            answered += fed.answer.len();
            frames.extend(fed.frames.iter().map(<[u8]>::to_vec));
            greeted = greeted.or(fed.greeted);
            end = end.or(fed.end);
        }
    }
    (greeted, frames, answered, end)
}

#[track_caller]
fn all_cuts_give(accepts: Accepts, stream: &[u8]) -> Outcome {
    let whole = fed(accepts, stream, stream.len());
    for piece in 1..stream.len() {
        assert_eq!(fed(accepts, stream, piece), whole, "pieces of {piece}");
    }
    whole
}

#[test]
fn the_first_byte_tells_frames_from_http() {
    let (greeted, frames, answered, end) = all_cuts_give(Accepts::Both, b"\0\x02hi\0\x01!");
    assert_eq!(greeted.map(|greeted| greeted.kind), Some(Kind::Stream));
    assert_eq!((frames, answered, end), (vec![b"hi".to_vec(), b"!".to_vec()], 0, None));

    let message = [0x82, 0x84, 0, 0, 0, 0, 0, 2, b'h', b'i'];
    let (greeted, frames, answered, end) = all_cuts_give(Accepts::Both, &[UPGRADE, &message].concat());
    assert_eq!(greeted, Some(Greeted { kind: Kind::Messages, forwarded: "192.0.2.1".into() }));
    assert_eq!((frames, end), (vec![b"hi".to_vec()], None));
    assert!(answered > 100);
}

#[test]
fn without_detection_a_letter_is_a_length() {
    let (greeted, frames, ..) = all_cuts_give(Accepts::Tcp, &[b"\0\x01x", UPGRADE].concat());
    assert_eq!((greeted, frames), (None, vec![b"x".to_vec()]));
}

#[test]
fn where_only_websocket_is_spoken_all_else_is_a_bad_request() {
    let (greeted, frames, answered, end) =
        all_cuts_give(Accepts::WebSocket, b"\x16\x03\x01\0\xa5\x01\0\0\xa1\n\n");
    assert_eq!(greeted.map(|greeted| greeted.kind), Some(Kind::Answered));
    assert!(frames.is_empty() && answered > 20);
    assert_eq!(end, Some(End { cause: Cause::Http, code: None }));
}

#[test]
fn nothing_is_taken_after_the_end() {
    let stream = [&b"GET /health HTTP/1.1\r\n\r\n"[..], UPGRADE, b"\0\x02hi"].concat();
    let (_, frames, answered, end) = all_cuts_give(Accepts::Both, &stream);
    assert!(frames.is_empty() && answered > 20);
    assert_eq!(end.map(|end| end.cause), Some(Cause::Http));
}

/// A small generator, so that the noise is the same each time.
fn noise(seed: &mut u64) -> u8 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 56) as u8
}

#[test]
fn no_noise_breaks_it_and_its_cut_does_not_matter() {
    let mut seed = 7;
    for round in 0..2_000 {
        let mut stream = if round % 2 == 0 { UPGRADE.to_vec() } else { Vec::new() };
        let length = usize::from(noise(&mut seed));
        stream.extend((0..=length).map(|at| match (round % 4, at % 3) {
            (0, 0) => 0x80 | (noise(&mut seed) % 16),
            (0, 1) => 0x80 | (noise(&mut seed) % 8),
            _ => noise(&mut seed),
        }));
        for accepts in [Accepts::Tcp, Accepts::WebSocket, Accepts::Both] {
            let whole = fed(accepts, &stream, stream.len());
            let cut = fed(accepts, &stream, 1 + usize::from(noise(&mut seed) % 16));
            assert_eq!((&whole.0, &whole.1, &whole.3), (&cut.0, &cut.1, &cut.3), "round {round} {stream:?}");
        }
    }
}
