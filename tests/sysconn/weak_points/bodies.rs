//! Headers and bodies.

use crate::{
    over_sockets,
    sysconn::{
        Answer, Client, frame, request, response,
        server::{demo, strict, with, with_game},
    },
};
use flate2::{Compression, write::ZlibEncoder};
use portcullis::{
    core::{Cause, Clock},
    prelude::*,
    sysconn::{AppSysconnExt, Blacklist, ClientRecord, Offences, wire},
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};
use std::io::Write;

fn zlib(body: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A request with a body of this status.
fn of_status(status: u8, flag: u32, command: u16, body: &[u8]) -> Vec<u8> {
    let mut message = request(flag, command, body);
    message[2] = status;
    message
}

/// The body of an echo of so many bytes of x, all in all so many bytes long.
fn echo(total: usize) -> Vec<u8> {
    let (mut head, mut rest) = (vec![0x0a], total - 1);
    let digits = (1..5).find(|digits| rest - digits < 1 << (7 * digits)).unwrap();
    rest -= digits;
    for digit in 0..digits {
        let more = if digit + 1 < digits { 0x80 } else { 0 };
        head.push((rest >> (7 * digit)) as u8 & 0x7f | more);
    }
    head.resize(total, b'x');
    head
}

/// What nobody can read.
const BAD: &[u8] = b"\x0a\x05ab";

over_sockets! {
    /// (7) `DataSize` has 16 bits; the original drops a body of 65,536 bytes.
    fn the_frame_says_how_long_a_body_is(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        for total in [65_535, 65_536, 65_537, 131_072] {
            let body = echo(total);
            client.ask(&mut server, 1, 1190, &body, Answer::Body(&body));
        }
        let mismatches = |server: &TestServer, client: &Client| {
            server.world().get::<ClientRecord>(client.entity.unwrap()).unwrap().size_mismatches
        };
        assert_eq!(mismatches(&server, &client), 0);
        let mut odd = request(2, 1190, b"\x0a\x01x");
        odd[1] = 77;
        client.send(&mut server, &frame(&odd));
        assert_eq!(client.expect_message(&mut server), response(0, 2, 1190, b"\x0a\x01x"));
        // As the original: without a size there is no body.
        odd[1] = 0;
        client.send(&mut server, &frame(&odd));
        client.expect_silence(&mut server, "nothing is echoed");
        assert_eq!(mismatches(&server, &client), 2);
    }

    /// (8) 65 KB come out of the original's inflater as 64 MiB.
    fn a_body_that_inflates_to_too_much_is_stopped(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        let longest = echo(524_288);
        client.send(&mut server, &frame(&of_status(1, 1, 1190, &zlib(&longest))));
        assert_eq!(client.expect_message(&mut server), response(0, 1, 1190, &longest));
        client.send(&mut server, &frame(&of_status(1, 1, 1190, &zlib(&echo(524_289)))));
        client.expect_close(&mut server, 1007, "one byte too much");
        client.expect_cause(&mut server, Cause::Undecodable);
        // Nor do many small ones come to what one may not.
        let mut client = Client::logged_in(&mut server, "ann");
        let bomb = frame(&of_status(1, 1, 1190, &zlib(&echo(500_000))));
        client.send(&mut server, &bomb.repeat(20));
        let mut echoed = 0;
        while let Some(frame) = client.next_frame(&mut server).filter(|frame| frame[0] == 0x82) {
            echoed += frame.len();
        }
        assert!(!client.is_open() && echoed < 3 * 524_288, "{echoed} bytes");
    }

    /// (9) The original bans a role at once, for up to a year, and everybody who has not logged in too.
    fn bad_bodies_cost_the_connection_and_only_many_of_them_a_ban(server: TestServerBuilder) {
        let mut server = demo(server);
        let address = [127, 0, 0, 1].into();
        for bad in 1..=4 {
            let mut client = Client::logged_in(&mut server, "ann");
            client.send(&mut server, &frame(&request(1, 1190, BAD)));
            client.expect_close(&mut server, 1007, "nobody can read it");
            client.expect_cause(&mut server, Cause::Undecodable);
            let now = server.world().resource::<Clock>().now();
            assert_eq!(server.world().resource::<Offences>().of(address, now), bad);
        }
        let mut client = Client::upgraded(&mut server);
        client.send(&mut server, &frame(&request(9, 1002, b"\x0a\x03ann")));
        let notice = client.expect_message(&mut server);
        assert_eq!(wire::Response::read(&notice).unwrap().command, 1149);
        assert_eq!(client.expect_message(&mut server), response(45, 9, 1002, &[]));
        client.log_in(&mut server, "bob");
    }

    /// Part of 9.
    fn what_was_asked_before_a_bad_body_is_answered_and_nothing_behind_it(server: TestServerBuilder) {
        let mut server = demo(server);
        let good = frame(&request(1, 1190, b"\x0a\x01x"));
        for bad in [request(2, 1190, BAD), of_status(3, 2, 1190, b"\x0a\x01x"), of_status(1, 2, 1190, b"no zlib")] {
            let mut client = Client::logged_in(&mut server, "ann");
            client.send(&mut server, &[&good[..], &frame(&bad), &good, &frame(&bad)].concat());
            assert_eq!(client.expect_message(&mut server), response(0, 1, 1190, b"\x0a\x01x"));
            client.expect_close(&mut server, 1007, "nobody can read it");
        }
    }

    /// Part of 9.
    fn nobody_who_has_not_logged_in_is_banned(server: TestServerBuilder) {
        let mut server = strict(server);
        for _ in 0..5 {
            let mut client = Client::upgraded(&mut server);
            client.send(&mut server, &frame(&request(1, 1002, BAD)));
            client.expect_close(&mut server, 1007, "nobody can read it");
        }
        assert!(server.world().resource::<Blacklist>().is_empty());
        Client::logged_in(&mut server, "ann");
    }

    /// (15) The original logs in an account that is called "undefined", and never answers.
    fn a_field_that_is_missing_is_a_wrong_operation(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        for body in [&b""[..], b"\x78\x01", b"\x0a\0"] {
            client.ask(&mut server, 3, 1002, body, Answer::Error(5));
        }
        client.ask(&mut server, 4, 1003, b"\x10\x01", Answer::Error(10));
        client.ask(&mut server, 4, 1003, b"\x08\x01", Answer::Error(10));
        client.log_in(&mut server, "ann");
        client.ask(&mut server, 5, 1191, b"\x78\x01", Answer::Nothing);
    }

    /// (16) The original answers nothing.
    fn an_answer_that_cannot_be_written_is_an_error(server: TestServerBuilder) {
        let mut server = with_game(server, |plugin| plugin, |app| {
            app.add_command(1150, |_: Request<()>| 7_u32)
                .add_command(1151, |_: Request<()>| -> Raw { panic!("a handler that breaks") });
        });
        let mut client = Client::logged_in(&mut server, "ann");
        client.ask(&mut server, 0xdead_beef, 1150, &[], Answer::Error(1));
        client.ask(&mut server, 0xdead_beef, 1151, &[], Answer::Error(1));
        client.beat(&mut server);
        assert_eq!(server.world().get::<Traffic>(client.entity.unwrap()).unwrap().send_errors, 1);
    }
}

/// Part of 9: whoever sends too many is not let in for a while. Loopback is, so this needs another address.
#[test]
fn an_address_that_sends_too_many_bad_bodies_is_turned_away() {
    let mut server = with(TestServer::builder(), |plugin| plugin.offences(2));
    let listener = server.listeners::<portcullis::sysconn::SysconnListener>()[0];
    let (bad, good) = ([192, 0, 2, 7], [192, 0, 2, 8]);
    for _ in 0..3 {
        let mut client = server.connect_raw_from(listener, std::net::IpAddr::from(bad));
        client.send_bytes(&request(1, 1002, BAD));
        client.expect_closed(Cause::Undecodable);
    }
    server.connect_raw_from(listener, std::net::IpAddr::from(bad)).expect_closed(Cause::Refused);
    let mut other = server.connect_raw_from(listener, std::net::IpAddr::from(good));
    other.send_bytes(&request(1, 1098, &[]));
    other.expect_bytes(&response(0, 1, 1098, &[]));
    server.advance(std::time::Duration::from_secs(601));
    let mut again = server.connect_raw_from(listener, std::net::IpAddr::from(bad));
    again.send_bytes(&request(1, 1098, &[]));
    again.expect_bytes(&response(0, 1, 1098, &[]));
}
