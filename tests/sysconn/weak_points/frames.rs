//! Frames of WebSocket.

use crate::{
    over_sockets,
    sysconn::{
        Answer, Client, MASK, bytes, close, frame, masked, request, response,
        server::{demo, seconds, with},
    },
};
use portcullis::core::Cause;
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};

/// A client's header of a binary message, and nothing behind it.
fn declaring(length: u64) -> Vec<u8> {
    [&[0x82, 0x80 | 127], &length.to_be_bytes()[..], &MASK].concat()
}

/// The default of the longest message.
const LONGEST: usize = 524_288;

over_sockets! {
    /// (2) The original takes the first for a message, and never reads on behind the second.
    fn fragments_are_joined_with_control_frames_between_them(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        let message = request(7, 1190, b"\x0a\x05hello");
        for cut in 0..message.len() {
            client.send(&mut server, &masked(0x02, &message[..cut]));
            client.send(&mut server, &masked(0x89, b"between"));
            client.expect(&mut server, b"\x8a\x07between", "the pong");
            client.send(&mut server, &masked(0x00, &[]));
            client.expect_silence(&mut server, "it is not whole");
            client.send(&mut server, &masked(0x80, &message[cut..]));
            assert_eq!(client.expect_message(&mut server), response(0, 7, 1190, b"\x0a\x05hello"));
        }
        // Together they are no longer than a message may be.
        let third = vec![0; LONGEST / 3];
        for first in [0x02, 0, 0] {
            client.send(&mut server, &masked(first, &third));
        }
        client.send(&mut server, &masked(0, &third)[..14]);
        client.expect_close(&mut server, 1009, "the header of the fourth tells it");
    }

    /// (3) Each of them kills a connection of the original.
    fn pings_are_answered_pongs_passed_over_and_closes_closed(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        client.send(&mut server, &masked(0x89, b"are you there"));
        client.expect(&mut server, &[&b"\x8a\x0d"[..], b"are you there"].concat(), "the pong");
        client.send(&mut server, &masked(0x8a, b"nobody asked"));
        client.beat(&mut server);
        client.send(&mut server, &masked(0x88, &4321_u16.to_be_bytes()));
        client.expect_close(&mut server, 4321, "its own code");
        client.expect_cause(&mut server, Cause::PeerClosed);
        let mut other = Client::upgraded(&mut server);
        other.send(&mut server, &masked(0x88, &[]));
        other.expect(&mut server, b"\x88\0", "no code for none");
        other.expect_end(&mut server, "then the end");
    }

    /// Part of 3.
    fn control_frames_are_signs_of_life_and_no_login(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        for _ in 0..6 {
            server.advance(seconds(49));
            client.send(&mut server, &masked(0x89, &[]));
            client.expect(&mut server, b"\x8a\0", "it is there");
        }
        server.advance(seconds(5));
        client.expect_silence(&mut server, "299 seconds");
        server.advance(seconds(2));
        client.expect_close(&mut server, 1008, "301 seconds");
        client.expect_cause(&mut server, Cause::LoginTimeout);
    }

    /// Part of 2 and 6: each piece begins the original's minute anew.
    fn a_message_that_never_ends_is_silence(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut trickle, mut pieces) = (Client::upgraded(&mut server), Client::upgraded(&mut server));
        trickle.send(&mut server, &declaring(4000));
        pieces.send(&mut server, &masked(0x02, b"a"));
        for _ in 0..5 {
            server.advance(seconds(11));
            trickle.send(&mut server, b"x");
            pieces.send(&mut server, &masked(0x00, b"a"));
        }
        trickle.expect_silence(&mut server, "55 seconds");
        pieces.expect_silence(&mut server, "55 seconds");
        server.advance(seconds(6));
        for client in [&mut trickle, &mut pieces] {
            client.expect_close(&mut server, 1008, "no message has come");
            client.expect_cause(&mut server, Cause::Idle);
        }
    }

    /// (4) The original reads neither FIN, nor RSV, nor the mask's bit.
    fn rsv_bits_and_frames_without_a_mask_break_the_protocol_and_long_lengths_do_not(server: TestServerBuilder) {
        let mut server = demo(server);
        let beat = request(3, 1098, &[]);
        let unmasked = [&[0x82, 9], &beat[..]].concat();
        for broken in [masked(0xc2, &beat), masked(0xa2, &beat), masked(0x92, &beat), unmasked, masked(0x80, &beat)] {
            let mut client = Client::upgraded(&mut server);
            client.send(&mut server, &broken);
            client.expect_close(&mut server, 1002, "it is broken");
            client.expect_cause(&mut server, Cause::Malformed);
        }
        let mut client = Client::upgraded(&mut server);
        for head in ["82fe0009", "82ff0000000000000009"] {
            client.send(&mut server, &[&bytes(head)[..], &frame(&beat)[2..]].concat());
            assert_eq!(client.expect_message(&mut server), response(0, 3, 1098, &[]));
        }
    }

    /// (5) The original closes without a word.
    fn text_is_refused_as_such(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        client.send(&mut server, &masked(0x81, &request(3, 1098, &[])));
        client.expect_close(&mut server, 1003, "no text is spoken here");
    }

    /// (6) The original compares its limit with seven bits, and takes 64 MiB at once because somebody said so.
    fn a_message_too_long_is_refused_by_its_header(server: TestServerBuilder) {
        let mut server = demo(server);
        for declared in [LONGEST as u64 + 17, 60 << 20, (1 << 32) - 4, 1 << 63, u64::MAX] {
            let mut client = Client::logged_in(&mut server, "ann");
            client.send(&mut server, &declaring(declared));
            client.expect_close(&mut server, 1009, "nothing is waited for");
            client.expect_cause(&mut server, Cause::FrameTooLarge);
        }
        let mut client = Client::logged_in(&mut server, "ann");
        let head = b"\x0a\xf3\xff\x1f";
        let body = [&head[..], &vec![b'x'; LONGEST - 9 - head.len()]].concat();
        client.ask(&mut server, 1, 1190, &body, Answer::Body(&body));
        client.send(&mut server, &frame(&vec![0; LONGEST + 1]));
        client.expect_close(&mut server, 1009, "one byte too long");
    }

    /// Part of 6.
    fn the_longest_message_is_a_setting_and_strangers_have_less(server: TestServerBuilder) {
        let mut server = with(server, |plugin| plugin.max_message(6000));
        let mut client = Client::upgraded(&mut server);
        client.send(&mut server, &declaring(4096 + 17));
        client.expect_close(&mut server, 1009, "before the login");
        let mut client = Client::logged_in(&mut server, "ann");
        let body = [&b"\x0a\x85\x27"[..], &[b'x'; 4997]].concat();
        client.ask(&mut server, 0, 1190, &body, Answer::Body(&body));
        client.send(&mut server, &declaring(6017));
        client.expect_close(&mut server, 1009, "behind it");
    }

    /// (24) The original resets a connection with unread bytes, and what it said last is lost.
    fn last_words_arrive_though_much_was_not_read(server: TestServerBuilder) {
        let mut server = demo(server);
        for _ in 0..5 {
            let mut client = Client::upgraded(&mut server);
            let beats = frame(&request(1, 1098, &[])).repeat(10);
            let junk = vec![0xa5; 300_000];
            client.send(&mut server, &[beats, masked(0x81, b"text"), junk].concat());
            let rest = (0..10).map(|_| client.expect_message(&mut server)).collect::<Vec<_>>();
            assert!(rest.iter().all(|message| *message == response(0, 1, 1098, &[])));
            client.expect(&mut server, &close(1003), "why");
            client.expect_end(&mut server, "no reset");
        }
    }
}
