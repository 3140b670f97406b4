//! The same behaviour over real sockets, with both clients and under both drivers.
#![cfg(feature = "client")]
#![cfg_attr(
    feature = "client",
    expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")
)]

mod common;

use bevy_app::App;
use bevy_ecs::prelude::*;
use common::*;
use portcullis_core::{Cause, Close, Connection, CorePlugin, Funnel, Shutdown};
use portcullis_dispatch::{AppDispatchExt, Defer, Deferred, DispatchPlugin, Refusal, Request, Responder};
use portcullis_native::{
    ClientError, Manifest, NativePlugin,
    client::{Client, ClientSettings, blocking},
};
use portcullis_net::{DriverKind, ListenerHandle, NetPlugin};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::mpsc,
    thread::JoinHandle,
    time::Duration,
};

/// A server on a thread of its own. Dropped, it shuts down and is waited for.
struct Running {
    address: SocketAddr,
    funnel: Funnel,
    thread: Option<JoinHandle<()>>,
}

/// Requests that wait to be answered by the test.
#[derive(Resource, Default)]
struct Held(Vec<(u64, Responder<u64>)>);

fn hold(request: Request<u64>, mut defer: Defer, mut held: ResMut<Held>) -> Result<Deferred<u64>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    held.0.push((*request, responder));
    // The last is answered first.
    if held.0.len() == 3 {
        for (value, responder) in held.0.drain(..).rev() {
            responder.reply(value);
        }
    }
    Ok(deferred)
}

fn manifest() -> Manifest {
    arena().request::<u64, u64>("arena.hold")
}

fn start(driver: DriverKind) -> Running {
    let (told, tell) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut app = App::new();
        app.add_plugins((CorePlugin::default(), NetPlugin { driver }, DispatchPlugin)).add_plugins(
            NativePlugin::listen("127.0.0.1:0").name("arena", 1).heartbeat(Duration::from_millis(20)),
        );
        game(&mut app);
        app.init_resource::<Held>().add_handler("arena.hold", hold);
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

    fn close_all(&self, cause: Cause, reason: &'static str) {
        self.world(move |world| {
            let all: Vec<Entity> = world.query_filtered::<Entity, With<Connection>>().iter(world).collect();
            for entity in all {
                world.trigger(Close { entity, cause, reason: Some(reason.into()) });
            }
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

fn each_driver(test: impl Fn(Running)) {
    for driver in [DriverKind::Inline, DriverKind::Thread(1)] {
        test(start(driver));
    }
}

fn each_driver_async(test: impl AsyncFn(&Running)) {
    each_driver(|server| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(SOON * 3, test(&server)).await.unwrap() });
    });
}

#[test]
fn the_blocking_client_asks_and_is_answered() {
    each_driver(|server| {
        let mut client = blocking::Client::connect(server.address, &manifest()).unwrap();
        let joined: Joined = client.request("arena.join", &ann()).unwrap();
        assert_eq!(joined, Joined { seat: 1 });
        let refused = client.request::<_, Joined>("arena.join", &Join { name: String::new() }).unwrap_err();
        assert_eq!(refused.to_string(), "refused: 403 a name is needed");
        let failed = client.request::<_, u8>("arena.panic", &"now".to_owned()).unwrap_err();
        assert_eq!(failed.code(), Some(Refusal::INTERNAL));
        assert_eq!(client.request::<_, u8>("arena.panic", &"later".to_owned()).unwrap(), 7);
        client.notify("arena.move", &Move { x: 2.5, y: 0.0 }).unwrap();
        client.ping().unwrap();
        assert_eq!(server.world(|world| world.resource::<Seen>().moves.clone()), [2.5]);
        client.close();
    });
}

#[test]
fn the_blocking_client_keeps_pushes_until_they_are_asked_for() {
    each_driver(|server| {
        let settings = ClientSettings { push_capacity: 3, ..ClientSettings::default() };
        let mut client = blocking::Client::connect_with(server.address, &manifest(), settings).unwrap();
        assert!(client.next_push(Duration::from_millis(5)).unwrap().is_none());
        assert_eq!(client.request::<_, u64>("arena.watch", &5u64).unwrap(), 5);
        let mut ticks = Vec::new();
        for _ in 0..3 {
            ticks.push(client.next_push(SOON).unwrap().unwrap().decode::<State>().unwrap().tick);
        }
        assert_eq!(ticks, [2, 3, 4], "the oldest were dropped");
        assert_eq!(client.dropped_pushes(), 2);
    });
}

#[test]
fn the_blocking_client_shows_that_it_is_alive_while_it_waits() {
    each_driver(|server| {
        let mut client = blocking::Client::connect(server.address, &manifest()).unwrap();
        assert!(client.next_push(Duration::from_millis(150)).unwrap().is_none());
        let received = server.world(|world| {
            world
                .query::<&portcullis_core::Traffic>()
                .iter(world)
                .map(|traffic| traffic.received)
                .sum::<u64>()
        });
        assert!(received >= 3, "{received} frames, of which one is the Hello");
    });
}

#[test]
fn the_blocking_client_is_told_why_it_is_closed() {
    each_driver(|server| {
        let mut client = blocking::Client::connect(server.address, &manifest()).unwrap();
        server.close_all(Cause::Kicked, "you are rude");
        let closed = client.next_push(SOON).unwrap_err();
        assert_eq!(closed.to_string(), "the connection is closed: kicked, you are rude");
        assert_eq!(closed.cause(), Some(Cause::Kicked));
        let later = client.request::<_, Joined>("arena.join", &ann()).unwrap_err();
        assert_eq!(later.cause(), Some(Cause::Kicked));
    });
}

#[test]
fn both_clients_are_told_why_their_handshake_is_refused() {
    each_driver_async(async |server| {
        let other = Manifest::new("arena", 2);
        let refused = blocking::Client::connect(server.address, &other).unwrap_err();
        let ClientError::Rejected(message) = &refused else { panic!("{refused}") };
        assert_eq!(*message, format!("server speaks {}; client speaks {other}", manifest()));
        let refused = Client::connect(server.address, &other).await.unwrap_err();
        assert!(matches!(&refused, ClientError::Rejected(same) if same == message), "{refused}");
    });
}

#[test]
fn both_clients_say_that_nobody_listens() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = blocking::Client::connect(free, &manifest()).unwrap_err();
    assert!(matches!(nobody, ClientError::Connect(_)), "{nobody}");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let nobody = runtime.block_on(Client::connect(free, &manifest())).unwrap_err();
    assert!(matches!(nobody, ClientError::Connect(_)), "{nobody}");
}

#[test]
fn the_async_client_matches_answers_that_come_in_another_order() {
    each_driver_async(async |server| {
        let client = Client::connect(server.address, &manifest()).await.unwrap();
        let (first, second, third) = (
            client.request::<_, u64>("arena.hold", &1u64),
            client.request::<_, u64>("arena.hold", &2u64),
            client.request::<_, u64>("arena.hold", &3u64),
        );
        let answers = join3(first, second, third).await;
        assert_eq!(answers.map(Result::unwrap), [1, 2, 3]);
        let refused = client.request::<_, Joined>("arena.join", &Join { name: String::new() }).await;
        assert_eq!(refused.unwrap_err().code(), Some(Refusal::FORBIDDEN));
        client.close().await;
    });
}

/// Polls all three until all are ready.
async fn join3<T>(
    a: impl Future<Output = T>,
    b: impl Future<Output = T>,
    c: impl Future<Output = T>,
) -> [T; 3] {
    let (mut a, mut b, mut c) = (std::pin::pin!(a), std::pin::pin!(b), std::pin::pin!(c));
    let mut done: [Option<T>; 3] = [None, None, None];
    std::future::poll_fn(|context| {
        let futures: [std::pin::Pin<&mut dyn Future<Output = T>>; 3] = [a.as_mut(), b.as_mut(), c.as_mut()];
        for (slot, future) in done.iter_mut().zip(futures) {
            if slot.is_none()
                && let std::task::Poll::Ready(value) = future.poll(context)
            {
                *slot = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.map(Option::unwrap)
}

#[test]
fn the_async_client_receives_pushes_and_the_reason_of_the_close() {
    each_driver_async(async |server| {
        let client = Client::connect(server.address, &manifest()).await.unwrap();
        assert_eq!(client.request::<_, u64>("arena.watch", &2u64).await.unwrap(), 2);
        for tick in 0..2 {
            let push = client.next_push(SOON).await.unwrap().unwrap();
            assert_eq!(push.decode::<State>().unwrap(), State { tick });
        }
        assert!(client.next_push(Duration::from_millis(5)).await.unwrap().is_none());
        let waiting = client.request::<_, u64>("arena.hold", &1u64);
        let kicked = async {
            server.close_all(Cause::Shutdown, "back in five minutes");
            client.closed().await
        };
        let mut waiting = std::pin::pin!(waiting);
        // The request is on its way before the server closes.
        let early = tokio::time::timeout(Duration::from_millis(50), waiting.as_mut()).await;
        assert!(early.is_err());
        assert_eq!(kicked.await.cause(), Some(Cause::Shutdown));
        assert_eq!(waiting.await.unwrap_err().cause(), Some(Cause::Shutdown));
        assert_eq!(client.next_push(SOON).await.unwrap_err().cause(), Some(Cause::Shutdown));
    });
}

#[test]
fn the_async_client_shows_that_it_is_alive_by_itself() {
    each_driver_async(async |server| {
        let client = Client::connect(server.address, &manifest()).await.unwrap();
        assert!(client.next_push(Duration::from_millis(150)).await.unwrap().is_none());
        let received = server.world(|world| {
            world
                .query::<&portcullis_core::Traffic>()
                .iter(world)
                .map(|traffic| traffic.received)
                .sum::<u64>()
        });
        assert!(received >= 3, "{received} frames, of which one is the Hello");
    });
}

#[test]
fn what_is_sent_before_close_arrives() {
    each_driver_async(async |server| {
        let client = Client::connect(server.address, &manifest()).await.unwrap();
        for x in 0..100u8 {
            client.notify("arena.move", &Move { x: x.into(), y: 0.0 }).await.unwrap();
        }
        client.close().await;
        assert_eq!(server.world(|world| world.resource::<Seen>().moves.len()), 100);
        assert_eq!(server.world(|world| world.resource::<Seen>().closed.clone()), [Cause::PeerClosed]);
    });
}

#[test]
fn a_request_nobody_answers_in_time_is_a_timeout_and_its_late_answer_is_ignored() {
    each_driver_async(async |server| {
        let settings =
            ClientSettings { request_timeout: Duration::from_millis(30), ..ClientSettings::default() };
        let client = Client::connect_with(server.address, &manifest(), settings).await.unwrap();
        for _ in 0..2 {
            let late = client.request::<_, u64>("arena.hold", &1u64).await;
            assert!(matches!(late, Err(ClientError::Timeout)), "{late:?}");
        }
        assert_eq!(client.request::<_, u64>("arena.hold", &3u64).await.unwrap(), 3);
    });
}

#[test]
fn a_web_browser_that_comes_by_is_closed_and_nobody_else() {
    each_driver(|server| {
        let mut client = blocking::Client::connect(server.address, &manifest()).unwrap();
        let mut browser = TcpStream::connect(server.address).unwrap();
        browser.set_read_timeout(Some(SOON)).unwrap();
        browser.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut said = Vec::new();
        browser.read_to_end(&mut said).unwrap();
        assert!(said.windows(15).any(|part| part == b"frame_too_large"), "{said:?}");
        assert_eq!(client.request::<_, Joined>("arena.join", &ann()).unwrap(), Joined { seat: 1 });
    });
}
