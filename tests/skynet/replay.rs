//! Doing what a recorded client did, and expecting what skynet answered.
//!
//! Challenge and keys of a login are others than they were, and so are the lines made of them: those that were right are
//! made anew for ours, and those that were wrong are as wrong as they were.

use super::{Client, Flow, PRIVATE, bytes, key, servers};
use portcullis::{
    core::Cause,
    session::Logout,
    skynet::{
        crypt::{base64_decode, base64_encode, des_decode, des_encode, dh_public, dh_secret, hmac64},
        login::{LogoutAsked, wire::Status},
        msgserver::wire::{Handshake, Username, index, read_frame},
    },
};
use portcullis_testkit::TestServer;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// When most recordings begin.
const BEGIN: Duration = Duration::from_millis(150);

struct Peer {
    client: Client,
    /// None at a msgserver.
    login: Option<Lines>,
    greeted: bool,
    /// The last text the server sent.
    last: Vec<u8>,
    left: bool,
}

/// The numbers of a login, as they were and as they are.
#[derive(Default)]
struct Lines {
    challenge: Option<([u8; 8], [u8; 8])>,
    secret: Option<([u8; 8], [u8; 8])>,
}

/// Time passes as it did then. A user whom the conversation is about is logged in before, as he was.
pub fn replay(server: &mut TestServer, flow: &Flow) {
    log_in(server, &flow.params);
    let mut peers: BTreeMap<u64, Peer> = BTreeMap::new();
    // The secret of a login in this conversation.
    let mut secret = None;
    let mut now = BEGIN.min(moment(&flow.messages[0]));
    for message in &flow.messages {
        let at = moment(message);
        server.advance(at.saturating_sub(now));
        now = now.max(at);
        let what = format!("{}: {}", flow.name, message["meaning"].as_str().unwrap());
        let number = message["conn"].as_u64().unwrap();
        let hex = message["hex"].as_str().map(bytes);
        match message["dir"].as_str().or(message["event"].as_str()).unwrap() {
            "connect" => {
                peers.insert(number, Peer::connect(server, what.contains("8001")));
            }
            "external" => log_in_again(server, &flow.params),
            action => {
                let peer = peers.get_mut(&number).expect("a flow begins with a connect");
                match (action, hex) {
                    ("c2s", Some(said)) => peer.say(&said, flow, secret),
                    ("c2s", None) => peer.say_much(&what),
                    ("s2c", Some(said)) => peer.hear(server, &said, flow, number, &what),
                    ("silence", _) => peer.client.expect_silence(),
                    ("still_open", _) => {
                        assert!(peer.login.is_some(), "{what}");
                        // Ours ends the connection after the last line.
                        peer.client.expect_closed(Cause::Requested);
                    }
                    ("server_close", _) => peer.client.expect_closed(peer.cause(&flow.name)),
                    ("client_close", _) => {
                        peer.left = true;
                        peer.client.close();
                    }
                    other => panic!("{other:?} is not known here"),
                }
                secret = peer.login.as_ref().and_then(|lines| Some(lines.secret?.1)).or(secret);
            }
        }
    }
    // What is still being handled has come to its end, and each user leaves his place to the next.
    drop(peers);
    server.advance(Duration::from_secs(2));
    if let Some(uid) = flow.params["uid"].as_str()
        && servers::is_logged_in(server, uid)
    {
        let session = servers::session(server, uid);
        server.trigger(Logout { session });
    }
}

fn moment(message: &Value) -> Duration {
    Duration::from_millis(message["t_ms"].as_u64().unwrap())
}

fn log_in(server: &mut TestServer, params: &Value) {
    let (Some(uid), Some(secret)) = (params["uid"].as_str(), key(&params["secret_hex"])) else { return };
    let user = servers::enter(server, uid, &secret);
    assert_eq!(user.subid.to_string(), params["subid"].as_str().unwrap());
}

/// As a login server lets him.
fn log_in_again(server: &mut TestServer, params: &Value) {
    let uid = params["uid"].as_str().unwrap();
    let session = servers::session(server, uid);
    server.trigger(LogoutAsked { session });
    let (second, secret) = (&params["second_login"], key(&params["second_login"]["secret_hex"]));
    let user = servers::enter(server, uid, &secret.unwrap());
    assert_eq!(user.subid.to_string(), second["subid"].as_str().unwrap());
}

impl Peer {
    fn connect(server: &mut TestServer, to_login: bool) -> Self {
        let client = if to_login { super::begin(server) } else { Client::to_msgserver(server) };
        let login = to_login.then(Lines::default);
        Self { client, login, greeted: false, last: Vec::new(), left: false }
    }

    fn say(&mut self, said: &[u8], flow: &Flow, secret: Option<[u8; 8]>) {
        let Some(lines) = &self.login else {
            let handshake = read_frame(said).and_then(|(frame, _)| Handshake::parse(frame));
            return match (handshake, secret) {
                (Some(handshake), Some(secret)) if !self.greeted => {
                    self.greeted = true;
                    let user = Username::parse(handshake.username).unwrap();
                    self.client.shake_hands(&user, index(handshake.index_text).unwrap(), &secret);
                }
                _ => self.client.send(said),
            };
        };
        let ours: Vec<u8> = said
            .split_inclusive(|&byte| byte == b'\n')
            .flat_map(|line| match line.strip_suffix(b"\n") {
                Some(text) => lines.anew(text, flow).unwrap_or_else(|| line.to_vec()),
                None => line.to_vec(),
            })
            .collect();
        self.client.send(&ours);
    }

    /// What was too much to be recorded.
    fn say_much(&mut self, what: &str) {
        if what.contains("9000 x 0x41") {
            return self.client.send(&[0x41; 9000]);
        }
        assert!(what.contains("300 requests r0..r299"), "{what}");
        for session in 0..300 {
            let content = format!("r{session}");
            self.client.ask(session, content.as_bytes());
            self.client.expect_reply(session, content.as_bytes());
        }
    }

    fn hear(&mut self, server: &mut TestServer, said: &[u8], flow: &Flow, number: u64, what: &str) {
        self.last = said.to_vec();
        let text = said.trim_ascii_end();
        match &mut self.login {
            Some(lines) if Status::parse(text).is_none() => {
                let ours = self.client.expect_line();
                assert_eq!(ours.len(), said.len(), "{what}");
                lines.note(text, ours.trim_ascii_end(), flow, number);
            }
            _ => self.client.await_bytes(server, said, what),
        }
    }

    /// Why the server ends the connection, in our words.
    fn cause(&self, flow: &str) -> Cause {
        match flow {
            // Behind the last line we close, and do not wait until the client does.
            _ if self.login.is_some() && self.last.starts_with(b"200 ") => Cause::Requested,
            _ if self.left => Cause::PeerClosed,
            "line_too_long" => Cause::FrameTooLarge,
            "request_too_short" | "request_empty_frame" | "session_conflict_in_flight" => Cause::Malformed,
            _ if self.last.get(2) == Some(&b'4') => Cause::Incompatible,
            _ => Cause::Requested,
        }
    }
}

impl Lines {
    /// A line of the server's, as it was and as it is: the challenge, and then the key.
    fn note(&mut self, recorded: &[u8], ours: &[u8], flow: &Flow, number: u64) {
        let key_of = |line: &[u8]| <[u8; 8]>::try_from(base64_decode(line).unwrap()).unwrap();
        let (recorded, ours) = (key_of(recorded), key_of(ours));
        if self.challenge.is_none() {
            self.challenge = Some((recorded, ours));
            return;
        }
        let theirs = key(&flow.params["secret_hex"]);
        let theirs = theirs.unwrap_or_else(|| dh_secret(&recorded, &PRIVATE).unwrap());
        let mut known = flow.params["secrets"].as_array().into_iter().flatten();
        if let Some(known) = known.find(|known| known["conn"] == number) {
            assert_eq!(key(&known["secret_hex"]), Some(theirs));
        }
        self.secret = Some((theirs, dh_secret(&ours, &PRIVATE).unwrap()));
    }

    /// The line that was right then, as it is right now.
    fn anew(&self, line: &[u8], flow: &Flow) -> Option<Vec<u8>> {
        let Some((theirs, ours)) = self.secret else {
            // Whose private key is not known says our public one.
            let public = flow.params["secret_hex"].is_string().then(|| dh_public(&PRIVATE).unwrap());
            return public.map(|public| with_lf(&public));
        };
        let said = base64_decode(line).ok()?;
        let (their_challenge, challenge) = self.challenge?;
        if said == hmac64(&their_challenge, &theirs) {
            return Some(with_lf(&hmac64(&challenge, &ours)));
        }
        Some(with_lf(&des_encode(&ours, &des_decode(&theirs, &said).ok()?)))
    }
}

fn with_lf(bytes: &[u8]) -> Vec<u8> {
    base64_encode(bytes).into_bytes().into_iter().chain([b'\n']).collect()
}
