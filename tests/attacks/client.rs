//! Clients that do nothing wrong.

use crate::{
    House, Protocol, Socket,
    house::PATIENCE,
    protocol::{be16, package, pomelo_request, sproto_request},
    skynet::{present, request, token},
    socket::{UPGRADE, UPGRADED},
    sysconn_frames::{masked, payload, whole_frame},
};
use portcullis::{
    core::{Cause, Framing},
    demo::chat::{ECHO, Echo},
    native::{ClientCodec, ClientEvent, Credentials},
    pomelo::wire::package::FRAMING,
    skynet::msgserver::wire::{self, Handshake, Username},
    sysconn::wire::{Request, Response},
};
use portcullis_testkit::{Carrier, RawClient};
use std::time::Instant;

const POMELO_HANDSHAKE: &[u8] = br#"{"sys":{"type":"test-client","version":"1.0.0"},"user":{}}"#;
pub const ENTRY: &str = "connector.entryHandler.entry";
pub const PASSWORD: &str = "correct horse";
/// What skynet's example says to a handshake, as far as it is the same in each.
const WELCOME: &[u8] = b"\x55\x02\x01";

/// A client that has shaken hands and logged in, where its protocol has such a thing.
pub struct Client {
    pub protocol: Protocol,
    link: Link,
    inbox: Vec<u8>,
    pub codec: ClientCodec,
    /// How often it has asked, and the id of the last request where the codec counts them.
    asked: u32,
    id: u32,
    /// Whether it says one byte at a time.
    pub drips: bool,
    /// Who it is.
    pub name: String,
    pub user: Option<(Username, [u8; 8])>,
}

enum Link {
    Own(Socket),
    /// The test kit's, where there is TLS.
    Kit(RawClient),
    /// A login is over when it is done.
    Over,
}

impl Client {
    /// A connection that has said nothing.
    #[track_caller]
    pub fn connect(house: &mut House, protocol: Protocol) -> Self {
        let carrier = protocol.carrier();
        let link = if !carrier.is_encrypted() {
            let mut socket = Socket::connect(house, protocol);
            if carrier == Carrier::WebSocket {
                socket.send(house, UPGRADE);
                socket.expect(house, UPGRADED, "an upgrade");
            } else if protocol == Protocol::Proxied {
                socket.send(house, b"PROXY UNKNOWN\r\n");
                house.until("the world learns of it", |server| socket.find(server).is_some());
            }
            Link::Own(socket)
        } else {
            let listener = house.listener(protocol);
            Link::Kit(house.server.connect_over(listener, carrier))
        };
        Self::with(house, protocol, link)
    }

    fn with(house: &mut House, protocol: Protocol, link: Link) -> Self {
        let (name, codec) = (house.name(), ClientCodec::new(house.manifest.clone()));
        let (inbox, asked, id, drips, user) = (Vec::new(), 0, 0, false, None);
        Self { protocol, link, inbox, codec, asked, id, drips, name, user }
    }

    /// One that has come in.
    #[track_caller]
    pub fn enter(house: &mut House, protocol: Protocol) -> Self {
        match protocol {
            Protocol::Login => Self::log_in(house),
            Protocol::MsgServer => {
                let Self { name, user, .. } = Self::log_in(house);
                let (username, secret) = user.unwrap();
                let mut client = Self { name, ..Self::connect(house, protocol) };
                client.user = Some((username, secret));
                client.shake_hands(house, 1);
                client
            }
            _ => {
                let mut client = Self::connect(house, protocol);
                client.greet(house);
                client
            }
        }
    }

    /// A whole login of skynet's.
    #[track_caller]
    pub fn log_in(house: &mut House) -> Self {
        let mut client = Self::with(house, Protocol::Login, Link::Over);
        let mut login = present(&mut house.server, &token(&client.name, "sample"));
        let (secret, subid) = (login.secret, login.expect_subid());
        let user = Username { uid: client.name.as_str().into(), server: "sample".into(), subid };
        client.user = Some((user, secret));
        client
    }

    #[track_caller]
    pub fn greet(&mut self, house: &mut House) {
        match self.protocol {
            Protocol::Native => {
                let mut hello = Vec::new();
                self.codec.hello(&mut hello).unwrap();
                self.say(house, &hello);
                self.expect_event(house, "a welcome", |event| matches!(event, ClientEvent::Welcome { .. }));
                let mut login = Vec::new();
                self.codec.register(&mut login, &Credentials::new(self.name.as_str(), PASSWORD)).unwrap();
                self.say(house, &login);
                self.expect_event(house, "a ticket", |event| matches!(event, ClientEvent::LoggedIn { .. }));
            }
            Protocol::Pomelo(_) => {
                self.say(house, &package(1, POMELO_HANDSHAKE));
                self.expect(house, "a welcome", |frame| frame[0] == 1 && contains(frame, b"\"code\":200"));
                self.say(house, &package(2, b""));
                self.expect(house, "a heartbeat", |frame| frame == package(3, b""));
            }
            Protocol::Sysconn => {
                let name = self.name.clone();
                let body = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
                self.say(house, &sysconn_request(1, 1002, &body));
                self.expect(house, "a login", |frame| {
                    Response::read(frame).is_ok_and(|answer| (answer.error, answer.command) == (0, 1002))
                });
            }
            _ => {}
        }
    }

    /// A handshake with the msgserver, by the next index.
    #[track_caller]
    pub fn shake_hands(&mut self, house: &mut House, index: i64) {
        let (username, secret) = self.user.clone().unwrap();
        let mut handshake = Vec::new();
        Handshake::write(&username.encode(), index, &secret, &mut handshake).unwrap();
        self.say(house, &handshake);
        self.expect(house, "200 OK", |frame| frame == b"200 OK");
    }

    /// Asks something, and gets the right answer.
    #[track_caller]
    pub fn ask(&mut self, house: &mut House) {
        let question = self.question();
        self.say(house, &question);
        let begun = Instant::now();
        while !self.is_answered() {
            assert!(begun.elapsed() < PATIENCE, "{:?} is not answered", self.protocol);
            house.server.settle();
        }
    }

    /// The next question: its answer is known.
    pub fn question(&mut self) -> Vec<u8> {
        self.asked += 1;
        let n = self.number();
        match self.protocol {
            Protocol::Native => {
                let mut out = Vec::new();
                self.id = self.codec.request(&mut out, ECHO, &Echo { text: self.text() }).unwrap();
                out
            }
            Protocol::Sproto => sproto_request(1, n),
            Protocol::Raw | Protocol::Proxied => be16(self.text().as_bytes()),
            Protocol::Login => Vec::new(),
            Protocol::MsgServer => request(self.asked, self.text().as_bytes()),
            Protocol::Pomelo(_) => pomelo_request(n, ENTRY, b"{}"),
            Protocol::Sysconn => sysconn_request(u32::from(n), 1190, &[b'\x0a', 1, b'a' + n % 26]),
        }
    }

    fn number(&self) -> u8 {
        (self.asked % 120) as u8
    }

    fn text(&self) -> String {
        format!("the {}th", self.number())
    }

    /// Whether the answer to the last question is among what has come. What is pushed is passed over.
    pub fn is_answered(&mut self) -> bool {
        self.read();
        match self.protocol {
            Protocol::Login => true,
            Protocol::Native => self.events().into_iter().any(|event| self.is_reply(event)),
            _ => {
                let frames = std::iter::from_fn(|| self.take()).collect::<Vec<_>>();
                frames.iter().any(|frame| self.is_answer(frame))
            }
        }
    }

    fn is_reply(&self, event: ClientEvent) -> bool {
        let text = self.text();
        matches!(event, ClientEvent::Reply { id, body }
            if id == self.id && body.decode::<Echo>().is_ok_and(|echo| echo.text == text))
    }

    fn is_answer(&self, frame: &[u8]) -> bool {
        let n = self.number();
        match self.protocol {
            Protocol::Native | Protocol::Login => false,
            Protocol::Sproto => frame.starts_with(WELCOME) && contains(frame, b"skynet"),
            Protocol::Raw | Protocol::Proxied => frame == self.text().as_bytes(),
            Protocol::MsgServer => wire::Response::parse(frame).is_ok_and(|response| {
                response.session == self.asked
                    && response.answer == wire::Answer::Done(self.text().as_bytes())
            }),
            Protocol::Pomelo(_) => {
                frame[0] == 4 && frame.get(5) == Some(&n) && contains(frame, b"game server is ok")
            }
            Protocol::Sysconn => Response::read(frame).is_ok_and(|answer| {
                answer.flag == u32::from(n) && answer.body == [b'\x0a', 1, b'a' + n % 26]
            }),
        }
    }

    /// The bytes as the carrier has them: a whole package of Pomelo's, or message of the connector's, where it has
    /// messages.
    pub fn wrap(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.link {
            Link::Own(_) if self.protocol.carrier() == Carrier::WebSocket => masked(0x82, bytes),
            _ => bytes.to_vec(),
        }
    }

    pub fn say(&mut self, house: &mut House, bytes: &[u8]) {
        self.say_bytes(house, &self.wrap(bytes));
    }

    /// Bytes that are what its socket sends.
    pub fn say_bytes(&mut self, house: &mut House, bytes: &[u8]) {
        let drips = self.drips;
        match &mut self.link {
            Link::Own(socket) if drips => {
                for byte in bytes.chunks(1) {
                    socket.push(byte);
                    house.server.step();
                }
            }
            Link::Own(socket) => socket.send(house, bytes),
            Link::Kit(raw) => raw.send_bytes(bytes),
            Link::Over => {}
        }
    }

    /// Says it, and does not run the server.
    pub fn put(&mut self, house: &mut House, bytes: &[u8]) -> usize {
        let bytes = self.wrap(bytes);
        match &mut self.link {
            Link::Own(socket) => socket.push(&bytes),
            Link::Kit(raw) => {
                house.server.together(|| raw.send_bytes(&bytes));
                bytes.len()
            }
            Link::Over => 0,
        }
    }

    /// Its own end of the connection.
    #[track_caller]
    pub fn socket(&mut self) -> &mut Socket {
        match &mut self.link {
            Link::Own(socket) => socket,
            Link::Kit(_) | Link::Over => panic!("{:?} has no socket of its own", self.protocol),
        }
    }

    #[track_caller]
    pub fn expect_closed(&mut self, house: &mut House, cause: Cause) {
        match &mut self.link {
            Link::Own(socket) => socket.expect_closed(house, cause),
            Link::Kit(raw) => raw.expect_closed(cause),
            Link::Over => panic!("it is over"),
        }
    }

    pub fn is_open(&mut self, house: &mut House) -> bool {
        match &mut self.link {
            Link::Own(socket) => socket.is_open(house),
            Link::Kit(raw) => raw.is_open(),
            Link::Over => false,
        }
    }

    fn take(&mut self) -> Option<Vec<u8>> {
        let framing = match self.protocol {
            Protocol::Native => Framing::LE32,
            Protocol::Sproto | Protocol::Raw | Protocol::Proxied | Protocol::MsgServer => Framing::BE16,
            Protocol::Login => Framing::LINE,
            Protocol::Pomelo(_) => FRAMING,
            Protocol::Sysconn => {
                let size = self.inbox.get(2..4)?;
                let end = Response::HEADER + usize::from(u16::from_be_bytes([size[0], size[1]]));
                return (end <= self.inbox.len()).then(|| self.inbox.drain(..end).collect());
            }
        };
        let extent = (framing.measure)(&self.inbox)?;
        let end = extent.header + extent.payload;
        (end <= self.inbox.len()).then(|| self.inbox.drain(..end).skip(extent.header).collect())
    }

    /// The next frame, where one has come.
    pub fn take_frame(&mut self) -> Option<Vec<u8>> {
        self.read();
        self.take()
    }

    fn read(&mut self) {
        let read = match &mut self.link {
            Link::Own(socket) => {
                socket.read();
                if self.protocol.carrier() == Carrier::WebSocket {
                    messages(&mut socket.inbox)
                } else {
                    std::mem::take(&mut socket.inbox)
                }
            }
            Link::Kit(raw) => raw.read(),
            Link::Over => Vec::new(),
        };
        self.inbox.extend(read);
    }

    /// Reads until such a frame has come, over whatever is pushed before it.
    #[track_caller]
    pub fn expect(&mut self, house: &mut House, what: &str, wanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let begun = Instant::now();
        let mut others = Vec::new();
        while begun.elapsed() < PATIENCE {
            self.read();
            while let Some(frame) = self.take() {
                if wanted(&frame) {
                    return frame;
                }
                others.push(frame.escape_ascii().to_string());
            }
            house.server.settle();
        }
        panic!("{:?}: expected {what}, and {others:?} has come", self.protocol);
    }

    #[track_caller]
    pub fn expect_event(&mut self, house: &mut House, what: &str, wanted: impl Fn(&ClientEvent) -> bool) {
        let begun = Instant::now();
        let mut others = Vec::new();
        while begun.elapsed() < PATIENCE {
            self.read();
            others.extend(self.events());
            if others.iter().any(&wanted) {
                return;
            }
            house.server.settle();
        }
        panic!("{:?}: expected {what}, and not {others:?}", self.protocol);
    }

    /// What the native protocol's server has said since it was last asked.
    pub fn events_come(&mut self) -> Vec<ClientEvent> {
        self.read();
        self.events()
    }

    fn events(&mut self) -> Vec<ClientEvent> {
        self.codec.feed(&std::mem::take(&mut self.inbox));
        std::iter::from_fn(|| self.codec.next_event().unwrap()).collect()
    }
}

pub fn sysconn_request(flag: u32, command: u16, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    Request { status: Default::default(), flag, command, body, size: Default::default() }.write(&mut out);
    out
}

pub fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Takes what the whole messages among these frames of a server hold.
fn messages(inbox: &mut Vec<u8>) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = whole_frame(inbox) {
        let frame: Vec<u8> = inbox.drain(..end).collect();
        if frame[0] == 0x82 {
            out.extend(payload(&frame));
        }
    }
    out
}
