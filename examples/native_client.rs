//! A client of the demo server's own protocol: it asks for an echo, says something, and listens for a while.
//!
//! Start the server by `cargo run --release`, then, in one or two other terminals:
//!
//! ```text
//! cargo run --example native_client -- ann "hello, all"
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    demo::chat::{ECHO, Echo, Heard, SAID, SAY, Said, Say, manifest},
    native::{ClientError, client::blocking::Client},
};
use std::{env, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "ann".to_owned());
    let text = arguments.next().unwrap_or_else(|| "hello".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    match chat(&address, name, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chat(address: &str, name: String, text: String) -> Result<(), ClientError> {
    let mut client = Client::connect(address, &manifest())?;
    let echo: Echo = client.request(ECHO, &Echo { text: text.clone() })?;
    println!("the server echoes {:?}", echo.text);
    let heard: Heard = client.request(SAY, &Say { name, text })?;
    println!("heard by {}; listening for ten seconds", heard.by);
    while let Some(push) = client.next_push(Duration::from_secs(10))? {
        if &*push.route == SAID {
            let Said { name, text } = push.decode()?;
            println!("{name}: {text}");
        }
    }
    client.close();
    Ok(())
}
