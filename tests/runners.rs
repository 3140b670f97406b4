//! Who may drive the app: our runner, a loop of the user's own, and Bevy's. Over real sockets, under both drivers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use bevy_app::ScheduleRunnerPlugin;
use bevy_time::TimePlugin;
use portcullis::{net::ListenerHandle, prelude::*};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    thread::{self, JoinHandle},
    time::Duration,
};

const DRIVERS: [DriverKind; 2] = [DriverKind::Inline, DriverKind::Thread(1)];

/// An echo server that exits when it is told to.
fn game(app: &mut App) {
    app.add_plugins(SkynetPlugin::raw("echo").listen("127.0.0.1:0")).add_handler(
        "echo",
        |request: Request<Raw>, mut exit: MessageWriter<AppExit>| {
            if &*request.0 == b"exit" {
                exit.write(AppExit::from_code(7));
            }
            request.body
        },
    );
}

fn finish(app: &mut App) -> SocketAddr {
    app.finish();
    app.cleanup();
    let world = app.world_mut();
    world.query::<&ListenerHandle>().single(world).unwrap().address()
}

/// Asks so many times, one after another, then has the server exit.
fn client(address: SocketAddr, times: usize) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        for _ in 0..times {
            socket.write_all(b"\0\x05hello").unwrap();
            let mut echo = [0; 7];
            socket.read_exact(&mut echo).unwrap();
            assert_eq!(&echo, b"\0\x05hello");
        }
        socket.write_all(b"\0\x04exit").unwrap();
    })
}

#[test]
fn our_runner_answers_when_input_comes_and_not_when_a_tick_is_due() {
    for driver in DRIVERS {
        let mut app = App::new();
        // The next tick is an hour away.
        app.add_plugins((ServerPlugins.set(NetPlugin { driver }), game))
            .insert_resource(TickRate(Duration::from_secs(3600)));
        let client = client(finish(&mut app), 100);
        assert_eq!(app.run(), AppExit::from_code(7));
        client.join().unwrap();
    }
}

#[test]
fn a_loop_of_ones_own_needs_no_runner() {
    for driver in DRIVERS {
        let mut app = App::new();
        app.add_plugins((ServerPlugins.set(NetPlugin { driver }), game));
        let client = client(finish(&mut app), 20);
        let exit = loop {
            app.update();
            if let Some(exit) = app.should_exit() {
                break exit;
            }
            thread::yield_now();
        };
        assert_eq!(exit, AppExit::from_code(7));
        client.join().unwrap();
    }
}

#[test]
fn bevys_own_runner_is_respected() {
    for driver in DRIVERS {
        let mut app = App::new();
        // What `MinimalPlugins` are made of.
        app.add_plugins((TimePlugin, ScheduleRunnerPlugin::run_loop(Duration::from_millis(1))))
            .add_plugins((ServerPlugins.set(NetPlugin { driver }), game));
        let client = client(finish(&mut app), 20);
        assert_eq!(app.run(), AppExit::from_code(7));
        client.join().unwrap();
    }
}

#[test]
fn ticks_come_at_their_rate_and_one_fixed_step_is_one_tick() {
    #[derive(Resource, Default)]
    struct Steps(Vec<Duration>);
    let mut app = App::new();
    app.add_plugins(ServerPlugins)
        .insert_resource(TickRate::from_hz(200.0))
        .init_resource::<Steps>()
        .add_systems(FixedUpdate, |time: Res<Time>, mut steps: ResMut<Steps>| steps.0.push(time.delta()))
        .add_systems(
            Last,
            |mut updates: Local<usize>, steps: Res<Steps>, mut exit: MessageWriter<AppExit>| {
                *updates += 1;
                if *updates == 20 {
                    // A panic in a system is logged, and the server goes on: what is wrong leaves by the exit code.
                    let tick = Duration::from_millis(5);
                    let steady = steps.0.iter().all(|&step| step == tick);
                    let one_each = (19..=20).contains(&steps.0.len());
                    exit.write(AppExit::from_code(u8::from(!steady) + 2 * u8::from(!one_each)));
                }
            },
        );
    assert_eq!(app.run(), AppExit::Success);
}
