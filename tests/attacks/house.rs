//! The server that is attacked: every protocol, the demos, and the settings of `assets/portcullis.toml`.

use crate::{
    ALL, Client, Protocol,
    game::{FRAMES, game, schema},
};
use portcullis::{
    core::{Agent, Framing, Link},
    demo::{
        connector::{CLIENT_PROTOS, DICTIONARY, SERVER_PROTOS},
        members::MembersOnly,
        simpledb::SERVER_TO_CLIENT,
    },
    dispatch::{Routes, WaitingAnswers},
    gate::{MaxClients, Refusal, Refusals},
    native::Manifest,
    net::{ListenerHandle, Proxies, Tls},
    pomelo::PomeloListener,
    prelude::*,
    skynet::{SkynetListener, login::LoginListener, msgserver::MsgServerListener},
    sysconn::SysconnListener,
    watchdog::{HeartbeatInterval, IdleLimit, LoginLimit},
};
use portcullis_testkit::{Carrier, TestServer, TestServerBuilder, Transport};
use std::{
    env, fs,
    net::SocketAddr,
    process,
    sync::{Arc, LazyLock},
    time::{Duration, Instant},
};

/// How long is waited, in real time, for what is on its way.
pub const PATIENCE: Duration = Duration::from_secs(10);
const ANYWHERE: &str = "127.0.0.1:0";

pub struct House {
    pub server: TestServer,
    pub manifest: Arc<Manifest>,
    listeners: [Entity; 8],
    bystanders: Vec<Client>,
    asked_at: Duration,
    /// Makes names.
    count: u32,
}

impl House {
    pub fn inline() -> TestServerBuilder {
        TestServer::builder().transport(Transport::ALL[1])
    }

    pub fn thread() -> TestServerBuilder {
        TestServer::builder().transport(Transport::ALL[2])
    }

    /// Attacks a house where somebody is at home, and looks at what is left of it.
    #[track_caller]
    pub fn attacked(builder: TestServerBuilder, attack: impl FnOnce(&mut Self)) {
        let mut house = Self::build(builder);
        house.move_in();
        attack(&mut house);
        house.stands();
    }

    /// With nobody in it.
    pub fn build(builder: TestServerBuilder) -> Self {
        let server = builder.tick(Duration::from_millis(250)).patience(PATIENCE).plugin((game, protocols));
        let login = LoginLimit(Duration::from_secs(10));
        let server = server.listener(move |listener| {
            listener.insert((MembersOnly, login));
        });
        let server = server.build();
        let (skynet, pomelo) = (server.listeners::<SkynetListener>(), server.listeners::<PomeloListener>());
        let listeners = [
            server.listener(),
            skynet[0],
            skynet[1],
            skynet[2],
            server.listeners::<LoginListener>()[0],
            server.listeners::<MsgServerListener>()[0],
            pomelo[0],
            pomelo[1],
        ];
        let manifest = Manifest::of_routes("testkit", 1, server.world().resource::<Routes>());
        let (manifest, bystanders, asked_at) = (Arc::new(manifest), Vec::new(), Duration::ZERO);
        Self { server, manifest, listeners, bystanders, asked_at, count: 0 }
    }

    /// Who is there before anything happens.
    pub fn move_in(&mut self) {
        for protocol in ALL {
            let bystander = Client::enter(self, protocol);
            self.bystanders.push(bystander);
        }
    }

    pub fn listener(&self, protocol: Protocol) -> Entity {
        match protocol {
            Protocol::Native => self.listeners[0],
            Protocol::Sproto => self.listeners[1],
            Protocol::Raw => self.listeners[2],
            Protocol::Proxied => self.listeners[3],
            Protocol::Login => self.listeners[4],
            Protocol::MsgServer => self.listeners[5],
            Protocol::Pomelo(Carrier::Tcp | Carrier::WebSocket) => self.listeners[6],
            Protocol::Pomelo(_) => self.listeners[7],
            Protocol::Sysconn => self.server.listeners::<SysconnListener>()[0],
        }
    }

    pub fn address(&self, protocol: Protocol) -> SocketAddr {
        let listener = self.listener(protocol);
        self.server.world().get::<ListenerHandle>(listener).unwrap().address()
    }

    /// A name that nobody has had.
    pub fn name(&mut self) -> String {
        self.count += 1;
        format!("user{}", self.count)
    }

    /// Lets time pass, in which bystanders do what they are there for.
    pub fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.server.advance(Duration::from_secs(1));
            // Pomelo's clients say every three seconds that they live.
            if self.server.now() >= self.asked_at + Duration::from_secs(3) {
                self.ask_bystanders();
            }
        }
    }

    /// Runs the server until this holds, or patience is at its end.
    #[track_caller]
    pub fn until(&mut self, what: &str, mut holds: impl FnMut(&mut TestServer) -> bool) {
        let begun = Instant::now();
        while !holds(&mut self.server) {
            assert!(begun.elapsed() < PATIENCE, "{what}");
            self.server.settle();
        }
    }

    #[track_caller]
    pub fn ask_bystanders(&mut self) {
        let mut bystanders = std::mem::take(&mut self.bystanders);
        for bystander in &mut bystanders {
            let question = bystander.question();
            bystander.put(self, &question);
        }
        let mut waiting: Vec<&mut Client> = bystanders.iter_mut().collect();
        let begun = Instant::now();
        while !waiting.is_empty() {
            self.server.settle();
            self.server.together(|| waiting.retain_mut(|bystander| !bystander.is_answered()));
            let who: Vec<_> = waiting.iter().map(|bystander| bystander.protocol).collect();
            assert!(begun.elapsed() < PATIENCE, "bystanders are not answered: {who:?}");
        }
        self.bystanders = bystanders;
        self.asked_at = self.server.now();
    }

    /// A newcomer is served.
    #[track_caller]
    pub fn welcomes(&mut self, protocol: Protocol) {
        Client::enter(self, protocol).ask(self);
    }

    pub fn refused(&self, why: Refusal) -> u64 {
        self.server.world().resource::<Refusals>().count(why)
    }

    pub fn connections(&mut self) -> usize {
        let mut world = self.server.world_mut();
        world.query_filtered::<(), With<Connection>>().iter(&world).len()
    }

    /// Bystanders are served, and newcomers. Then all leave, and nothing is left of them.
    #[track_caller]
    pub fn stands(mut self) {
        self.server.settle();
        self.ask_bystanders();
        for protocol in ALL {
            self.welcomes(protocol);
        }
        self.ask_bystanders();
        self.bystanders.clear();
        self.until("all connections are closed", |server| {
            let mut world = server.world_mut();
            world.query_filtered::<(), With<Link>>().iter(&world).next().is_none()
        });
        // What was asked is answered, and sessions that wait for somebody end.
        self.server.advance(Duration::from_secs(61));
        let (at_home, agents, waiting) = {
            let mut world = self.server.world_mut();
            let mut sessions = world.query::<&Session>();
            // Those of skynet's msgserver are for ever, as in the original.
            let mut others = sessions.iter(&world).filter(|session| session.server().as_str() != "sample");
            let at_home = others.next().map(|session| session.uid().to_string());
            let for_ever = world.query::<&Session>().iter(&world).len();
            let agents = world.query_filtered::<(), With<Agent>>().iter(&world).len();
            (at_home, agents.saturating_sub(for_ever), world.resource::<WaitingAnswers>().in_flight())
        };
        assert_eq!((at_home, agents, waiting), (None, 0, 0), "a session, agents, answers that are left over");
        self.server.check_invariants();
    }
}

/// As the built-in configuration has it.
static CONFIGURATION: LazyLock<toml::Table> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/portcullis.toml");
    fs::read_to_string(path).unwrap().parse().unwrap()
});

/// A number that a listener has there, as 0 where it is no limit.
fn setting(listener: &str, key: &str) -> Option<u64> {
    let number = CONFIGURATION["listener"][listener][key].as_integer().unwrap();
    (number > 0).then(|| number.unsigned_abs())
}

/// A certificate for this process.
static CERTIFICATE: LazyLock<Tls> = LazyLock::new(|| {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |kind: &str| env::temp_dir().join(format!("portcullis-attacks-{}-{kind}.pem", process::id()));
    let (certificate, key) = (file("certificate"), file("key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Tls::from_pem_files(&certificate, &key).unwrap()
});

fn protocols(app: &mut App) {
    let seconds = |seconds: Option<u64>| seconds.map_or(Duration::MAX, Duration::from_secs);
    let skynet = (
        HeartbeatInterval(seconds(setting("skynet", "heartbeat_seconds"))),
        IdleLimit(seconds(setting("skynet", "idle_seconds"))),
        MaxClients(setting("skynet", "max_clients").unwrap() as usize),
    );
    let pomelo = |name| {
        PomeloPlugin::listen(ANYWHERE)
            .heartbeat(Duration::from_secs(setting(name, "heartbeat_seconds").unwrap()))
            .dictionary_json(DICTIONARY)
            .unwrap()
            .protos(CLIENT_PROTOS, SERVER_PROTOS)
            .unwrap()
    };
    let proxies = Proxies {
        networks: ["127.0.0.0/8".parse().unwrap()].into(),
        proxy_protocol: true,
        forwarded_for: false,
    };
    // In the plugin it is as in the original, which is longer.
    let handshake = CONFIGURATION["limits"]["handshake_seconds"].as_integer().unwrap().unsigned_abs();
    let greeting = Duration::from_secs(handshake);
    let sysconn = SysconnPlugin::listen(ANYWHERE).handshake(greeting);
    let here: SocketAddr = ANYWHERE.parse().unwrap();
    app.add_plugins((
        SkynetPlugin::sproto(&schema(), SERVER_TO_CLIENT).unwrap().agent(|| ()).listen(ANYWHERE).with(
            move |listener| {
                listener.insert(skynet);
            },
        ),
        SkynetPlugin::raw(FRAMES).listen(ANYWHERE),
        SkynetPlugin::raw(FRAMES).listen(ANYWHERE).with(move |listener| {
            let behind = Listener::new(here, Framing::BE16).proxies(proxies.clone());
            // So long in real time, for nobody but the transport knows of who has not told.
            listener.insert(behind.greeting_limit(Duration::from_millis(300)));
        }),
        LoginServerPlugin::default().listen(ANYWHERE),
        MsgServerPlugin::new("sample", FRAMES).listen(ANYWHERE).max_clients(64),
        pomelo("pomelo"),
        pomelo("pomelo").with(move |listener| {
            listener.insert(PomeloPlugin::listener(here).tls(CERTIFICATE.clone()));
        }),
        sysconn,
    ));
}
