//! Too much of it, in either direction.

use crate::{
    over_sockets,
    sysconn::{
        Answer, Client, frame, request, response,
        server::{demo, with},
    },
};
use portcullis::{
    core::{Cause, OutboxLimit},
    prelude::*,
    sysconn::{Pushes, SysconnListener, SysconnPlugin, wire::Response},
};
use portcullis_testkit::{Carrier, Fact, RawClient, TestServer, TestServerBuilder, Transport};

fn limited(plugin: SysconnPlugin) -> SysconnPlugin {
    plugin.with(|listener| {
        listener.insert(OutboxLimit(256 * 1024));
    })
}

/// Pushes so many notices of 1 KiB, numbered, in one run.
fn push(server: &mut TestServer, client: &RawClient, count: usize) {
    let connection = client.entity();
    server.run_system_once(move |mut pushes: Pushes| {
        for number in 0..count {
            pushes.notice(connection, format!("{number:01024}"));
        }
    });
}

/// The numbers of the notices in what has come, where all of them are whole.
fn numbers(mut come: &[u8]) -> Vec<usize> {
    let mut numbers = Vec::new();
    while let Some(notice) = come.get(..11 + 1027) {
        let text = std::str::from_utf8(&Response::read(notice).unwrap().body[3..]).unwrap();
        numbers.push(text.parse().unwrap());
        come = &come[notice.len()..];
    }
    numbers
}

fn connect(server: &mut TestServer) -> RawClient {
    let listener = server.listeners::<SysconnListener>()[0];
    server.connect_over(listener, Carrier::WebSocket)
}

over_sockets! {
    /// (13) The original drops what does not fit, counts it, and goes on as if nothing were missing.
    fn who_does_not_read_is_closed_and_misses_nothing_between(server: TestServerBuilder) {
        let mut server = with(server, limited);
        let (mut stuck, mut reader) = (connect(&mut server), connect(&mut server));
        stuck.stop_reading();
        for _ in 0..40 {
            if server.closed(stuck.entity()).is_none() {
                push(&mut server, &stuck, 200);
            }
            push(&mut server, &reader, 100);
        }
        stuck.expect_closed(Cause::SlowConsumer);
        let heard = numbers(&stuck.read());
        // In rounds of 200, without a gap.
        assert!(heard.iter().enumerate().all(|(at, &number)| number == at % 200), "{heard:?}");
        // Whoever reads is told all of it, in order.
        let heard = numbers(&reader.read());
        assert!(heard.len() == 4000 && heard.iter().enumerate().all(|(at, &number)| number == at % 100));
        assert!(reader.is_open());
    }

    /// (22) The original looks every two minutes, and only where a role is.
    fn the_limit_of_what_waits_is_looked_at_when_it_is_written(server: TestServerBuilder) {
        let mut server = with(server, limited);
        let mut stuck = connect(&mut server);
        stuck.stop_reading();
        server.advance(std::time::Duration::from_secs(5));
        let now = server.now();
        // More than the kernel takes, at once, and nobody has logged in.
        push(&mut server, &stuck, 20_000);
        let connection = stuck.entity();
        let closing = server.history().iter().find(|entry| {
            entry.connection == connection && matches!(entry.fact, Fact::Closing(Cause::SlowConsumer))
        }).map(|entry| entry.at);
        assert_eq!(closing, Some(now));
    }

    /// (21) The original leaves it to Nagle, and to a delayed send.
    fn what_one_run_says_leaves_at_once_and_together(server: TestServerBuilder) {
        let mut server = demo(server);
        let listener = server.listeners::<SysconnListener>()[0];
        assert!(server.world().get::<Listener>(listener).unwrap().nodelay);
        let mut client = Client::logged_in(&mut server, "ann");
        let asked: Vec<u8> = (0..50).flat_map(|flag| frame(&request(flag, 1190, b"\x0a\x01x"))).collect();
        client.send(&mut server, &asked);
        for flag in 0..50 {
            assert_eq!(client.expect_message(&mut server), response(0, flag, 1190, b"\x0a\x01x"));
        }
    }
}

/// (14) The original reads as fast as a client sends, into a queue that has no end. Here the socket is not read while the
/// world is behind, so that the client has to wait.
#[test]
fn who_asks_faster_than_the_world_answers_is_not_read() {
    let mut server = demo(TestServer::builder().transport(Transport::ALL[2]));
    let mut client = Client::logged_in(&mut server, "ann");
    // A field that no heartbeat has: the answers are short, and are read late.
    let body = [&b"\x7a\x80\xf0\x03"[..], &[b'x'; 63_488]].concat();
    let asked = frame(&request(1, 1098, &body));
    // The world does not run meanwhile, and 64 MiB are more than the kernel's buffers.
    let taken = client.press(&asked, 64 << 20);
    assert!(taken < 48 << 20, "{taken} bytes were taken");
    assert!(taken > asked.len());
    for _ in 0..taken / asked.len() {
        assert_eq!(client.expect_message(&mut server), response(0, 1, 1098, &[]));
    }
    assert!(client.is_open());
}

/// A small generator of noise: `SplitMix64`.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, most: u64) -> Vec<u8> {
        (0..self.below(most)).map(|_| self.next() as u8).collect()
    }

    /// Mostly a message of the protocol, and mostly a wrong one.
    fn message(&mut self) -> Vec<u8> {
        let commands = [1002, 1003, 1004, 1098, 1137, 1190, 1191, 1500, 0, u16::MAX];
        let command = commands[self.below(commands.len() as u64) as usize];
        let body = match self.below(4) {
            0 => Vec::new(),
            1 => b"\x0a\x03ann".to_vec(),
            _ => self.bytes(40),
        };
        let mut message = request(self.next() as u32, command, &body);
        match self.below(8) {
            0 => message[2] = self.below(5) as u8,
            1 => message[1] = self.next() as u8,
            2 => message.truncate(self.below(12) as usize),
            3 => message = self.bytes(60),
            _ => {}
        }
        message
    }
}

over_sockets! {
    /// Part of 9 to 11: whatever comes costs who sent it, and nobody else.
    fn noise_harms_nobody_else(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut good = Client::logged_in(&mut server, "good");
        let mut noise = Noise(4711);
        for round in 0..150 {
            let mut bad = Client::upgraded(&mut server);
            if round % 2 == 0 {
                bad.log_in(&mut server, &format!("bad-{round}"));
            }
            let mut said: Vec<u8> = (0..noise.below(12)).flat_map(|_| frame(&noise.message())).collect();
            if round % 3 == 0 {
                said.extend(noise.bytes(200));
            }
            bad.send(&mut server, &said);
            bad.leave(&mut server);
            if round % 10 == 0 {
                good.ask(&mut server, round, 1190, b"\x0a\x01x", Answer::Body(b"\x0a\x01x"));
            }
        }
        assert_eq!(server.errors(), Vec::<String>::new());
    }
}
