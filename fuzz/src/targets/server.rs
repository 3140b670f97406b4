//! A whole server with a listener of every protocol, and clients that do anything in any order.

mod client;
mod house;

use crate::{
    bytes::{first, pieces},
    seeds,
};
use client::Client;
use house::{House, Speaks};
use portcullis_net::DriverKind;
use portcullis_testkit::Transport;
use std::time::Duration;

/// Clients of one program, and its steps.
const MOST_CLIENTS: usize = 8;
const MOST_STEPS: usize = 64;
/// The time that passes in one: every deadline there is, twice. More would only cost ticks.
const MOST_TIME: Duration = Duration::from_secs(130);
/// What a client that does not read leaves with the server, and more.
const MOST_UNSENT: usize = 2 * 1024 * 1024;

/// Runs a program, as [`Steps`] reads it, with clients in memory.
pub fn program(data: &[u8]) {
    play(House::new(Transport::Memory), data);
}

/// As [`program`], over sockets: detection, HTTP and WebSocket are there too.
pub fn sockets(data: &[u8]) {
    play(House::new(Transport::Tcp(DriverKind::Inline)), data);
}

/// Runs a program, and makes sure of the server after each step and at the end.
fn play(mut house: House, data: &[u8]) {
    let mut clients = Vec::new();
    let mut steps = Steps { rest: data, left: MOST_STEPS };
    let mut time = MOST_TIME;
    while let Some(step) = steps.next() {
        match step {
            Step::Together(count) => {
                let House { server, keys, .. } = &mut house;
                server.together(|| {
                    for step in steps.by_ref().take(count.into()) {
                        client_does(&mut clients, keys, step);
                    }
                });
            }
            Step::Connect(which) if clients.len() < MOST_CLIENTS => {
                clients.push(house.connect(which.into()));
            }
            Step::Connect(_) => {}
            Step::Pass(step) => {
                let step = step.min(time);
                time -= step;
                house.server.advance(step);
            }
            Step::Tick => house.server.tick(),
            step => client_does(&mut clients, &mut house.keys, step),
        }
        house.check();
    }
    // Whoever is still there is forgotten, or leaves.
    house.server.advance(Duration::from_secs(2));
    house.check();
    drop(clients);
    house.check();
}

fn client_does(clients: &mut [Client], keys: &mut house::Keys, step: Step<'_>) {
    let (which, count) = (step.client(), clients.len());
    let Some(client) = which.and_then(|which| clients.get_mut(usize::from(which) % count.max(1))) else {
        return;
    };
    match step {
        Step::Send(_, bytes) => client.raw.send_bytes(bytes),
        Step::Say(_, payload) => client.say(payload),
        Step::Greet(_, name) => client.greet(keys, name.into()),
        Step::Close(_) => client.raw.close(),
        Step::Reset(_) => client.raw.reset(),
        Step::Stop(_) => client.raw.stop_reading(),
        Step::Resume(_) => client.raw.resume_reading(),
        Step::Connect(_) | Step::Pass(_) | Step::Tick | Step::Together(_) => {}
    }
}

/// What can happen. Clients are named by their number, modulo how many there are.
#[derive(Clone, Copy, Debug)]
enum Step<'a> {
    Connect(u8),
    /// Bytes as they are.
    Send(u8, &'a [u8]),
    /// A payload, framed as the client's protocol has it.
    Say(u8, &'a [u8]),
    /// The protocol's own handshake or login, done right, under one of a few names.
    Greet(u8, u8),
    Close(u8),
    Reset(u8),
    Stop(u8),
    Resume(u8),
    Pass(Duration),
    Tick,
    /// So many steps of clients arrive at once.
    Together(u8),
}

impl Step<'_> {
    fn client(self) -> Option<u8> {
        match self {
            Self::Send(client, _)
            | Self::Say(client, _)
            | Self::Greet(client, _)
            | Self::Close(client)
            | Self::Reset(client)
            | Self::Stop(client)
            | Self::Resume(client) => Some(client),
            Self::Connect(_) | Self::Pass(_) | Self::Tick | Self::Together(_) => None,
        }
    }
}

/// A program: one byte for what happens, then its arguments. Those that are missing are 0.
struct Steps<'a> {
    rest: &'a [u8],
    left: usize,
}

const CONNECT: u8 = 0;
const SEND: u8 = 1;
const SAY: u8 = 3;
const GREET: u8 = 5;
const PASS: u8 = 8;
const TOGETHER: u8 = 12;

impl<'a> Steps<'a> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = first(self.rest);
        self.rest = rest;
        byte
    }

    /// Two bytes of length, and so many bytes, or what there is.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(u16::from_le_bytes([self.byte(), self.byte()]));
        let (bytes, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        bytes
    }
}

impl<'a> Iterator for Steps<'a> {
    type Item = Step<'a>;

    fn next(&mut self) -> Option<Step<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        self.left = self.left.checked_sub(1)?;
        Some(match self.byte() % 14 {
            CONNECT => Step::Connect(self.byte()),
            SEND | 2 => Step::Send(self.byte(), self.bytes()),
            SAY | 4 => Step::Say(self.byte(), self.bytes()),
            GREET => Step::Greet(self.byte(), self.byte()),
            6 => Step::Close(self.byte()),
            7 => Step::Reset(self.byte()),
            PASS => Step::Pass(Duration::from_millis(
                [50, 1000, 5500, 11_000, 61_000][usize::from(self.byte()) % 5],
            )),
            9 => Step::Tick,
            10 => Step::Stop(self.byte()),
            11 => Step::Resume(self.byte()),
            _ => Step::Together(2 + self.byte() % 6),
        })
    }
}

/// What a client says after its handshake means the same to the whole server however it is cut: the same is answered, and
/// it ends the same way. Before it, a read counts as a whole: a frame that only one who is let in may send is too large
/// where it stands behind the very bytes that let its sender in.
pub fn cuts(data: &[u8]) {
    let (which, stream) = first(data);
    let told = |pieces: &[&[u8]]| {
        let mut house = House::new(Transport::Memory);
        let mut client = house.connect(which.into());
        client.greet(&mut house.keys, usize::from(which) / house::LISTENERS);
        let entity = client.raw.entity();
        for piece in pieces {
            client.raw.send_bytes(piece);
        }
        house.server.advance(Duration::from_secs(1));
        house.check();
        (client.raw.read(), house.server.closed(entity))
    };
    // Messages are what they are.
    if Speaks::of(which.into()) == Speaks::Sysconn {
        return;
    }
    let ((whole, end), (cut, end_of_cut)) = (told(&[stream]), told(&pieces(stream, which.into())));
    let same = whole.iter().zip(&cut).take_while(|(one, other)| one == other).count();
    assert!(
        whole == cut && end == end_of_cut,
        "whole it says \"{}\" and ends {end:?}; in pieces \"{}\" and {end_of_cut:?}",
        whole[same..].escape_ascii(),
        cut[same..].escape_ascii(),
    );
}

/// For each protocol, a client that greets and says what was recorded.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut programs = Vec::new();
    for (listener, said) in conversations() {
        let mut program = vec![CONNECT, listener, GREET, 0, 0];
        for (number, chunk) in said.chunks(12).enumerate() {
            for bytes in chunk {
                program.extend_from_slice(&[SEND, 0]);
                program.extend_from_slice(&(bytes.len() as u16).to_le_bytes());
                program.extend_from_slice(bytes);
            }
            program.extend_from_slice(&[PASS, 1, CONNECT, listener, TOGETHER, 1, GREET, 1, number as u8]);
            programs.push(program.clone());
            program.truncate(5);
        }
    }
    let everybody: Vec<u8> = (0..house::LISTENERS as u8)
        .flat_map(|number| [CONNECT, number, GREET, number, number, SAY, number, 4, 0, 0, 0, 0, 1])
        .chain([PASS, 4])
        .collect();
    programs.push(everybody);
    programs
}

/// As [`seeds`], with some that begin as HTTP does, and the same over WebSocket.
pub fn seeds_of_sockets() -> Vec<Vec<u8>> {
    let mut programs = seeds();
    for (number, bytes) in seeds::edge().into_iter().enumerate() {
        let listener = [Speaks::Pomelo, Speaks::Sysconn][number % 2] as u8;
        let length = (bytes.len() as u16).to_le_bytes();
        let start = [CONNECT, listener, SEND, 0, length[0], length[1]];
        programs.push([&start[..], &bytes, &[PASS, 2]].concat());
    }
    let over_websocket: Vec<_> = programs
        .iter()
        .filter(|program| matches!(program[1], 5 | 6))
        .map(|program| {
            let mut program = program.clone();
            program[1] += house::LISTENERS as u8;
            program
        })
        .collect();
    programs.extend(over_websocket);
    programs
}

/// As [`seeds`], without the program around it.
pub fn seeds_of_cuts() -> Vec<Vec<u8>> {
    let streams = conversations().into_iter().flat_map(|(listener, said)| {
        said.chunks(4).map(|chunk| [&[listener][..], &chunk.concat()].concat()).collect::<Vec<_>>()
    });
    streams.collect()
}

/// What clients said when they were recorded, by the number of the listener.
fn conversations() -> Vec<(u8, Vec<Vec<u8>>)> {
    let of = |speaks: Speaks, said| (speaks as u8, said);
    vec![
        of(Speaks::Native, seeds::native_stream()),
        of(Speaks::Sproto, seeds::client_bytes("skynet/gate_sproto.json")),
        of(Speaks::Raw, seeds::client_bytes("skynet/gate_sproto.json")),
        of(Speaks::Login, seeds::client_bytes("skynet/login.json")),
        of(Speaks::MsgServer, seeds::client_bytes("skynet/msgserver.json")),
        of(Speaks::Pomelo, seeds::client_bytes("pomelo/flows-messages.json")),
        of(Speaks::Pomelo, seeds::client_bytes("pomelo/flows-dict-protobuf.json")),
        of(Speaks::Pomelo, seeds::client_bytes("pomelo/flows-kick-session.json")),
        of(Speaks::Sysconn, seeds::sysconn_messages()),
    ]
}
