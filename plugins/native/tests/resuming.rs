//! A client that has logged in loses its connection, over and over, and each request is handled once and answered once.
//! The server is a model of one: what counts here is the codec.
#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use portcullis_core::{Assembler, Framing};
use portcullis_native::{
    ClientCodec, ClientError, ClientEvent, Credentials, KeepLimits, Manifest, Ticket, body, login,
    wire::{ClientFrame, ServerFrame},
};
use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    time::Duration,
};

fn manifest() -> Manifest {
    Manifest::new("bank", 1).request::<u64, u64>("bank.add").notify::<u64>("bank.hint").with_login()
}

fn ann() -> Credentials {
    Credentials::new("ann", "correct horse")
}

/// What a server with sessions and a cache of answers does.
#[derive(Default)]
struct Model {
    input: Option<Assembler>,
    out: Vec<u8>,
    /// Tickets below this number are void; this is the latest.
    redeemed: u64,
    issued: u64,
    in_session: bool,
    /// How often each request was handled.
    runs: HashMap<u32, u64>,
    answers: HashMap<u32, Vec<u8>>,
    /// Requests whose answer takes a while, and whether the connection of now waits for it.
    slow: BTreeMap<u32, bool>,
}

impl Model {
    fn accept(&mut self) {
        self.input = Some(Assembler::new(Framing::LE32));
        self.out.clear();
        self.in_session = false;
        self.slow.values_mut().for_each(|waits| *waits = false);
    }

    fn feed(&mut self, bytes: &[u8], random: &mut fastrand::Rng) {
        let Some(input) = &mut self.input else { return };
        let (frames, result) = input.feed(bytes, 1 << 20);
        result.unwrap();
        let (data, spans) = frames.into_parts();
        for (start, end) in spans {
            self.hear(ClientFrame::read(&data[start as usize..end as usize]).unwrap(), random);
        }
    }

    fn hear(&mut self, frame: ClientFrame<'_>, random: &mut fastrand::Rng) {
        match frame {
            ClientFrame::Hello(_) => {
                let heartbeat = Duration::from_secs(20);
                ServerFrame::Welcome { heartbeat }.write(&mut self.out).unwrap();
            }
            ClientFrame::Request { id, route, body } => {
                let manifest = manifest();
                match &*manifest.get_number(route).unwrap().route {
                    login::LOGIN => self.give_ticket(id),
                    login::RESUME => {
                        let ticket: Ticket = body::decode(body).unwrap();
                        let number: u64 = ticket.token.parse().unwrap();
                        assert!(number >= self.redeemed, "a ticket that was replaced");
                        self.redeemed = number;
                        self.give_ticket(id);
                    }
                    _ => self.add(id, body, random),
                }
            }
            ClientFrame::Notify { .. } => assert!(self.in_session, "said before the ticket"),
            ClientFrame::Ping => {}
        }
    }

    fn give_ticket(&mut self, id: u32) {
        self.in_session = true;
        self.issued += 1;
        let ticket = Ticket { token: self.issued.to_string(), seconds: 600 };
        let mut body = Vec::new();
        body::encode(&mut body, &ticket).unwrap();
        ServerFrame::Reply { id, body: &body }.write(&mut self.out).unwrap();
    }

    fn add(&mut self, id: u32, body: &[u8], random: &mut fastrand::Rng) {
        assert!(self.in_session, "asked before the ticket");
        if let Some(waits) = self.slow.get_mut(&id) {
            *waits = true;
        } else if let Some(answer) = self.answers.get(&id) {
            self.out.extend_from_slice(answer);
        } else {
            *self.runs.entry(id).or_default() += 1;
            let mut answer = Vec::new();
            match body::decode::<u64>(body).unwrap() {
                bad if bad.is_multiple_of(7) => {
                    ServerFrame::Refusal { id, code: 403, message: "no sevens" }.write(&mut answer).unwrap();
                }
                _ => ServerFrame::Reply { id, body }.write(&mut answer).unwrap(),
            }
            if random.u8(..) < 64 {
                self.slow.insert(id, true);
            } else {
                self.out.extend_from_slice(&answer);
            }
            self.answers.insert(id, answer);
        }
    }

    fn finish_one(&mut self) {
        if let Some((id, waits)) = self.slow.pop_first()
            && waits
        {
            self.out.extend_from_slice(&self.answers[&id]);
        }
    }
}

fn take(bytes: &mut Vec<u8>, random: &mut fastrand::Rng) -> Vec<u8> {
    let most = bytes.len().min(200);
    bytes.drain(..random.usize(..=most)).collect()
}

fn storm(seed: u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut codec = ClientCodec::new(manifest());
    let (mut server, mut out, mut wire) = (Model::default(), Vec::new(), Vec::new());
    server.accept();
    codec.hello(&mut out).unwrap();
    codec.log_in(&mut out, &ann()).unwrap();
    let (mut asked, mut answered, mut cuts, mut next) = (VecDeque::new(), 0, 0, 0u64);
    let mut values: HashMap<u32, u64> = HashMap::new();
    let mut logged_in = false;
    while answered < 2_000 {
        match random.u8(..100) {
            0..25 if logged_in && next < 2_000 => match codec.request(&mut out, "bank.add", &next) {
                Ok(id) => {
                    assert!(asked.back().is_none_or(|&last| last < id));
                    asked.push_back(id);
                    values.insert(id, next);
                    next += 1;
                }
                Err(error) => assert!(matches!(error, ClientError::TooManyUnanswered { requests: 64, .. })),
            },
            25..30 if logged_in => codec.notify(&mut out, "bank.hint", &1u64).unwrap(),
            30..33 if logged_in => codec.renew(&mut out).unwrap(),
            33..60 => server.feed(&take(&mut out, &mut random), &mut random),
            60..85 => {
                wire.append(&mut server.out);
                codec.feed(&take(&mut wire, &mut random));
            }
            85..97 => server.finish_one(),
            97.. if logged_in => {
                // At any byte, in either direction.
                cuts += 1;
                (out, wire) = (Vec::new(), Vec::new());
                server.accept();
                assert!(codec.restart().iter().all(|id| !values.contains_key(id)));
                codec.hello(&mut out).unwrap();
            }
            _ => {}
        }
        while let Some(event) = codec.next_event().unwrap() {
            let (id, answer) = match event {
                ClientEvent::LoggedIn { .. } => {
                    logged_in = true;
                    continue;
                }
                ClientEvent::Welcome { .. } if logged_in => {
                    codec.resume(&mut out).unwrap();
                    continue;
                }
                ClientEvent::Welcome { .. } => continue,
                ClientEvent::Resumed => {
                    codec.resend(&mut out);
                    continue;
                }
                ClientEvent::Reply { id, body } => (id, Some(body.decode::<u64>().unwrap())),
                ClientEvent::Refused { id, code: 403, .. } => (id, None),
                other => panic!("{other:?}"),
            };
            let value = values.remove(&id).expect("one answer for each request");
            assert_eq!(answer, (!value.is_multiple_of(7)).then_some(value));
            answered += 1;
        }
    }
    assert!(cuts > 100, "{cuts} cuts");
    assert_eq!(server.runs.len(), 2_000);
    assert!(server.runs.values().all(|&runs| runs == 1));
    assert!(values.is_empty());
}

#[test]
fn each_request_is_handled_once_and_answered_once_whatever_is_cut() {
    for seed in 0..8 {
        storm(seed);
    }
}

/// A codec that has logged in.
fn logged_in(limits: Option<KeepLimits>) -> (ClientCodec, Model) {
    let (mut codec, mut server, mut out) = (ClientCodec::new(manifest()), Model::default(), Vec::new());
    codec.set_keep(limits);
    server.accept();
    codec.hello(&mut out).unwrap();
    codec.log_in(&mut out, &ann()).unwrap();
    server.feed(&out, &mut fastrand::Rng::with_seed(0));
    codec.feed(&server.out);
    assert!(matches!(codec.next_event().unwrap(), Some(ClientEvent::Welcome { .. })));
    assert!(matches!(codec.next_event().unwrap(), Some(ClientEvent::LoggedIn { .. })));
    (codec, server)
}

#[test]
fn a_request_that_cannot_be_kept_fails_at_once_and_is_not_sent() {
    let limits = KeepLimits { requests: 2, bytes: 1024 };
    let (mut codec, _) = logged_in(Some(limits));
    let mut out = Vec::new();
    let first = codec.request(&mut out, "bank.add", &1u64).unwrap();
    codec.request(&mut out, "bank.add", &2u64).unwrap();
    let before = out.clone();
    let full = codec.request(&mut out, "bank.add", &3u64).unwrap_err();
    assert!(matches!(full, ClientError::TooManyUnanswered { requests: 2, .. }), "{full}");
    assert_eq!(out, before);
    codec.forget(first);
    codec.request(&mut out, "bank.add", &3u64).unwrap();

    let (mut codec, _) = logged_in(Some(KeepLimits { requests: 100, bytes: 20 }));
    codec.request(&mut out, "bank.add", &1u64).unwrap();
    let full = codec.request(&mut out, "bank.add", &1u64).unwrap_err();
    assert!(matches!(full, ClientError::TooManyUnanswered { requests: 1, bytes: 12 }), "{full}");
}

#[test]
fn without_a_login_nothing_is_kept_and_a_lost_connection_loses_what_waits() {
    let (mut codec, mut out) = (ClientCodec::new(manifest()), Vec::new());
    let ids: Vec<u32> = (0..100u64).map(|n| codec.request(&mut out, "bank.add", &n).unwrap()).collect();
    assert!(!codec.can_resume());
    assert_eq!(codec.restart(), ids);
    out.clear();
    codec.resend(&mut out);
    assert!(out.is_empty());
    assert!(matches!(codec.resume(&mut out), Err(ClientError::LogInAnew)));
    assert_eq!(codec.request(&mut out, "bank.add", &1u64).unwrap(), 101);
}

#[test]
fn what_was_asked_before_the_login_was_answered_is_not_asked_again() {
    let (mut codec, mut out) = (ClientCodec::new(manifest()), Vec::new());
    let early = codec.request(&mut out, "bank.add", &1u64).unwrap();
    codec.log_in(&mut out, &ann()).unwrap();
    let mut server = Model::default();
    server.accept();
    server.out.clear();
    ServerFrame::Welcome { heartbeat: Duration::from_secs(20) }.write(&mut server.out).unwrap();
    server.give_ticket(2);
    codec.feed(&server.out);
    while codec.next_event().unwrap().is_some() {}
    let late = codec.request(&mut out, "bank.add", &2u64).unwrap();
    assert!(codec.can_resume());
    assert_eq!(codec.restart(), [early]);
    assert!(codec.is_unanswered(late));
}

#[test]
fn a_ticket_that_is_no_good_is_forgotten() {
    let (mut codec, _) = logged_in(Some(KeepLimits::default()));
    let mut out = Vec::new();
    codec.restart();
    let mut answer = Vec::new();
    ServerFrame::Welcome { heartbeat: Duration::from_secs(20) }.write(&mut answer).unwrap();
    codec.feed(&answer);
    codec.next_event().unwrap();
    codec.resume(&mut out).unwrap();
    answer.clear();
    // Its login was the first it asked for.
    ServerFrame::Refusal { id: 2, code: 401, message: "log in anew" }.write(&mut answer).unwrap();
    codec.feed(&answer);
    assert!(matches!(codec.next_event().unwrap(), Some(ClientEvent::NotResumed { code: 401, .. })));
    assert!(!codec.can_resume());
    assert!(matches!(codec.resume(&mut out), Err(ClientError::LogInAnew)));
}

#[test]
fn a_client_that_keeps_nothing_does_not_come_back() {
    let (mut codec, _) = logged_in(None);
    let mut out = Vec::new();
    let ids: Vec<u32> = (0..100u64).map(|n| codec.request(&mut out, "bank.add", &n).unwrap()).collect();
    assert!(!codec.can_resume());
    assert_eq!(codec.restart(), ids);
}

#[test]
fn an_answer_to_a_login_that_is_no_ticket_breaks_the_protocol() {
    let (mut codec, mut out) = (ClientCodec::new(manifest()), Vec::new());
    let id = codec.log_in(&mut out, &ann()).unwrap();
    let mut answer = Vec::new();
    ServerFrame::Welcome { heartbeat: Duration::from_secs(20) }.write(&mut answer).unwrap();
    ServerFrame::Reply { id, body: &[9] }.write(&mut answer).unwrap();
    codec.feed(&answer);
    codec.next_event().unwrap();
    assert_eq!(codec.next_event().unwrap_err().to_string(), "an answer to a login that is no ticket");
}

#[test]
fn neither_ticket_nor_password_shows_in_a_codec() {
    let (mut codec, _) = logged_in(Some(KeepLimits::default()));
    codec.log_in(&mut Vec::new(), &ann()).unwrap();
    codec.request(&mut Vec::new(), "bank.add", &1u64).unwrap();
    let shown = format!("{codec:?}");
    assert!(!shown.contains("horse"), "{shown}");
    assert!(!shown.contains("token"), "{shown}");
}
