//! Doing what a recorded client did, and expecting what the original answered, byte by byte.
//!
//! The numbers of roles, their secrets and pictures, and moments are others each time: they are put in their places in
//! what was recorded, and nothing else is.

use super::{
    Client, MASK,
    flow::{Flow, Kind, Step},
    frames::{bytes, frame, masked, payload, request, response, whole_frame},
};
use portcullis::{
    core::Clock,
    sysconn::{
        prost::Message,
        wire::{
            Request, Response,
            messages::{Blacklisted, LoginAnswer, Reconnect},
        },
    },
};
use portcullis_testkit::TestServer;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

/// A step in which ours does something else on purpose.
pub struct Apart {
    pub file: &'static str,
    /// Counted from 0.
    pub step: usize,
    /// The weak point of the original, by its number.
    pub weak_point: u8,
    pub why: &'static str,
    pub ours: &'static [Ours],
}

/// What ours does, in place of what was recorded.
#[derive(Clone, Copy, Debug)]
pub enum Ours {
    /// These frames come, and nothing else; the connection stays.
    Hears(&'static [&'static str]),
    /// The last request is refused with this error; the connection stays.
    Refused(u16),
    /// The last request's body comes back.
    Echoed,
    /// What was recorded.
    AsRecorded,
    /// The client says this.
    Says(&'static [u8]),
    /// The connection is closed with this code, and nothing else is said.
    Closes(u16),
    /// So many milliseconds later the connection is closed with this code, and nothing else is said.
    ClosesAfter(u64, u16),
    /// It becomes a WebSocket.
    Upgraded,
    /// So many milliseconds later this is answered, and the connection closed.
    Http(u64, &'static str),
    /// This line is in the answer of the upgrade, beside the recorded ones.
    UpgradedWith(&'static str),
}

/// What was done before a recording began.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// This connection was logged in.
    In(u64),
    /// This connection was logged in as the role of this number.
    As(u64, u32),
    /// Somebody had this account, and is gone.
    Known(&'static str),
    /// This connection sends a heartbeat every so many seconds while time passes.
    Beats(u64, u64),
}

/// All that there is to know beside the recordings.
pub struct Table {
    pub apart: &'static [Apart],
    /// The codes with which ours closes where the original only closes: file, step, code.
    pub codes: &'static [(&'static str, usize, u16)],
    pub before: &'static [(&'static str, &'static [Before])],
}

/// How far a measured time may be off, in milliseconds.
const SLACK: u64 = 200;
/// Shorter times are those of a machine, not of a timer.
const AT_ONCE: u64 = 1000;

/// Time passes as it did then.
#[track_caller]
pub fn replay(server: &mut TestServer, flow: &Flow, table: &Table) {
    let before = table.before.iter().filter(|(file, _)| *file == flow.name);
    let before: Vec<Before> = before.flat_map(|(_, before)| before.iter().copied()).collect();
    let mut stage = Stage { server, flow, before, clients: BTreeMap::new(), same: HashMap::new() };
    for before in stage.before.clone() {
        stage.prepare(before);
    }
    let mut met = 0;
    for (number, step) in flow.steps.iter().enumerate() {
        let place = format!("{}, step {number}: {}", flow.name, step.meaning);
        let apart = table.apart.iter().find(|apart| (apart.file, apart.step) == (&flow.name, number));
        let code = table.codes.iter().find(|&&(file, at, _)| (file, at) == (&flow.name, number));
        met += usize::from(apart.is_some()) + usize::from(code.is_some());
        match (apart, code) {
            (None, code) => stage.play(step, code.map(|&(.., code)| code), &place),
            (Some(apart), None) => {
                let place = format!("{place}; but {} (weak point {})", apart.why, apart.weak_point);
                for &ours in apart.ours {
                    stage.differ(step, ours, &place);
                }
            }
            (Some(_), Some(_)) => panic!("{place}: it is in both tables"),
        }
    }
    for (number, client) in &mut stage.clients {
        let rest = client.rest(stage.server);
        assert!(rest.is_empty(), "{}, at the end of connection {number}: {rest:02x?}", flow.name);
    }
    let expected = table.apart.iter().filter(|apart| apart.file == flow.name).count()
        + table.codes.iter().filter(|(file, ..)| *file == flow.name).count();
    assert_eq!(met, expected, "{}: the tables have steps that it has not", flow.name);
}

struct Stage<'a> {
    server: &'a mut TestServer,
    flow: &'a Flow,
    before: Vec<Before>,
    clients: BTreeMap<u64, Client>,
    /// The numbers of roles and the secrets, as they were and as they are.
    same: HashMap<u32, u32>,
}

impl Stage<'_> {
    fn prepare(&mut self, before: Before) {
        match before {
            Before::As(number, role) => {
                let mut client = Client::upgraded(self.server);
                let body = client.log_in(self.server, "somebody");
                self.same.insert(role, LoginAnswer::decode(&*body).unwrap().info.role_id);
                self.clients.insert(number, client);
            }
            Before::Known(account) => {
                Client::logged_in(self.server, account).leave(self.server);
                self.server.advance(Duration::from_secs(61));
            }
            // Whoever is logged in is so when it comes.
            Before::In(_) | Before::Beats(..) => {}
        }
    }

    /// The client of this number. One that is gone comes again.
    fn client(&mut self, number: u64) -> (&mut Client, &mut TestServer) {
        let server = &mut *self.server;
        if self.clients.get(&number).is_none_or(|client| !client.is_open() && client.has_heard_nothing()) {
            let raw = self.flow.name.starts_with("handshake");
            let mut client = if raw { Client::connect(server) } else { Client::upgraded(server) };
            if self.before.iter().any(|before| matches!(before, Before::In(known) if *known == number)) {
                client.log_in(server, &format!("client-{number}"));
            }
            self.clients.insert(number, client);
        }
        (self.clients.get_mut(&number).unwrap(), server)
    }

    #[track_caller]
    fn play(&mut self, step: &Step, code: Option<u16>, place: &str) {
        match &step.kind {
            Kind::Said(said) => {
                let said = self.as_it_is(said);
                let (client, server) = self.client(step.connection);
                client.send(server, &said);
            }
            Kind::Heard(heard, None) if heard.starts_with(b"HTTP") => {
                let (client, server) = self.client(step.connection);
                let head = client.expect_head(server);
                assert_eq!(head, String::from_utf8_lossy(heard), "{place}");
            }
            Kind::Heard(heard, None) => {
                let (client, server) = self.client(step.connection);
                client.expect(server, heard, place);
            }
            Kind::Heard(heard, Some(_)) => self.hear_another(step.connection, heard, place),
            Kind::Nothing(milliseconds) => {
                self.pass(step.connection, *milliseconds);
                let (client, server) = self.client(step.connection);
                client.expect_silence(server, place);
            }
            Kind::End(after) => {
                let code = code.unwrap_or_else(|| panic!("{place}: with which code?"));
                self.end(step.connection, *after, code, place);
            }
            Kind::Left => {
                let client = self.clients.remove(&step.connection).unwrap();
                client.leave(self.server);
            }
        }
    }

    #[track_caller]
    fn differ(&mut self, step: &Step, ours: Ours, place: &str) {
        let number = step.connection;
        if let Ours::ClosesAfter(after, code) = ours {
            return self.end(number, after, code, place);
        }
        if let Ours::AsRecorded = ours {
            return self.play(step, None, place);
        }
        let last = match ours {
            Ours::Refused(_) | Ours::Echoed => self.last_request(step),
            _ => Vec::new(),
        };
        let (client, server) = self.client(number);
        match ours {
            Ours::Hears(frames) => {
                for hex in frames {
                    client.expect(server, &bytes(hex), place);
                }
                client.expect_silence(server, place);
            }
            Ours::Refused(error) => {
                let last = Request::read(&last).unwrap();
                client.expect(server, &unmasked(&response(error, last.flag, last.command, &[])), place);
                client.expect_silence(server, place);
            }
            Ours::Echoed => {
                let last = Request::read(&last).unwrap();
                client.expect(server, &unmasked(&response(0, last.flag, last.command, last.body)), place);
                client.expect_silence(server, place);
            }
            Ours::Says(said) => client.send(server, said),
            Ours::Closes(code) => client.expect_close(server, code, place),
            Ours::Upgraded => {
                let head = client.expect_head(server);
                assert!(head.starts_with("HTTP/1.1 101 "), "{place}: {head}");
            }
            Ours::UpgradedWith(line) => {
                let Kind::Heard(heard, _) = &step.kind else { panic!("{place}: no answer was recorded") };
                let recorded = String::from_utf8_lossy(heard);
                let expected = format!("{}{line}\r\n\r\n", recorded.strip_suffix("\r\n").unwrap());
                assert_eq!(client.expect_head(server), expected, "{place}");
            }
            Ours::Http(after, status) => {
                server.advance(Duration::from_millis(after));
                let head = client.expect_head(server);
                assert!(head.starts_with(status), "{place}: {head}");
                client.rest(server);
                client.expect_end(server, place);
            }
            Ours::AsRecorded | Ours::ClosesAfter(..) => {}
        }
    }

    /// The last thing that was said on the connection of this step, before it.
    fn last_request(&self, step: &Step) -> Vec<u8> {
        let before = self.flow.steps.iter().take_while(|other| !std::ptr::eq(*other, step));
        let said = before.filter(|other| other.connection == step.connection).filter_map(|other| {
            let Kind::Said(said) = &other.kind else { return None };
            Some(said)
        });
        payload(said.last().unwrap())
    }

    /// Lets time pass, with the heartbeats that were left out.
    fn pass(&mut self, number: u64, milliseconds: u64) {
        let beats = self.before.iter().find_map(|before| match before {
            Before::Beats(known, seconds) if *known == number => Some(seconds * 1000),
            _ => None,
        });
        let mut left = milliseconds;
        while let Some(interval) = beats.filter(|&interval| interval <= left) {
            self.server.advance(Duration::from_millis(interval));
            left -= interval;
            let (client, server) = self.client(number);
            client.beat(server);
        }
        self.server.advance(Duration::from_millis(left));
    }

    #[track_caller]
    fn end(&mut self, number: u64, after: u64, code: u16, place: &str) {
        if after > AT_ONCE {
            self.client(number);
            self.pass(number, after - SLACK);
            let (client, server) = self.client(number);
            client.expect_silence(server, &format!("{place}: not so early"));
            server.advance(Duration::from_millis(2 * SLACK));
        }
        let (client, server) = self.client(number);
        client.expect_close(server, code, place);
    }

    /// What was said, with our numbers.
    fn as_it_is(&self, said: &[u8]) -> Vec<u8> {
        if said.first() != Some(&0x82) || whole_frame(said).is_none() {
            return said.to_vec();
        }
        let message = payload(said);
        let Ok(asked) = Request::read(&message) else { return said.to_vec() };
        if asked.command != 1003 || !asked.has_body() {
            return said.to_vec();
        }
        let mut reconnect = Reconnect::decode(asked.body).unwrap();
        assert_eq!(reconnect.encode_to_vec(), asked.body, "nothing else is in it");
        let ours = |number: u32| self.same.get(&number).copied().unwrap_or(number);
        reconnect.role_id = reconnect.role_id.map(ours);
        reconnect.id = reconnect.id.map(ours);
        assert_eq!(frame(&message), said, "it is masked with {MASK:?}");
        frame(&request(asked.flag, asked.command, &reconnect.encode_to_vec()))
    }

    /// What is another each time: it is put into what was recorded, and all else has to be the same.
    #[track_caller]
    fn hear_another(&mut self, number: u64, heard: &[u8], place: &str) {
        let (client, server) = self.client(number);
        let Some(found) = client.next_frame(server) else { panic!("{place}: nothing has come") };
        let (recorded, message) = (payload(heard), payload(&found));
        let recorded = Response::read(&recorded).unwrap();
        let now = server.world().resource::<Clock>().unix();
        let ours = Response::read(&message).unwrap_or_else(|error| panic!("{place}: {error}"));
        let expected = match recorded.command {
            1149 => {
                let ban = Blacklisted::decode(recorded.body).unwrap();
                let start = now.as_secs() as u32;
                Blacklisted { start, end: start + (ban.end - ban.start) }.encode_to_vec()
            }
            _ => {
                let mut answer = LoginAnswer::decode(recorded.body).unwrap();
                assert_eq!(answer.encode_to_vec(), recorded.body, "{place}: nothing else is in it");
                let found = LoginAnswer::decode(ours.body).unwrap();
                assert!(found.info.role_id != 0 && !found.info.icon.is_empty(), "{place}");
                for (then, now) in [(answer.info.role_id, found.info.role_id), (answer.id, found.id)] {
                    assert_eq!(*self.same.entry(then).or_insert(now), now, "{place}: it was another before");
                }
                answer.info.role_id = found.info.role_id;
                answer.info.icon = found.info.icon;
                answer.id = found.id;
                answer.encode_to_vec()
            }
        };
        let expected = response(recorded.error, recorded.flag, recorded.command, &expected);
        assert_eq!(found, unmasked(&expected), "{place}");
    }
}

/// A server's frame of this message.
fn unmasked(message: &[u8]) -> Vec<u8> {
    let mut out = masked(0x82, message);
    out[1] &= 0x7f;
    out.truncate(out.len() - message.len() - MASK.len());
    out.extend_from_slice(message);
    out
}
