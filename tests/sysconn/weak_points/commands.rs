//! Commands that nobody has, or that come too early.

use crate::{
    over_sockets,
    sysconn::{
        Answer, Client, frame, request,
        server::{demo, with},
    },
};
use portcullis::{
    core::{Cause, Traffic},
    dispatch::Routes,
    sysconn::ClientRecord,
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};

over_sockets! {
    /// (10) Each unknown command makes an atom that is never given back, and with a body it costs a ban.
    fn unknown_commands_leave_nothing_behind(server: TestServerBuilder) {
        let mut server = with(server, |plugin| plugin.bad_requests(u64::MAX));
        let mut client = Client::logged_in(&mut server, "ann");
        let routes = |server: &TestServer| server.world().resource::<Routes>().iter().count();
        let before = routes(&server);
        for thousand in (0..=u16::MAX).step_by(1000) {
            let commands = (0..1000).map_while(|command| thousand.checked_add(command));
            // A field that no message has.
            let said: Vec<u8> = commands.flat_map(|command| frame(&request(1, command, b"\x78\x01"))).collect();
            client.send(&mut server, &said);
            client.rest(&mut server);
        }
        client.beat(&mut server);
        assert_eq!(routes(&server), before);
    }

    /// (11) They crash the connection there, or the role.
    fn a_command_that_nobody_has_costs_a_refusal(server: TestServerBuilder) {
        let mut server = with(server, |plugin| plugin.bad_requests(u64::MAX));
        let mut client = Client::logged_in(&mut server, "ann");
        for command in [0, 900, 999, 2100, u16::MAX, 1499, 1599, 1699, 2000] {
            for body in [&b""[..], b"\x08\x01", b"\xff\xff"] {
                client.ask(&mut server, 7, command, body, Answer::Error(5));
            }
        }
        // Modules may be silent, or have a number of their own for it.
        for (command, answer) in [(1299, Answer::Nothing), (1199, Answer::Nothing), (1799, Answer::Error(1))] {
            client.ask(&mut server, 7, command, &[], answer);
        }
        client.ask(&mut server, 7, 1190, b"\x0a\x01x", Answer::Body(b"\x0a\x01x"));
    }

    /// Part of 11: the original's limit of ten, which it never reaches.
    fn ten_bad_requests_are_borne_and_one_more_is_not(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        for _ in 0..10 {
            client.ask(&mut server, 7, 900, &[], Answer::Error(5));
        }
        assert_eq!(server.world().get::<Traffic>(client.entity.unwrap()).unwrap().bad_requests, 10);
        client.send(&mut server, &frame(&request(7, 900, &[])));
        assert_eq!(client.expect_message(&mut server)[..2], [0, 5]);
        client.expect_close(&mut server, 1008, "enough");
        client.expect_cause(&mut server, Cause::Abuse);
    }

    /// (12) The original drops as many as come.
    fn commands_before_the_login_are_dropped_but_not_for_ever(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::upgraded(&mut server);
        let early = frame(&request(7, 1190, b"\x0a\x01x"));
        client.send(&mut server, &early.repeat(100));
        client.expect_silence(&mut server, "nothing is answered");
        assert_eq!(server.world().get::<ClientRecord>(client.entity.unwrap()).unwrap().early, 100);
        client.beat(&mut server);
        client.send(&mut server, &early);
        client.expect_close(&mut server, 1008, "one too many");
        client.expect_cause(&mut server, Cause::Abuse);
    }
}
