//! Both clients over real sockets, whose connections are cut.

use crate::{
    common::{Runs, ann, game, login, settings},
    proxy::Proxy,
};
use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_accounts::AccountsPlugin;
use portcullis_core::{Clock, CorePlugin, Funnel, Shutdown};
use portcullis_dispatch::{DispatchPlugin, Refusal};
use portcullis_native::{
    ClientError, Credentials, Manifest, NativePlugin,
    client::{Client, ClientSettings, ResumePolicy, blocking},
};
use portcullis_net::{DriverKind, ListenerHandle, NetPlugin};
use portcullis_session::{KickUser, Logout, SessionPlugin, Sessions, TicketLife};
use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread::JoinHandle,
    time::Duration,
};

/// A server on a thread of its own. Dropped, it shuts down and is waited for.
struct Running {
    address: SocketAddr,
    funnel: Funnel,
    thread: Option<JoinHandle<()>>,
}

const SOON: Duration = Duration::from_secs(30);

fn start(driver: DriverKind) -> Running {
    let (told, tell) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut app = App::new();
        app.add_plugins((
            CorePlugin::default(),
            NetPlugin { driver },
            DispatchPlugin,
            SessionPlugin::default(),
        ))
        .add_plugins((portcullis_gate::GatePlugin::default(), portcullis_watchdog::WatchdogPlugin::default()))
        .add_plugins((AccountsPlugin::new(settings()), login()))
        .add_plugins(NativePlugin::listen("127.0.0.1:0").name("game", 1));
        game(&mut app);
        let funnel = app.world().resource::<Funnel>().clone();
        app.add_observer(move |handle: On<Add<ListenerHandle>>, handles: Query<&ListenerHandle>| {
            let address = handles.get(handle.entity).unwrap().address();
            told.send((address, funnel.clone())).unwrap();
        });
        assert!(app.run().is_success());
    });
    let (address, funnel) = tell.recv_timeout(SOON).unwrap();
    Running { address, funnel, thread: Some(thread) }
}

impl Running {
    /// Does this in the world, and gives what it gave.
    fn world<R: Send + 'static>(&self, work: impl FnOnce(&mut World) -> R + Send + 'static) -> R {
        let (told, tell) = mpsc::channel();
        self.funnel.post(move |world| told.send(work(world)).unwrap());
        tell.recv_timeout(SOON).unwrap()
    }

    fn adds(&self) -> u64 {
        self.world(|world| world.resource::<Runs>().adds)
    }

    fn log_out(&self) {
        self.world(|world| {
            let session = world.resource::<Sessions>().get("ann").unwrap();
            world.trigger(Logout { session });
            world.flush();
        });
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.funnel.post(|world| world.trigger(Shutdown));
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

fn each_driver(test: impl Fn(&Running, Proxy)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(1)] {
        let server = start(driver);
        let proxy = Proxy::new(server.address, 7);
        test(&server, proxy);
    }
}

fn each_driver_async(test: impl AsyncFn(&Running, &Proxy)) {
    each_driver(|server, proxy| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(server, &proxy));
    });
}

fn manifest() -> Manifest {
    Manifest::new("game", 1)
        .request::<u64, u64>("game.add")
        .request::<u64, u64>("game.hold")
        .request::<(), u64>("game.who")
        .with_login()
}

fn quick() -> ClientSettings {
    let (first_delay, max_delay) = (Duration::from_millis(1), Duration::from_millis(5));
    let resume = ResumePolicy { first_delay, max_delay, within: SOON, ..ResumePolicy::default() };
    ClientSettings { resume: Some(resume), request_timeout: SOON, ..ClientSettings::default() }
}

/// A client that gives up at once.
fn hasty() -> ClientSettings {
    let within = Duration::from_millis(50);
    ClientSettings { resume: Some(ResumePolicy { within, ..quick().resume.unwrap() }), ..quick() }
}

fn registered(proxy: &Proxy, settings: ClientSettings) -> blocking::Client {
    let mut client = blocking::Client::connect_with(proxy.address, &manifest(), settings).unwrap();
    client.register(&ann()).unwrap();
    client
}

async fn registered_async(proxy: &Proxy, settings: ClientSettings) -> Client {
    let client = Client::connect_with(proxy.address, &manifest(), settings).await.unwrap();
    client.register(&ann()).await.unwrap();
    client
}

#[test]
fn the_blocking_client_gets_each_answer_once_however_often_it_is_cut_off() {
    each_driver(|server, proxy| {
        let mut client = registered(&proxy, quick());
        proxy.cut_at_random(true);
        for expected in 1..=500u64 {
            assert_eq!(client.request::<_, u64>("game.add", &1u64).unwrap(), expected);
        }
        proxy.cut_at_random(false);
        assert!(proxy.cuts() > 5, "{} cuts", proxy.cuts());
        assert_eq!(server.adds(), 500);
        client.log_out().unwrap();
        assert!(server.world(|world| world.resource::<Sessions>().is_empty()));
    });
}

#[test]
fn the_async_client_gets_each_answer_once_however_often_it_is_cut_off() {
    each_driver_async(async |server, proxy| {
        let client = Arc::new(registered_async(proxy, quick()).await);
        proxy.cut_at_random(true);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..40 {
            let client = Arc::clone(&client);
            tasks.spawn(async move {
                let mut answers = Vec::new();
                for _ in 0..25 {
                    answers.push(client.request::<_, u64>("game.add", &1u64).await.unwrap());
                }
                answers
            });
        }
        let mut answers: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
        answers.sort_unstable();
        assert_eq!(answers, Vec::from_iter(1..=1000));
        proxy.cut_at_random(false);
        assert!(proxy.cuts() > 5, "{} cuts", proxy.cuts());
        assert_eq!(server.adds(), 1000);
        Arc::into_inner(client).unwrap().log_out().await.unwrap();
        assert!(server.world(|world| world.resource::<Sessions>().is_empty()));
    });
}

#[test]
fn a_busy_client_comes_back_when_its_first_ticket_is_long_too_old() {
    let server = start(DriverKind::Inline);
    let proxy = Proxy::new(server.address, 7);
    server.world(|world| world.insert_resource(TicketLife(Duration::from_secs(2))));
    let now = |server: &Running| server.world(|world| world.resource::<Clock>().now());
    let mut client = registered(&proxy, quick());
    let later = now(&server) + Duration::from_secs(3);
    while now(&server) < later {
        client.request::<_, u64>("game.add", &1u64).unwrap();
    }
    proxy.cut();
    client.request::<_, u64>("game.add", &1u64).unwrap();
    drop(client);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::connect_with(proxy.address, &manifest(), quick()).await.unwrap();
        client.log_in(&ann()).await.unwrap();
        let later = now(&server) + Duration::from_secs(3);
        while now(&server) < later {
            client.request::<_, u64>("game.add", &1u64).await.unwrap();
        }
        proxy.cut();
        client.request::<_, u64>("game.add", &1u64).await.unwrap();
    });
}

#[test]
fn a_client_whose_session_is_over_is_told_to_log_in_anew() {
    each_driver(|server, proxy| {
        let mut client = registered(&proxy, quick());
        proxy.bar(true);
        server.log_out();
        proxy.bar(false);
        let over = client.request::<_, u64>("game.add", &1u64).unwrap_err();
        assert!(matches!(over, ClientError::LogInAnew), "{over}");
        let later = client.ping().unwrap_err();
        assert!(matches!(later, ClientError::LogInAnew), "{later}");
    });
    each_driver_async(async |server, proxy| {
        let client = registered_async(proxy, quick()).await;
        proxy.bar(true);
        server.log_out();
        proxy.bar(false);
        let over = client.closed().await;
        assert!(matches!(over, ClientError::LogInAnew), "{over}");
        assert!(client.log_out().await.is_ok());
    });
}

#[test]
fn a_client_that_is_kicked_does_not_come_back() {
    each_driver(|server, proxy| {
        let mut client = registered(&proxy, quick());
        server.world(|world| world.trigger(KickUser::new("ann", "rude")));
        let kicked = client.next_push(SOON).unwrap_err();
        assert_eq!(kicked.to_string(), "the connection is closed: kicked, rude");
        drop(proxy);
    });
    each_driver_async(async |server, proxy| {
        let client = registered_async(proxy, quick()).await;
        let second = Client::connect(proxy.address, &manifest()).await.unwrap();
        second.log_in(&ann()).await.unwrap();
        assert_eq!(
            client.closed().await.to_string(),
            "the connection is closed: replaced, logged in over another connection"
        );
        assert_eq!(server.world(|world| world.resource::<Sessions>().len()), 1);
    });
}

#[test]
fn a_client_that_gets_through_to_nobody_gives_up_and_says_what_it_lost() {
    each_driver(|_, proxy| {
        let mut client = registered(&proxy, hasty());
        proxy.bar(true);
        let lost = client.request::<_, u64>("game.add", &1u64).unwrap_err();
        assert!(lost.is_loss(), "{lost}");
    });
    each_driver_async(async |_, proxy| {
        let client = registered_async(proxy, hasty()).await;
        proxy.bar(true);
        let lost = client.request::<_, u64>("game.add", &1u64).await.unwrap_err();
        assert!(lost.is_loss(), "{lost}");
    });
}

#[test]
fn a_client_that_is_not_to_come_back_does_not() {
    let settings = ClientSettings { resume: None, ..quick() };
    each_driver(|_, proxy| {
        let mut client = registered(&proxy, settings);
        proxy.cut();
        assert!(client.request::<_, u64>("game.hold", &1u64).unwrap_err().is_loss());
        assert!(client.ping().unwrap_err().is_loss());
    });
    each_driver_async(async |_, proxy| {
        let client = registered_async(proxy, settings).await;
        proxy.cut();
        assert!(client.closed().await.is_loss());
    });
}

#[test]
fn a_client_can_be_closed_and_dropped_while_it_is_away() {
    each_driver(|_, proxy| {
        let client = registered(&proxy, quick());
        proxy.bar(true);
        client.close();
    });
    each_driver_async(async |_, proxy| {
        let client = registered_async(proxy, quick()).await;
        proxy.bar(true);
        let waiting = client.request::<_, u64>("game.add", &1u64);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
        client.close().await;
    });
    each_driver_async(async |_, proxy| {
        let client = registered_async(proxy, quick()).await;
        proxy.bar(true);
        let waiting = client.request::<_, u64>("game.add", &1u64);
        assert!(tokio::time::timeout(Duration::from_millis(20), waiting).await.is_err());
        drop(client);
    });
}

#[test]
fn a_login_that_is_refused_leaves_the_connection_as_it_was() {
    each_driver_async(async |_, proxy| {
        let client = Client::connect(proxy.address, &manifest()).await.unwrap();
        let wrong = client.log_in(&Credentials::new("ann", "wrong")).await.unwrap_err();
        assert_eq!(wrong.code(), Some(Refusal::UNAUTHORIZED));
        client.register(&ann()).await.unwrap();
        let mut second = blocking::Client::connect(proxy.address, &manifest()).unwrap();
        let taken = second.register(&ann()).unwrap_err();
        assert_eq!(taken.code(), Some(Refusal::CONFLICT));
        second.log_in(&ann()).unwrap();
        assert_eq!(second.request::<_, u64>("game.add", &1u64).unwrap(), 1);
    });
}

#[test]
fn what_waits_before_a_login_fails_with_the_connection() {
    each_driver_async(async |_, proxy| {
        let client = Arc::new(Client::connect_with(proxy.address, &manifest(), quick()).await.unwrap());
        let early = Arc::clone(&client);
        let early = tokio::spawn(async move { early.request::<_, u64>("game.hold", &1u64).await });
        // It is on its way when this is answered.
        client.request::<_, u64>("game.who", &()).await.unwrap();
        client.register(&ann()).await.unwrap();
        proxy.cut();
        let lost = early.await.unwrap().unwrap_err();
        assert!(lost.is_loss(), "{lost}");
        assert_eq!(client.request::<_, u64>("game.add", &1u64).await.unwrap(), 1);
    });
}
