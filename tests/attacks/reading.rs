//! Who asks, and does not take the answers.

use crate::{
    Client, House, Protocol, attacks, client::sysconn_request, game::BACK, protocol::*, skynet::request,
};
use Protocol::{MsgServer, Native, Pomelo, Proxied, Raw, Sysconn};
use portcullis::{
    core::{Budget, Cause, Holding},
    demo::chat::{ECHO, Echo},
};
use portcullis_testkit::Carrier;

const TALKATIVE: [Protocol; 7] =
    [Native, Raw, Proxied, MsgServer, Pomelo(Carrier::Tcp), Pomelo(Carrier::WebSocket), Sysconn];
/// The unsent bytes of a connection, as in the built-in configuration.
const OUTBOX: usize = 1024 * 1024;

/// What is answered with as much.
fn long_question(client: &mut Client, n: u32) -> Vec<u8> {
    let text = "x".repeat(60_000);
    match client.protocol {
        Native => {
            // An honest client of ours would keep no more than this.
            client.codec.set_keep(None);
            let mut out = Vec::new();
            client.codec.request(&mut out, ECHO, &Echo { text }).unwrap();
            out
        }
        MsgServer => request(n, text.as_bytes()),
        Pomelo(_) => pomelo_request(1, BACK, format!(r#"{{"text":"{text}"}}"#).as_bytes()),
        Sysconn => sysconn_request(7, 1190, &field(0x0a, &text)),
        _ => be16(text.as_bytes()),
    }
}

/// A field of protobuf's, with a length of three bytes.
fn field(tag: u8, text: &str) -> Vec<u8> {
    let length = text.len();
    let head = [tag, (length & 0x7f) as u8 | 0x80, (length >> 7 & 0x7f) as u8 | 0x80, (length >> 14) as u8];
    [&head, text.as_bytes()].concat()
}

/// Asks on and on, and does this each time, until the connection is over.
#[track_caller]
fn presses(house: &mut House, protocol: Protocol, mut each: impl FnMut(&mut House, &mut Client)) {
    let mut client = Client::enter(house, protocol);
    client.socket().be_deaf();
    for n in 0..2000 {
        let question = long_question(&mut client, n);
        let question = client.wrap(&question);
        let mut rest = &question[..];
        // What the kernel does not take waits until the server has read what came before.
        while !rest.is_empty() && !client.socket().is_closed_by(house) {
            rest = &rest[client.socket().push(rest)..];
            house.server.step();
        }
        each(house, &mut client);
        // Of memory, that is: one buffer is written while another fills, and both grow by doubling.
        let held = house.server.world().resource::<Budget>().held(Holding::Outgoing);
        assert!(held <= 4 * OUTBOX, "{protocol:?}: {held} bytes are held for it");
        if client.socket().is_closed_by(house) {
            break;
        }
    }
    client.expect_closed(house, Cause::SlowConsumer);
    drop(client);
    house.until("nothing is held for it", |server| {
        server.world().resource::<Budget>().held(Holding::Outgoing) == 0
    });
}

attacks! {
    fn never_reads(house) {
        for protocol in TALKATIVE {
            presses(house, protocol, |_, _| {});
        }
    }

    fn reads_one_byte_a_second(house) {
        for protocol in TALKATIVE {
            presses(house, protocol, |_, client| client.socket().read_most(1));
        }
    }
}
