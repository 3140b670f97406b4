//! The whole-server bench: Portcullis beside a raw tokio echo server, in the same run.
//!
//! Absolute figures say more about a machine than about a server, so every figure here has a yardstick measured
//! seconds away: an echo server written straight on tokio ([`raw`]). Each round drives raw, inline and thread in
//! turn with one and the same load client, and the ratios are taken inside a round.
//!
//! ```text
//! cargo bench --bench server                       # everything, some eight minutes
//! cargo bench --bench server -- --quick            # does it still work? half a second each
//! cargo bench --bench server -- 100x32 churn       # these scenarios; any CxD is one
//! cargo bench --bench server -- --subject raw      # raw beside raw: the ratios ought to be 1
//! cargo bench --bench server -- --free             # no pinning: drivers may use both cores
//! ```
//!
//! | scenario | what happens |
//! |---|---|
//! | `1x1` | one connection, one request in flight: latency, mostly the wake-up of a sleeping server |
//! | `100x1` | 100 connections, one request each: one frame a read, the usual life of a game server |
//! | `100x32` | 100 connections, 32 requests each: many frames a read, where the server's own work shows |
//! | `churn` | connect, one frame, its reply, close: the price of a connection |
//! | `idle` | 10,000 silent connections: their memory, and the CPU of doing nothing |
//! | `msgserver-…` | requests of users of skynet's msgserver, whose answers are kept; `100x1`, `100x32` |
//! | `pomelo-tcp-…`, `pomelo-ws-…` | requests of Pomelo with a JSON body, to a handler of typed requests; `100x1`, `100x32` |
//! | `sysconn-…` | commands of the Erlang connector with a protobuf body, to a handler of typed requests; `100x1`, `100x8` |
//! | `idle-ws`, `idle-tls` | silent connections of Pomelo over WebSocket, over TLS |
//!
//! Each server is a child process (this binary with a hidden argument) on its own core; the client is this process on
//! another. Frames are a big-endian `u16` length and that many bytes, and a server returns each frame as it came. Of Pomelo,
//! raw returns each package as it came, cut by its head or by tungstenite ([`raw_ws`]); Portcullis reads its JSON, and
//! answers with the same values as JSON. Of the connector, raw returns each WebSocket message as it came.
//! Linux only: it reads `/proc` and waits on epoll.

mod args;
mod certificate;
mod child;
mod churn;
mod cores;
mod frames;
mod idle;
mod load;
mod peer;
mod plan;
mod portcullis;
mod proc;
mod raw;
mod raw_ws;
mod report;
mod round;
mod scenario;
mod socket;
mod subject;
mod users;
mod wire;

use std::io;

use clap::Parser;

use args::Args;

fn main() -> io::Result<()> {
    let args = Args::parse();
    match args.serve {
        Some(subject) => child::serve(subject, &args),
        None => plan::run(&args.settled()),
    }
}
