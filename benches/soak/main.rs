//! The soak: thousands of bots over all protocols, for as long as is asked, and whether the server is then as it was.
//!
//! A leak of a hundred bytes a connection is nothing to a test, and the end of a server after a week. Here bots come and go
//! all the time, log in, ask what they know the answer to, lose their connections and come back; among them are clients
//! that do whatever may hurt. Nothing of it may be left in the server.
//!
//! ```text
//! cargo xtask soak                             # 20 minutes, 3000 bots, 300 bad clients
//! cargo xtask soak --minutes 4320              # three days
//! cargo bench --bench soak -- --quick          # does it still work? 30 seconds, 200 bots
//! ```
//!
//! Resident memory is what is held and what the allocator keeps of what was freed. Where it grows, this tells one from the
//! other on glibc, which then gives back what it can:
//!
//! ```text
//! MALLOC_ARENA_MAX=1 MALLOC_MMAP_THRESHOLD_=65536 MALLOC_TRIM_THRESHOLD_=131072 cargo xtask soak
//! ```
//!
//! | who | does |
//! |---|---|
//! | good bots ([`life`], [`talk`]) | live for a minute on average, ask every one or two seconds, check each answer; leave politely, by a reset, or without a word. Those of accounts, of the msgserver and of the connector lose their connections, take over each other's, and come back with what was not answered |
//! | bad clients ([`bad`]) | do not read, declare lengths, send garbage, half handshakes, bytes one by one, bombs, wrong passwords and proofs, flood, reset; and every minute 80 of them want more than the budget holds |
//! | the server ([`house`]) | is the headless server, in a child process, from `server.toml`; it tells once a second what it holds |
//!
//! At the end there are tables over time, and verdicts: the last quarter beside the second, and what is left when everybody
//! has gone. The exit code is 0 when all hold. Ctrl-C ends it early, with the same report. Its own memory is bounded, however
//! long it runs. Linux only: it reads `/proc`.

mod args;
mod bad;
#[path = "../server/certificate.rs"]
mod certificate;
mod child;
mod dice;
mod house;
mod ledger;
mod life;
mod link;
#[expect(dead_code, reason = "the whole-server bench uses all of it")]
#[path = "../server/proc.rs"]
mod proc;
/// The headless server, as it is built into its binary.
#[expect(dead_code, unused_imports, reason = "the binary uses all of it, and its tests are not ours")]
#[path = "../../src"]
mod product {
    pub mod server;
}
mod report;
mod run;
mod sample;
mod shell;
mod talk;
mod tally;
mod trouble;
mod verdict;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;
use mimalloc::MiMalloc;

use args::Args;
use product::server;

/// That of the headless server.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(folder) = &args.serve {
        return house::serve(folder);
    }
    run::run(&args.settled()).unwrap_or_else(|error| {
        writeln!(io::stderr(), "soak: {error}").ok();
        ExitCode::FAILURE
    })
}
