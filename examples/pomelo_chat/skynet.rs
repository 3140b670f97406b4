//! The other side: skynet's protocol, sproto in 2-byte frames, and a small client of it in a terminal.

use portcullis::{
    prelude::*,
    skynet::sproto::{Host, Incoming, Schema, UNPACK_LIMIT, unpack},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use std::{
    io::{self, BufRead, Read, Write},
    net::TcpStream,
    sync::Arc,
    thread,
};

/// What clients ask, and what they hear.
const ASKED: &str = include_str!("c2s.sproto");
const HEARD: &str = include_str!("s2c.sproto");

/// The gate for these clients.
pub fn gate() -> SkynetPlugin {
    SkynetPlugin::sproto(ASKED, HEARD).expect("the schemas are sound")
}

#[derive(Serialize)]
struct Enter<'a> {
    username: &'a str,
    rid: &'a str,
}

#[derive(Serialize)]
struct Say<'a> {
    content: &'a str,
    target: &'static str,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Heard {
    msg: Option<String>,
    from: Option<String>,
    user: Option<String>,
}

/// Enters a room, prints what is heard there, and says what is typed.
pub fn chat(address: &str, name: &str, room: &str) -> AppExit {
    match try_chat(address, name, room) {
        Ok(()) => AppExit::Success,
        Err(error) => {
            println!("{address}: {error}");
            AppExit::error()
        }
    }
}

fn try_chat(address: &str, name: &str, room: &str) -> io::Result<()> {
    let asked = Arc::new(Schema::parse(ASKED).map_err(io::Error::other)?);
    let heard = Schema::parse(HEARD).map_err(io::Error::other)?;
    let client = Host::new(heard, Arc::clone(&asked)).map_err(io::Error::other)?;
    let mut socket = TcpStream::connect(address)?;
    let mut listening = socket.try_clone()?;
    socket.write_all(&request(&client, &asked, "enter", 1, &Enter { username: name, rid: room })?)?;
    let host = client.clone();
    thread::spawn(move || while listen(&mut listening, &host).is_ok() {});
    for (line, session) in io::stdin().lock().lines().zip(2..) {
        let say = Say { content: &line?, target: "*" };
        socket.write_all(&request(&client, &asked, "send", session, &say)?)?;
    }
    Ok(())
}

fn request(
    client: &Host,
    asked: &Schema,
    protocol: &str,
    session: i64,
    body: &impl Serialize,
) -> io::Result<Vec<u8>> {
    let protocol = asked.protocol_named(protocol).ok_or_else(|| io::Error::other("no such protocol"))?;
    let (mut scratch, mut payload) = (Vec::new(), Vec::new());
    client
        .encode_request(protocol, Some(session), &(), body, &mut scratch, &mut payload)
        .map_err(io::Error::other)?;
    let length = u16::try_from(payload.len()).map_err(io::Error::other)?;
    Ok([&length.to_be_bytes(), &payload[..]].concat())
}

fn listen(socket: &mut TcpStream, client: &Host) -> io::Result<()> {
    let mut length = [0; 2];
    socket.read_exact(&mut length)?;
    let mut frame = vec![0; usize::from(u16::from_be_bytes(length))];
    socket.read_exact(&mut frame)?;
    let mut message = Vec::new();
    unpack(&frame, &mut message, UNPACK_LIMIT).map_err(io::Error::other)?;
    let Incoming::Request { protocol, body, .. } = client.read(&message).map_err(io::Error::other)? else {
        return Ok(());
    };
    let push = client.incoming().protocols().find(|(id, _)| *id == protocol).map(|(_, known)| known.name());
    let body = client.request_body(protocol, body).map_err(io::Error::other)?;
    match push {
        Some("onChat" | "onAdd" | "onLeave") => {
            let heard = Heard::deserialize(body).map_err(io::Error::other)?;
            match (push, heard) {
                (Some("onChat"), Heard { msg, from, .. }) => {
                    println!("{}: {}", from.unwrap_or_default(), msg.unwrap_or_default());
                }
                (Some("onAdd"), Heard { user, .. }) => println!("{} came", user.unwrap_or_default()),
                (_, Heard { user, .. }) => println!("{} went", user.unwrap_or_default()),
            }
        }
        _ => {
            IgnoredAny::deserialize(body).map_err(io::Error::other)?;
        }
    }
    Ok(())
}
