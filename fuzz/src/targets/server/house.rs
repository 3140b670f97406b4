//! The server: every protocol, with the handlers of the demos.

use super::{MOST_UNSENT, client::Client};
use portcullis::{
    core::Outbox,
    demo::{
        chat::ChatPlugin,
        connector::{CLIENT_PROTOS, ConnectorPlugin, DICTIONARY, SERVER_PROTOS},
        echo::{self, EchoPlugin},
        login::LoginPlugin,
        msgagent::{self, MsgAgentPlugin},
        roles::RolesPlugin,
        simpledb::{CLIENT_TO_SERVER, SERVER_TO_CLIENT, SimpleDbPlugin},
    },
    dispatch::{Routes, WaitingAnswers},
    native::Manifest,
    pomelo::PomeloListener,
    prelude::*,
    skynet::{
        SkynetListener,
        login::LoginListener,
        msgserver::{MsgServerListener, log_in, wire::Username},
    },
    sysconn::SysconnListener,
    watchdog::HeartbeatInterval,
};
use portcullis_testkit::{Carrier, TestServer, Transport};
use std::{collections::BTreeMap, time::Duration};

/// What the msgserver is called.
pub const SERVER: &str = "sample";
/// Users whose names clients may take.
pub const NAMES: [&str; 3] = ["ann", "bob", "cid"];
pub const LISTENERS: usize = 7;
/// A request is answered by then, be it that it took too long.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// What a listener's clients speak: its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    Native,
    Sproto,
    Raw,
    Login,
    MsgServer,
    Pomelo,
    Sysconn,
}

impl Speaks {
    pub fn of(number: usize) -> Self {
        use Speaks::{Login, MsgServer, Native, Pomelo, Raw, Sproto, Sysconn};
        [Native, Sproto, Raw, Login, MsgServer, Pomelo, Sysconn][number % LISTENERS]
    }
}

/// What clients need to know to be let in.
pub struct Keys {
    pub manifest: Manifest,
    /// Of users of the msgserver: the secret, the number of the login, and of the next handshake.
    pub users: BTreeMap<&'static str, ([u8; 8], u64, i64)>,
}

pub struct House {
    pub server: TestServer,
    pub keys: Keys,
    listeners: [Entity; LISTENERS],
    over_sockets: bool,
}

impl House {
    pub fn new(transport: Transport) -> Self {
        // What is in memory is over at once, or never.
        let patience = if transport == Transport::Memory { Duration::ZERO } else { Duration::from_secs(5) };
        let mut server = TestServer::builder()
            .transport(transport)
            .seed(1)
            .tick(Duration::from_millis(500))
            .patience(patience)
            .plugin((demos, protocols))
            .build();
        let one = |found: Vec<Entity>| found[0];
        let skynet = server.listeners::<SkynetListener>();
        let listeners = [
            server.listener(),
            skynet[0],
            skynet[1],
            one(server.listeners::<LoginListener>()),
            one(server.listeners::<MsgServerListener>()),
            one(server.listeners::<PomeloListener>()),
            one(server.listeners::<SysconnListener>()),
        ];
        let secret = *b"a secret";
        let users = NAMES[..2].iter().map(|&name| {
            let subid = log_in(&mut server.world_mut(), SERVER, name, &secret).unwrap();
            (name, (secret, subid, 1))
        });
        let users = users.collect();
        server.settle();
        let manifest = Manifest::of_routes("testkit", 1, server.world().resource::<Routes>());
        let over_sockets = transport != Transport::Memory;
        Self { server, keys: Keys { manifest, users }, listeners, over_sockets }
    }

    /// A client of the listener of this number; of those above, every second speaks by WebSocket where that can be.
    pub fn connect(&mut self, number: usize) -> Client {
        let (listener, speaks) = (self.listeners[number % LISTENERS], Speaks::of(number));
        let takes_websocket = self.over_sockets && matches!(speaks, Speaks::Pomelo | Speaks::Sysconn);
        let raw = if takes_websocket && number / LISTENERS % 2 == 1 {
            self.server.connect_over(listener, Carrier::WebSocket)
        } else {
            self.server.connect_raw(listener)
        };
        Client::new(raw, speaks)
    }

    /// What holds for every server, and the bounds of this one.
    ///
    /// What clients have asked who are gone is still answered, later: where nobody is left, that is waited for, as the
    /// invariants want it.
    pub fn check(&mut self) {
        for _ in 0..LONGEST_WAIT.as_secs() {
            if !self.only_answers_are_left() {
                break;
            }
            self.server.advance(Duration::from_secs(1));
        }
        self.server.check_invariants();
        let mut world = self.server.world_mut();
        let mut outboxes = world.query::<&Outbox>();
        for outbox in outboxes.iter(&world) {
            assert!(outbox.bytes().len() <= MOST_UNSENT, "{} bytes are unsent", outbox.bytes().len());
        }
    }
}

impl House {
    fn only_answers_are_left(&mut self) -> bool {
        let mut world = self.server.world_mut();
        let mut connections = world.query_filtered::<(), With<Connection>>();
        connections.iter(&world).next().is_none() && world.resource::<WaitingAnswers>().in_flight() > 0
    }
}

impl Keys {
    /// What a user of the msgserver says to be let in, and its next index.
    pub fn handshake(&mut self, name: usize) -> Option<(Vec<u8>, i64, [u8; 8])> {
        let name = NAMES[name % NAMES.len()];
        let (secret, subid, index) = self.users.get_mut(name)?;
        *index += 1;
        let username = Username { uid: name.into(), server: SERVER.into(), subid: *subid };
        Some((username.encode(), *index - 1, *secret))
    }
}

fn demos(app: &mut App) {
    app.add_plugins((
        ChatPlugin,
        ConnectorPlugin::default(),
        EchoPlugin,
        LoginPlugin::default(),
        MsgAgentPlugin,
        RolesPlugin::default(),
        SimpleDbPlugin { max_keys: 64, max_bytes: 64 * 1024 },
    ));
}

/// In memory, addresses are there for their framings.
fn protocols(app: &mut App) {
    const ANYWHERE: &str = "127.0.0.1:0";
    let heartbeat = |listener: &mut EntityWorldMut| {
        listener.insert(HeartbeatInterval(Duration::from_secs(5)));
    };
    let sproto = SkynetPlugin::sproto(CLIENT_TO_SERVER, SERVER_TO_CLIENT).unwrap();
    let pomelo = PomeloPlugin::listen(ANYWHERE)
        .dictionary_json(DICTIONARY)
        .unwrap()
        .protos(CLIENT_PROTOS, SERVER_PROTOS)
        .unwrap();
    app.add_plugins((
        sproto.agent(|| ()).with(heartbeat),
        SkynetPlugin::raw(echo::ROUTE),
        LoginServerPlugin::default().listen(ANYWHERE),
        MsgServerPlugin::new(SERVER, msgagent::ROUTE),
        pomelo,
        SysconnPlugin::listen(ANYWHERE),
    ));
}
