//! What the tests of the Erlang connector have in common: the demo's server, a client that speaks bytes, and the recorded
//! conversations.

#![allow(dead_code, reason = "each test file uses its part of it")]

mod client;
pub mod flow;
mod frames;
pub mod late;
pub mod peer;
mod replay;
pub mod server;

#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use client::{Answer, Client, UPGRADE};
#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use frames::{MASK, bytes, close, frame, masked, messages_in, payload, request, response};
#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use replay::{Apart, Before, Ours, Table, replay};

/// The same test over sockets under either driver: `inline` and `thread`, in a module of the function's name.
#[macro_export]
macro_rules! over_sockets {
    ($($(#[$meta:meta])* fn $name:ident($builder:ident: $type:ty) $body:block)+) => {
        $($(#[$meta])*
        mod $name {
            use super::*;

            fn run($builder: $type) $body

            #[test]
            fn inline() {
                run(TestServer::builder().transport(Transport::ALL[1]));
            }

            #[test]
            fn thread() {
                run(TestServer::builder().transport(Transport::ALL[2]));
            }
        })+
    };
}
