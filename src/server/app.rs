//! The app that a configuration describes.

use super::{
    Failure,
    config::{Config, Driver, Limits, Listener as Settings, LogIn, Multi, Serve, Source, Speaks},
    connector, edge, login,
    report::ReportPlugin,
    schemas::Schemas,
    sysconn,
};
use portcullis::{
    core::{DrainLimit, Framing, InboundLimit, MaxFrame, OutboxLimit},
    demo::{
        chat::{self, ChatPlugin},
        connector::ConnectorPlugin,
        echo::{self, EchoPlugin},
        login::LoginPlugin,
        members::MembersOnly,
        msgagent::MsgAgentPlugin,
        roles::RolesPlugin,
        simpledb::SimpleDbPlugin,
    },
    dispatch::Routes,
    gate::{
        AcceptRate, AcceptRates, DenyList, GatePlugin, MaxClients, MaxConnections, PerAddressLimit,
        PreLoginBudget, parse_network,
    },
    native::Manifest,
    pomelo::wire::package,
    prelude::*,
    watchdog::{
        AgentTemplate, HandshakeLimit, HeartbeatInterval, IdleLimit, LoginLimit, WatchdogDefaults,
        WatchdogPlugin,
    },
};
use std::time::Duration;

/// Assembles the server. Nothing listens before the app is finished.
pub fn build(config: &Config, source: &Source) -> Result<App, Failure> {
    let mut app = App::new();
    let plugins = ServerPlugins
        .set(NetPlugin { driver: driver(config) })
        .set(gate(config))
        .set(WatchdogPlugin { defaults: deadlines(&config.limits) });
    app.add_plugins((plugins, SignalPlugin))
        .insert_resource(TickRate::from_hz(config.server.tick_rate.get()))
        .insert_resource(DrainLimit(config.server.drain_seconds.duration()));
    if let Some(every) = config.log.report_seconds.limit() {
        app.add_plugins(ReportPlugin { every });
    }
    for demo in [
        Serve::SimpleDb,
        Serve::Login,
        Serve::MsgAgent,
        Serve::Echo,
        Serve::Chat,
        Serve::Connector,
        Serve::Roles,
    ] {
        if config.listener.values().any(|listener| listener.serve == demo) {
            add_demo(&mut app, demo, config);
        }
    }
    // Before there are routes to log in by: a listener offers those only where its clients do.
    let offered = Manifest::of_routes("portcullis", 1, app.world().resource::<Routes>());
    #[cfg(feature = "accounts")]
    super::accounts::add(&mut app, config, source)?;
    for (name, listener) in &config.listener {
        add_listener(&mut app, name, listener, &config.limits, &offered, source)?;
    }
    Ok(app)
}

fn driver(config: &Config) -> DriverKind {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = DriverKind::Thread(config.net.threads.limit().unwrap_or((cores / 4).clamp(1, 4)));
    match (config.net.driver, DriverKind::Auto.resolve()) {
        (Driver::Inline, _) | (Driver::Auto, DriverKind::Inline) => DriverKind::Inline,
        (Driver::Thread | Driver::Auto, _) => threads,
    }
}

fn gate(config: &Config) -> GatePlugin {
    let mut deny = DenyList::default();
    for network in config.gate.deny.iter().filter_map(|network| parse_network(&network.0).ok()) {
        deny.add(network);
    }
    GatePlugin {
        max_connections: MaxConnections(config.gate.max_connections.size()),
        per_address: PerAddressLimit {
            remote: config.gate.per_address.limit(),
            loopback: config.gate.per_loopback_address.limit(),
        },
        before_login: PreLoginBudget {
            max_frame: config.limits.max_frame_before_login.size(),
            held: config.limits.held_before_login.size(),
        },
        rates: AcceptRates {
            address: rate(config.gate.accept_per_second.small()),
            network: rate(config.gate.accept_per_network_second.small()),
            ..AcceptRates::default()
        },
        budget: Some(config.gate.budget.size()),
        deny,
    }
}

/// So many a second, and five times as many at once; none for 0.
fn rate(per_second: u32) -> Option<AcceptRate> {
    let rate = AcceptRate { per_second: per_second.into(), burst: per_second.saturating_mul(5) };
    Some(rate).filter(|_| per_second > 0)
}

fn deadlines(limits: &Limits) -> WatchdogDefaults {
    WatchdogDefaults {
        handshake: HandshakeLimit(limits.handshake_seconds.limit().unwrap_or(Duration::MAX)),
        login: LoginLimit(limits.login_seconds.limit().unwrap_or(Duration::MAX)),
        ..WatchdogDefaults::default()
    }
}

fn add_demo(app: &mut App, demo: Serve, config: &Config) {
    match demo {
        Serve::SimpleDb => app.add_plugins(SimpleDbPlugin {
            max_keys: config.demo.simpledb_keys.size(),
            max_bytes: config.demo.simpledb_bytes.size(),
        }),
        Serve::Login => app.add_plugins(LoginPlugin { max_users: config.demo.login_users.size() }),
        Serve::MsgAgent => app.add_plugins(MsgAgentPlugin),
        Serve::Echo => app.add_plugins(EchoPlugin),
        Serve::Chat => app.add_plugins(ChatPlugin),
        Serve::Connector => app.add_plugins(ConnectorPlugin::default()),
        Serve::Roles => app.add_plugins(RolesPlugin { max_roles: config.demo.roles.size() }),
        Serve::Nothing => app,
    };
}

fn add_listener(
    app: &mut App,
    name: &str,
    settings: &Settings,
    limits: &Limits,
    offered: &Manifest,
    source: &Source,
) -> Result<(), Failure> {
    let heartbeat = settings.heartbeat_seconds.limit();
    let fault = |key: &str, value: &str, problem| {
        source.fault(&format!("listener.{name}.{key}"), &format!("{value:?}"), problem)
    };
    let socket = |framing| {
        edge::listener(settings, framing).map_err(|error| fault(error.key, &error.value, error.problem))
    };
    match settings.protocol {
        Speaks::Skynet => {
            let gate = Schemas::of(settings).map_err(|error| fault(error.key, &error.file, error.problem))?;
            if let Some(gate) = gate {
                app.add_plugins(gate.with(listen(name, settings, limits, socket(Framing::BE16)?)));
            }
        }
        Speaks::Pomelo => {
            let plugin =
                connector::plugin(settings).map_err(|error| fault(error.key, &error.file, error.problem))?;
            if let Some(plugin) = plugin {
                let socket = socket(package::FRAMING)?;
                app.add_plugins(plugin.with(listen(name, settings, limits, socket)));
            }
        }
        Speaks::SkynetLogin => {
            let socket = socket(Framing::LINE)?;
            app.add_plugins(login::server(settings, limits).with(listen(name, settings, limits, socket)));
        }
        Speaks::MsgServer => {
            let socket = socket(Framing::BE16)?;
            app.add_plugins(login::msgserver(settings).with(listen(name, settings, limits, socket)));
        }
        Speaks::Sysconn => {
            let greeting = limits.handshake_seconds.limit().unwrap_or(Duration::MAX);
            let socket = socket(Framing::WHOLE)?.greeting_limit(greeting);
            app.add_plugins(sysconn::plugin(settings, limits).with(listen(name, settings, limits, socket)));
        }
        Speaks::Raw => {
            let gate = SkynetPlugin::raw(echo::ROUTE);
            app.add_plugins(gate.with(listen(name, settings, limits, socket(Framing::BE16)?)));
        }
        Speaks::Native => {
            let manifest = if settings.serve == Serve::Chat { chat::manifest() } else { offered.clone() };
            let manifest = if settings.login == LogIn::None { manifest } else { manifest.with_login() };
            let mut native = NativePlugin::default().manifest(manifest);
            if let Some(heartbeat) = heartbeat {
                native = native.heartbeat(heartbeat);
            }
            app.add_plugins(native.with(listen(name, settings, limits, socket(Framing::LE32)?)));
        }
    }
    Ok(())
}

/// Gives a listener entity its name and policies, and opens it.
fn listen(
    name: &str,
    settings: &Settings,
    limits: &Limits,
    socket: Listener,
) -> impl Fn(&mut EntityWorldMut) + Send + Sync + 'static + use<> {
    let policies = (Name::new(name.to_owned()), OutboxLimit(limits.outbox.size()));
    // A login server's are its protocol's, for there is nothing but what comes before the login.
    let own = (settings.protocol != Speaks::SkynetLogin).then(|| {
        (InboundLimit(limits.held.size()), IdleLimit(settings.idle_seconds.limit().unwrap_or(Duration::MAX)))
    });
    // That of sysconn is its max_message.
    let max_frame = (!matches!(settings.protocol, Speaks::SkynetLogin | Speaks::Sysconn))
        .then(|| MaxFrame(limits.max_frame.size()));
    let max_clients = settings.max_clients.limit().map(MaxClients);
    // Pomelo's rhythm is its plugin's: it begins when a client has learnt of it.
    let heartbeat = settings.heartbeat_seconds.limit().map(HeartbeatInterval);
    let heartbeat = heartbeat.filter(|_| settings.protocol != Speaks::Pomelo);
    let multi_login = match (settings.multi_login, settings.protocol) {
        (Multi::Allow, _) | (Multi::Auto, Speaks::Pomelo) => MultiLogin::Allow(usize::MAX),
        (Multi::Refuse, _) => MultiLogin::Refuse,
        (Multi::Replace | Multi::Auto, _) => MultiLogin::Replace,
    };
    // Who does not log in has no business at it. Listeners without a login have no such limit, but sysconn has its own.
    let members = settings.login != LogIn::None;
    let login = (members && settings.protocol != Speaks::Sysconn)
        .then(|| LoginLimit(limits.login_seconds.limit().unwrap_or(Duration::MAX)));
    let agent = (settings.serve == Serve::SimpleDb).then(|| AgentTemplate::new(|| ()));
    move |listener| {
        listener.insert((policies.clone(), multi_login));
        if let Some(own) = own {
            listener.insert(own);
        }
        if let Some(max_frame) = max_frame {
            listener.insert(max_frame);
        }
        if let Some(max_clients) = max_clients {
            listener.insert(max_clients);
        }
        if let Some(heartbeat) = heartbeat {
            listener.insert(heartbeat);
        }
        if members {
            listener.insert(MembersOnly);
        }
        if let Some(login) = login {
            listener.insert(login);
        }
        if let Some(agent) = &agent {
            listener.insert(agent.clone());
        }
        // Last, so that the policies are there before the first connection is.
        listener.insert(socket.clone());
    }
}
