//! A client of the demo server's own protocol: it asks for an echo, says something, and listens for a while.
//!
//! Start the server by `cargo run --release`, then, in one or two other terminals:
//!
//! ```text
//! cargo run --example native_client -- ann "hello, all"
//! ```
//!
//! Where clients log in, as with `--config assets/accounts.toml`, it wants an address and a password too. The first time it
//! makes the account. It does not encrypt them: over a network, let a proxy on its side do that.
//!
//! ```text
//! cargo run --example native_client -- ann "hello, all" 127.0.0.1:4000 "correct horse"
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    demo::chat::{ECHO, Echo, Heard, SAID, SAY, Said, Say, manifest},
    native::{ClientError, Credentials, client::blocking::Client},
    prelude::Refusal,
};
use std::{env, process::ExitCode, time::Duration};

fn main() -> ExitCode {
    let mut arguments = env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "ann".to_owned());
    let text = arguments.next().unwrap_or_else(|| "hello".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:4000".to_owned());
    let credentials = arguments.next().map(|password| Credentials::new(name.clone(), password));
    match chat(&address, credentials.as_ref(), name, text) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("{address}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn chat(
    address: &str,
    credentials: Option<&Credentials>,
    name: String,
    text: String,
) -> Result<(), ClientError> {
    let mut client = match credentials {
        Some(credentials) => log_in(address, credentials)?,
        None => Client::connect(address, &manifest())?,
    };
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

/// Most often the account is there already. If not, it is made; where that fails too, the first answer is the true one.
fn log_in(address: &str, credentials: &Credentials) -> Result<Client, ClientError> {
    let mut client = Client::connect(address, &manifest().with_login())?;
    match client.log_in(credentials) {
        Err(error) if error.code() == Some(Refusal::UNAUTHORIZED) => {
            match client.register(credentials) {
                Err(refused) if matches!(refused.code(), Some(Refusal::CONFLICT | Refusal::FORBIDDEN)) => {
                    return Err(error);
                }
                registered => registered?,
            }
            println!("registered, and logged in");
        }
        logged_in => {
            logged_in?;
            println!("logged in");
        }
    }
    Ok(client)
}
