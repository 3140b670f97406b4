//! The smallest server: frames come back as they came.
//!
//! `cargo run --example echo`, then poke at it; a frame is a 16-bit big-endian length and the payload:
//!
//! ```text
//! printf '\0\005hello' | nc -q1 127.0.0.1 7000 | xxd
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::prelude::*;

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin))
        .add_plugins(SkynetPlugin::raw("echo").listen("127.0.0.1:7000"))
        .add_raw_handler("echo", echo)
        .add_systems(Startup, || println!("echo: printf '\\0\\005hello' | nc -q1 127.0.0.1 7000 | xxd"))
        .run()
}

fn echo(request: RawRequest) {
    request.reply.extend_from_slice(request.body);
}
