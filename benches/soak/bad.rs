//! Bad clients: they come and go for the whole soak, and the server owes them nothing. What they hear is not looked at.

use std::{io::Write, rc::Rc, time::Duration};

use flate2::{Compression, write::ZlibEncoder};
use portcullis::{
    core::Framing,
    demo::chat::ECHO,
    native::{ClientCodec, wire::ClientFrame},
    pomelo::wire::package::{FRAMING, Kind as Package},
    session::Credentials,
    skynet::{
        login::wire::{Client as LoginClient, Token},
        msgserver::wire::{Handshake, Username},
    },
    sysconn::{
        prost::Message,
        wire::{
            Request, Size, Status, commands,
            messages::{LoginAccount, LoginAnswer, Reconnect},
        },
    },
};
use tokio::{task::spawn_local, time::sleep};

use crate::{
    dice::Dice,
    link::{Carrier, Link, UPGRADE, write_message},
    shell::{SAMPLE, Shell, door},
    talk::{pomelo, sysconn},
    trouble::Trouble,
};

/// How long a bad client keeps at it, at most: longer than any deadline that is to end it but for idling.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one that says nothing waits for its end: a minute of idling, and some.
const IDLE: Duration = Duration::from_secs(75);
/// How long it waits until it does the next thing.
const BETWEEN: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];
/// How often a wave of clients comes that do not read; sooner in a short soak.
const WAVES: Duration = Duration::from_secs(60);
/// Bytes that each of a wave asks for: just below what closes it alone.
const UNREAD: usize = 15 * 60_000;
/// Clients of a wave: together they ask for more than the server's budget of 64 MiB.
const WAVE: usize = 80;
/// What a bomb inflates to, in bytes: it is 3 KiB itself, for a stranger may send no more than 4.
const INFLATED: usize = 3 << 20;
/// Names that wrong passwords are tried with: more than are remembered.
const NAMES: usize = 20_000;

/// All doors, and what cuts what comes through them into frames.
const DOORS: [&str; 9] = [
    door::NATIVE,
    door::MEMBERS,
    door::SPROTO,
    door::RAW,
    door::LOGIN,
    door::MSGSERVER,
    door::POMELO,
    door::POMELO_TLS,
    door::SYSCONN,
];

/// Does one bad thing after the other.
pub async fn misbehave(shell: Rc<Shell>, number: usize) {
    let mut dice = Dice::new(shell.seed, !(number as u64));
    while !shell.is_over() {
        shell.pause(dice.between(BETWEEN[0], BETWEEN[1])).await;
        let name = one_thing(&shell, &mut dice).await;
        shell.tally.borrow_mut().did(name);
    }
}

async fn one_thing(shell: &Shell, dice: &mut Dice) -> &'static str {
    // How it ends is the server's to say: an error is as good as any.
    let (name, _) = match dice.below(16) {
        0 => ("never reads", never_reads(shell, PATIENCE).await),
        1 => ("reads a byte a second", reads_slowly(shell).await),
        2 => ("declares a length and no more", declares(shell, dice).await),
        3 => ("garbage", garbage(shell, dice).await),
        4 => ("half a handshake", half_handshake(shell, dice).await),
        5 => ("a byte at a time", slow_bytes(shell, dice).await),
        6 => ("pings without end", pings(shell, dice).await),
        7 => ("connects and waits", waits(shell, dice).await),
        8 => ("a wrong password", wrong_password(shell, dice).await),
        9 => ("a forged ticket", forged_ticket(shell, dice).await),
        10 => ("a wrong proof", wrong_proof(shell, dice).await),
        11 => ("a guessed secret", guessed_secret(shell, dice).await),
        12 => ("a zlib bomb", zlib_bomb(shell, dice).await),
        13 => ("resets in a frame", resets_in_a_frame(shell, dice).await),
        14 => ("deep JSON", deep_json(shell).await),
        _ => ("a flood of connections", flood(shell, dice).await),
    };
    name
}

/// Again and again so many clients at once that do not read that the server has no room for all they ask for.
pub async fn waves(shell: Rc<Shell>, soak: Duration) {
    loop {
        shell.pause(WAVES.min(soak / 3)).await;
        if shell.is_over() {
            return;
        }
        for _ in 0..WAVE {
            let shell = Rc::clone(&shell);
            spawn_local(async move {
                let _ = never_reads(&shell, Duration::from_secs(12)).await;
                shell.tally.borrow_mut().did("never reads, in a wave");
            });
        }
    }
}

/// A plain connection to any door.
async fn anywhere(shell: &Shell, dice: &mut Dice) -> Result<Link, Trouble> {
    shell.open(DOORS[dice.below(DOORS.len())], Carrier::Tcp, Framing::BE16).await
}

/// Sends what is queued, though the server may not take it.
async fn send(shell: &Shell, link: &mut Link) -> Result<(), Trouble> {
    Ok(shell.within(PATIENCE, link.flush()).await.ok_or(Trouble::Late("sending"))??)
}

async fn never_reads(shell: &Shell, patience: Duration) -> Result<(), Trouble> {
    let mut link = ask_for_much(shell).await?;
    send(shell, &mut link).await?;
    shell.pause(patience).await;
    link.reset();
    Ok(())
}

async fn ask_for_much(shell: &Shell) -> Result<Link, Trouble> {
    let mut link = Link::narrow(shell.address(door::RAW), Framing::BE16).await?;
    let frame = [&60_000u16.to_be_bytes()[..], &[7; 60_000]].concat();
    for _ in 0..UNREAD / 60_000 {
        link.raw(&frame);
    }
    Ok(link)
}

async fn reads_slowly(shell: &Shell) -> Result<(), Trouble> {
    let mut link = ask_for_much(shell).await?;
    send(shell, &mut link).await?;
    for _ in 0..PATIENCE.as_secs() {
        if shell.is_over() {
            break;
        }
        link.read_byte()?;
        sleep(Duration::from_secs(1)).await;
    }
    link.reset();
    Ok(())
}

async fn declares(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let (door, bytes): (_, &[u8]) = match dice.below(6) {
        0 => (door::NATIVE, &[0xff, 0xff, 0xff, 0xff, 1, 1]),
        1 => (door::NATIVE, &[0xff, 0x0f, 0, 0, 1, 1]),
        2 => (door::RAW, &[0xff, 0xff, 1]),
        3 => (door::POMELO, &[4, 0xff, 0xff, 0xff]),
        4 => (door::POMELO, &[1, 0, 0x0f, 0xff, b'{']),
        _ => (door::MSGSERVER, &[0x0f, 0xff, b'x']),
    };
    let mut link = shell.open(door, Carrier::Tcp, Framing::BE16).await?;
    link.raw(bytes);
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

async fn garbage(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut link = anywhere(shell, dice).await?;
    for _ in 0..dice.below(4) + 1 {
        let bytes = dice.below(4000);
        link.raw(&dice.bytes(bytes));
        send(shell, &mut link).await?;
        sleep(Duration::from_millis(20)).await;
    }
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

async fn half_handshake(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let handshake;
    let (door, bytes): (_, &[u8]) = match dice.below(6) {
        0 => (door::POMELO_TLS, &[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]),
        1 => (door::SYSCONN, &UPGRADE[..60]),
        2 => (door::POMELO, &UPGRADE[..30]),
        3 => (door::NATIVE, &[30, 0, 0, 0, 1, 1, 1]),
        4 => (door::LOGIN, b"AAAAAAAAAAA=\n"),
        // Without the acknowledgement that is to follow.
        _ => {
            handshake = pomelo::package(Package::Handshake, br#"{"sys":{"type":"x","version":"1"}}"#)
                .unwrap_or_default();
            (door::POMELO, &handshake)
        }
    };
    let mut link = shell.open(door, Carrier::Tcp, Framing::BE16).await?;
    link.raw(bytes);
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

async fn slow_bytes(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut hello = Vec::new();
    let _ = ClientFrame::Hello(shell.kit.chat.identity()).write(&mut hello);
    let (door, bytes) = if dice.one_in(2) { (door::NATIVE, &hello[..]) } else { (door::SYSCONN, UPGRADE) };
    let mut link = shell.open(door, Carrier::Tcp, Framing::BE16).await?;
    for byte in bytes {
        if shell.is_over() {
            break;
        }
        link.raw(&[*byte]);
        send(shell, &mut link).await?;
        sleep(Duration::from_millis(400)).await;
    }
    Ok(())
}

/// Of the native protocol, or of WebSocket.
async fn pings(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut many = Vec::new();
    let mut link = if dice.one_in(2) {
        let mut link = shell.open(door::NATIVE, Carrier::Tcp, Framing::LE32).await?;
        let mut hello = Vec::new();
        let _ = ClientFrame::Hello(shell.kit.chat.identity()).write(&mut hello);
        link.raw(&hello);
        (0..200).for_each(|_| _ = ClientFrame::Ping.write(&mut many));
        link
    } else {
        (0..200).for_each(|_| write_message(9, b"are you there", &mut many));
        shell.open(door::SYSCONN, Carrier::WebSocket, Framing::WHOLE).await?
    };
    let reads = dice.one_in(2);
    for _ in 0..50 {
        if shell.is_over() {
            break;
        }
        link.raw(&many);
        send(shell, &mut link).await?;
        if reads {
            shell.within(Duration::from_millis(200), link.end()).await;
        } else {
            sleep(Duration::from_millis(200)).await;
        }
    }
    link.reset();
    Ok(())
}

async fn waits(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut link = anywhere(shell, dice).await?;
    shell.within(IDLE, link.end()).await;
    Ok(())
}

/// A native client that has shaken hands with those that log in.
async fn member(shell: &Shell) -> Result<(Link, ClientCodec), Trouble> {
    let mut link = shell.open(door::MEMBERS, Carrier::Tcp, Framing::LE32).await?;
    let codec = ClientCodec::new(std::sync::Arc::clone(&shell.kit.members));
    let mut hello = Vec::new();
    let _ = codec.hello(&mut hello);
    link.raw(&hello);
    Ok((link, codec))
}

async fn wrong_password(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let (mut link, mut codec) = member(shell).await?;
    let name = format!("stranger{}", dice.below(NAMES));
    let mut out = Vec::new();
    let _ = codec.log_in(&mut out, &Credentials::new(name, "a wrong one"));
    // Not before it is let in.
    let _ = codec.request(&mut out, ECHO, &portcullis::demo::chat::Echo { text: "hello".to_owned() });
    link.raw(&out);
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

async fn forged_ticket(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let (mut link, codec) = member(shell).await?;
    // 86 letters, and 600 seconds, as bincode writes them.
    let body = [&[86], dice.text(86).as_bytes(), &[0xfb, 0x58, 0x02]].concat();
    let route = codec.manifest().number(portcullis::native::login::RESUME).unwrap_or_default();
    let mut out = Vec::new();
    let _ = ClientFrame::Request { id: 1, route, body: &body }.write(&mut out);
    link.raw(&out);
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

/// For the login server, or the msgserver.
async fn wrong_proof(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut out = Vec::new();
    let mut link = if dice.one_in(2) {
        let mut link = shell.open(door::LOGIN, Carrier::Tcp, Framing::LINE).await?;
        let mut challenge = link.next().await?;
        challenge.pop();
        let client = LoginClient::new(dice.roll().to_be_bytes());
        let challenged = client.challenge(&challenge, &mut out).map_err(|e| Trouble::wrong(e.to_string()))?;
        link.raw(&out);
        send(shell, &mut link).await?;
        out.clear();
        let mut key = link.next().await?;
        key.pop();
        let token = Token { user: b"x".into(), server: SAMPLE.into(), password: b"wrong".to_vec().into() };
        let proved = challenged.prove(&key, &token.encode(), &mut out);
        proved.map_err(|e| Trouble::wrong(e.to_string()))?;
        link
    } else {
        let username = Username { uid: format!("bot{}", dice.below(1000)), server: SAMPLE.into(), subid: 1 };
        let _ = Handshake::write(&username.encode(), 1, &dice.roll().to_be_bytes(), &mut out);
        shell.open(door::MSGSERVER, Carrier::Tcp, Framing::BE16).await?
    };
    link.raw(&out);
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

/// Of a role of its own, for a role whose secret was guessed too often cannot come back by the right one.
async fn guessed_secret(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut link = shell.open(door::SYSCONN, Carrier::WebSocket, Framing::WHOLE).await?;
    let account = Some(format!("victim{}", dice.below(200)));
    link.frame(&sysconn::request(1, commands::LOGIN, &LoginAccount { account }.encode_to_vec()));
    send(shell, &mut link).await?;
    let answer = link.next().await?;
    let body = answer.get(11..).unwrap_or_default();
    let role = LoginAnswer::decode(body).map_err(|error| Trouble::wrong(error.to_string()))?;
    let mut thief = shell.open(door::SYSCONN, Carrier::WebSocket, Framing::WHOLE).await?;
    for _ in 0..12 {
        let guess = Reconnect { role_id: Some(role.info.role_id), id: Some(dice.roll() as u32) };
        thief.frame(&sysconn::request(1, commands::RECONNECT, &guess.encode_to_vec()));
        send(shell, &mut thief).await?;
        sleep(Duration::from_millis(50)).await;
    }
    thief.reset();
    link.reset();
    Ok(())
}

async fn zlib_bomb(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let bomb = shell.kit.bomb.as_slice();
    let mut link = if dice.one_in(2) {
        let mut link = shell.open(door::SYSCONN, Carrier::WebSocket, Framing::WHOLE).await?;
        let mut out = Vec::new();
        let (status, size) = (Status::Zlib, Size::Exact);
        Request { status, flag: 1, command: commands::LOGIN, body: bomb, size }.write(&mut out);
        link.frame(&out);
        link
    } else {
        let mut link = shell.open(door::POMELO, Carrier::Tcp, FRAMING).await?;
        link.raw(&pomelo::package(Package::Handshake, b"{\"sys\":{\"type\":\"x\"}}").unwrap_or_default());
        link.raw(&pomelo::package(Package::HandshakeAck, b"").unwrap_or_default());
        // A compressed request with the id 1.
        let route = b"connector.entryHandler.echo";
        let message = [&[0x10, 1, route.len() as u8][..], route, bomb].concat();
        link.raw(&pomelo::package(Package::Data, &message).unwrap_or_default());
        link
    };
    send(shell, &mut link).await?;
    shell.within(PATIENCE, link.end()).await;
    Ok(())
}

/// What inflates to far more than anybody may send.
pub fn bomb() -> std::io::Result<Vec<u8>> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&vec![0; INFLATED])?;
    encoder.finish()
}

async fn resets_in_a_frame(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut link = anywhere(shell, dice).await?;
    link.raw(&[1, 0, 0, 100, b'{', b'"']);
    send(shell, &mut link).await?;
    sleep(dice.between(Duration::ZERO, Duration::from_secs(3))).await;
    link.reset();
    Ok(())
}

async fn deep_json(shell: &Shell) -> Result<(), Trouble> {
    let mut link = shell.open(door::POMELO, Carrier::WebSocket, FRAMING).await?;
    link.frame(&pomelo::package(Package::Handshake, b"{\"sys\":{\"type\":\"x\"}}").unwrap_or_default());
    link.frame(&pomelo::package(Package::HandshakeAck, b"").unwrap_or_default());
    let deep = "[".repeat(3000);
    link.frame(&pomelo::data(1, "connector.entryHandler.echo", deep.as_bytes()).unwrap_or_default());
    send(shell, &mut link).await?;
    shell.within(Duration::from_secs(5), link.end()).await;
    link.reset();
    Ok(())
}

/// Thirty at once, gone at once.
async fn flood(shell: &Shell, dice: &mut Dice) -> Result<(), Trouble> {
    let mut links = Vec::new();
    for _ in 0..30 {
        links.push(anywhere(shell, dice).await?);
    }
    sleep(dice.between(Duration::ZERO, Duration::from_millis(200))).await;
    links.into_iter().for_each(Link::reset);
    Ok(())
}
