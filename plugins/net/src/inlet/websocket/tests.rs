use super::*;

const MASK: [u8; 4] = [1, 2, 3, 4];

/// A client's frame, as it is on the wire.
fn sent(opcode: OpCode, is_final: bool, payload: &[u8]) -> Vec<u8> {
    let header = FrameHeader { opcode, is_final, mask: Some(MASK), ..FrameHeader::default() };
    let mut bytes = Vec::new();
    header.format(payload.len() as u64, &mut bytes).unwrap();
    append_unmasked(&mut bytes, payload, MASK);
    bytes
}

fn data(kind: Data, is_final: bool, payload: &[u8]) -> Vec<u8> {
    sent(OpCode::Data(kind), is_final, payload)
}

fn binary(payload: &[u8]) -> Vec<u8> {
    data(Data::Binary, true, payload)
}

fn control(kind: Control, payload: &[u8]) -> Vec<u8> {
    sent(OpCode::Control(kind), true, payload)
}

/// A frame of the framing, as a message has to be.
fn be16(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u16).to_be_bytes(), payload].concat()
}

type Outcome = (Vec<Vec<u8>>, Vec<u8>, Result<(), End>);

/// What a stream comes to, cut into pieces.
fn fed(stream: &[u8], piece: usize, max_frame: usize) -> Outcome {
    fed_to(MessageKind::Either, stream, piece, max_frame)
}

fn fed_to(takes: MessageKind, stream: &[u8], piece: usize, max_frame: usize) -> Outcome {
    let mut messages = Joiner::new(Framing::BE16, takes);
    let (mut got, mut pongs) = (Vec::new(), Vec::new());
    for bytes in stream.chunks(piece) {
        let mut fed = Fed::default();
        let result = messages.feed(bytes, max_frame, &mut fed);
        got.extend(fed.frames.iter().map(<[u8]>::to_vec));
        pongs.append(&mut fed.answer);
        if result.is_err() {
            return (got, pongs, result);
        }
    }
    let held = (messages.partial.capacity(), messages.fragments.is_some());
    assert_eq!(held, (0, false), "an idle connection holds nothing");
    (got, pongs, Ok(()))
}

#[track_caller]
fn ends(stream: &[u8], code: impl Into<Option<u16>>, cause: Cause) {
    let code = code.into();
    for piece in [1, 3, stream.len()] {
        let (frames, _, result) = fed(&[binary(&be16(b"first")), stream.to_vec()].concat(), piece, 200);
        assert_eq!(result, Err(End { cause, code }), "pieces of {piece}");
        assert_eq!(frames, [b"first"], "what came before is kept");
    }
}

#[test]
fn any_cut_of_a_stream_gives_the_same_frames() {
    let stream = [
        binary(&be16(b"one")),
        data(Data::Text, true, &be16(b"text")),
        data(Data::Binary, false, b"\0"),
        control(Control::Ping, b"within"),
        data(Data::Continue, false, b""),
        data(Data::Continue, true, b"\x03two"),
        control(Control::Pong, b"unasked"),
        binary(&be16(b"")),
        binary(&be16(&[7; 70_000][..65_535])),
    ]
    .concat();
    let whole = fed(&stream, stream.len(), 65_535);
    assert_eq!(whole.0, [&b"one"[..], b"text", b"two", b"", &[7; 65_535]]);
    assert_eq!(whole.1, b"\x8a\x06within");
    for piece in [1, 2, 3, 5, 64, 4096] {
        assert_eq!(fed(&stream, piece, 65_535), whole, "pieces of {piece}");
    }
}

#[test]
fn what_a_client_may_not_send_is_a_protocol_error() {
    let mut unmasked = Vec::new();
    FrameHeader { opcode: OpCode::Data(Data::Binary), ..FrameHeader::default() }
        .format(1, &mut unmasked)
        .unwrap();
    let with_first = |first: u8| [&[first], &binary(&be16(b"x"))[1..]].concat();
    for stream in [
        unmasked,
        with_first(0xc2), // a reserved bit
        with_first(0x83), // a reserved opcode
        with_first(0x8b), // a reserved control opcode
        with_first(0x80), // a continuation of nothing
        control(Control::Ping, &[0; 126]),
        sent(OpCode::Control(Control::Ping), false, b""),
        [data(Data::Binary, false, b""), binary(b"")].concat(),
        control(Control::Close, &[3]),
        control(Control::Close, &1005u16.to_be_bytes()),
    ] {
        ends(&stream, 1002, Cause::Malformed);
    }
}

#[test]
fn text_must_be_utf_8() {
    ends(&data(Data::Text, true, &be16(&[0xff])), 1007, Cause::Malformed);
    ends(&control(Control::Close, &[3, 0xe8, 0xff]), 1007, Cause::Malformed);
    let (first, second) = "\0\u{2}é".as_bytes().split_at(3);
    let split = [data(Data::Text, false, first), data(Data::Continue, true, second)].concat();
    assert_eq!(fed(&split, 1, 200).0, ["é".as_bytes()]);
}

#[test]
fn what_is_too_large_is_refused_by_its_header() {
    let large = binary(&[0; 217]);
    ends(&large[..4 + 4], 1009, Cause::FrameTooLarge);
    ends(
        &[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0],
        1009,
        Cause::FrameTooLarge,
    );
    let fragments = data(Data::Binary, false, &[0; 100]);
    let more = data(Data::Continue, false, &[0; 100]);
    ends(&[&fragments[..], &more, &more[..6]].concat(), 1009, Cause::FrameTooLarge);
    ends(&binary(&be16(&[0; 201])), 1009, Cause::FrameTooLarge);
    assert_eq!(fed(&binary(&be16(&[0; 200])), 7, 200).0, [[0; 200]]);
}

#[test]
fn a_message_must_be_exactly_one_frame() {
    for message in [&b""[..], b"\0", b"\0\x02x", b"\0\x01xy", b"\0\x01x\0\x01y"] {
        ends(&binary(message), None, Cause::Malformed);
    }
}

#[test]
fn a_close_is_answered_with_its_code() {
    ends(&control(Control::Close, &[0x0f, 0xa1, b'b', b'y', b'e']), 4001, Cause::PeerClosed);
    ends(&control(Control::Close, b""), NO_CODE, Cause::PeerClosed);
    let mut said = Vec::new();
    put_close(&mut said, 4001);
    put_close(&mut said, NO_CODE);
    assert_eq!(said, [0x88, 2, 0x0f, 0xa1, 0x88, 0]);
}

#[test]
fn of_a_flood_of_pings_the_last_is_answered() {
    let mut flood: Vec<u8> = (0..10_000u32).flat_map(|n| control(Control::Ping, &n.to_be_bytes())).collect();
    flood.extend(control(Control::Ping, &[9; 125]));
    let (_, pongs, result) = fed(&flood, flood.len(), 200);
    assert_eq!(result, Ok(()));
    assert!(pongs.len() < 2 * MAX_PONGS, "{}", pongs.len());
    assert!(pongs.starts_with(&[0x8a, 4, 0, 0, 0, 0]) && pongs.ends_with(&[9; 125]));
}

#[test]
fn what_is_sent_is_wrapped_in_place() {
    for (length, header) in
        [(1, &[0x82, 1][..]), (126, &[0x82, 126, 0, 126]), (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0])]
    {
        let mut out = b"before".to_vec();
        out.extend(vec![5; length]);
        wrap(&mut out, 6);
        assert_eq!(out, [b"before", header, &vec![5; length]].concat());
    }
}

#[test]
fn text_that_is_none_is_refused_with_the_fragment_that_shows_it() {
    // As Autobahn's cases 6.4.1 and 6.4.2 have it; the fragment that would end the message never comes.
    let good = "\0\u{14}κόσμε".as_bytes();
    for (first, second) in
        [(good, &b"\xf4\x90\x80\x80"[..]), (&b"\0\x14\xe2\x82"[..], b"a"), (b"\0", b"\xff")]
    {
        let fragments = [data(Data::Text, false, first), data(Data::Continue, false, second)].concat();
        ends(&fragments, 1007, Cause::Malformed);
    }
    ends(&data(Data::Text, true, b"\0\x01\xe2\x82"), 1007, Cause::Malformed);
}

#[test]
fn a_character_may_be_cut_by_the_borders_of_fragments() {
    let message = be16("aé€𝄞 ".as_bytes());
    let mut stream = data(Data::Text, false, b"");
    for byte in &message {
        stream.extend(data(Data::Continue, false, &[*byte]));
    }
    stream.extend(data(Data::Continue, true, b""));
    assert_eq!(fed(&stream, stream.len(), 200), (vec!["aé€𝄞 ".into()], Vec::new(), Ok(())));
}

#[test]
fn one_kind_of_message_alone_is_taken_where_it_is_asked_for() {
    let (binary, text) = (binary(&be16(b"x")), data(Data::Text, true, &be16(b"x")));
    let taken = |takes, stream: &[u8]| fed_to(takes, stream, stream.len(), 200).2.map_err(|end| end.code);
    for (takes, good, bad) in [(MessageKind::Binary, &binary, &text), (MessageKind::Text, &text, &binary)] {
        assert_eq!(taken(takes, good), Ok(()));
        assert_eq!(taken(takes, &bad[..6]), Err(Some(1003)), "as soon as the header is there");
        assert_eq!(taken(MessageKind::Either, bad), Ok(()));
    }
    let pinged =
        [data(Data::Binary, false, b"\0"), control(Control::Ping, b""), data(Data::Continue, true, b"\0")];
    assert_eq!(taken(MessageKind::Binary, &pinged.concat()), Ok(()));
}
