//! Who leaves in another way than clients do.

use crate::{Client, House, Protocol, attacks, protocol::Protocol::*};
use portcullis::core::{Budget, Cause, Holding};
use portcullis_testkit::Carrier;

/// Those that have a socket of their own here.
pub const THERE: [Protocol; 8] =
    [Native, Sproto, Raw, Proxied, MsgServer, Pomelo(Carrier::Tcp), Pomelo(Carrier::WebSocket), Sysconn];

fn incomplete(house: &House) -> usize {
    house.server.world().resource::<Budget>().held(Holding::Incomplete)
}

attacks! {
    fn half_close(house) {
        for protocol in THERE {
            let mut client = Client::enter(house, protocol);
            let question = client.question();
            client.put(house, &question);
            client.socket().half_close();
            // What was asked before the end is answered.
            let mut answered = false;
            house.until(&format!("{protocol:?}: an answer behind the half close"), |_| {
                answered |= client.is_answered();
                answered
            });
            client.expect_closed(house, Cause::PeerClosed);
        }
    }

    fn reset_mid_frame(house) {
        for protocol in THERE {
            let mut client = Client::enter(house, protocol);
            let before = incomplete(house);
            let frame = client.wrap(&protocol.frame(&[b'x'; 100]));
            client.say_bytes(house, &frame[..50]);
            client.socket().reset();
            client.expect_closed(house, Cause::Reset);
            assert!(incomplete(house) <= before, "{protocol:?}");
        }
    }
}
