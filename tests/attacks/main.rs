//! One named test for each attack of `docs/robustness.md`, against a server with every protocol's listener, over real
//! sockets and under both drivers.
//!
//! Whatever was tried, [`House::attacked`] looks at the same things afterwards: who was there before is served as if
//! nothing had happened, newcomers of every protocol are let in, and when all have left nothing is held for anybody. What
//! an attack costs the attacker is its test's to say.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]
#![cfg(all(target_os = "linux", feature = "accounts"))]

mod bodies;
mod client;
mod document;
mod ends;
mod floods;
mod game;
mod handlers;
mod house;
mod keys;
mod process;
mod protocol;
mod reading;
#[path = "../skynet/mod.rs"]
mod skynet;
mod slow;
mod socket;
#[path = "../sysconn/frames.rs"]
#[allow(dead_code, reason = "each test binary uses its part of it")]
mod sysconn_frames;
#[path = "../sysconn/late.rs"]
mod sysconn_late;
mod takeovers;

use client::Client;
use house::House;
use protocol::{ALL, Protocol};
use socket::Socket;

/// Each function is an attack on a [`House`], and two tests: `inline` and `thread`, the drivers of its sockets, in a
/// module of the function's name.
#[macro_export]
macro_rules! attacks {
    ($($(#[$meta:meta])* fn $name:ident($house:ident) $body:block)+) => {
        $($(#[$meta])*
        mod $name {
            use super::*;

            fn attack($house: &mut $crate::House) $body

            #[test]
            fn inline() {
                $crate::House::attacked($crate::House::inline(), attack);
            }

            #[test]
            fn thread() {
                $crate::House::attacked($crate::House::thread(), attack);
            }
        })+
    };
}
