//! A user logs in, is cut off in the middle of a request, and goes on as if nothing had been: server and client in one
//! program, which does the cutting itself.
//!
//! ```text
//! cargo run --example native_login                  # accounts in memory
//! cargo run --example native_login -- accounts.db   # in a file: run it twice, the second time it logs in
//! ```
//!
//! To poke at it: say another password in `main` and run it on the same file; let `CUT` be false, or a `Kicked`, which
//! a client does not come back from; let `AccountLoginPlugin`'s `linger` be zero, and the client is told to log in anew.

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    accounts::{AccountLoginPlugin, AccountSettings, AccountsPlugin, Store},
    core::Funnel,
    native::{ClientError, Credentials, Manifest, client::blocking::Client},
    net::ListenerHandle,
    prelude::*,
};
use std::{env, net::SocketAddr, process::ExitCode, sync::mpsc, thread, time::Duration};

/// Whether the connection is cut while the slow request is handled.
const CUT: bool = true;

fn main() -> ExitCode {
    let store = env::args().nth(1).map_or(Store::Memory, |file| Store::File(file.into()));
    let (told, listening) = mpsc::channel();
    let server = thread::spawn(move || serve(store, told));
    let outcome = match listening.recv() {
        Ok((address, funnel)) => {
            let outcome = play(address, &Credentials::new("ann", "correct horse"));
            funnel.post(|world| world.trigger(Shutdown));
            outcome.map_err(|error| error.to_string())
        }
        Err(_) => Err("the server did not start".to_owned()),
    };
    let stopped = server.join().is_ok();
    match outcome {
        Ok(()) if stopped => ExitCode::SUCCESS,
        Ok(()) => ExitCode::FAILURE,
        Err(error) => {
            println!("client: {error}");
            ExitCode::FAILURE
        }
    }
}

// ---- the client

fn play(address: SocketAddr, credentials: &Credentials) -> Result<(), ClientError> {
    let manifest = Manifest::new("visits", 1)
        .request::<(), u64>("visits.count")
        .request::<(), u64>("visits.slowly")
        .with_login();
    let mut client = Client::connect(address, &manifest)?;
    match client.register(credentials) {
        Ok(()) => println!("client: registered, and logged in"),
        Err(error) if error.code() == Some(Refusal::CONFLICT) => {
            client.log_in(credentials)?;
            println!("client: the name is taken, logged in");
        }
        Err(error) => return Err(error),
    }
    let count: u64 = client.request("visits.count", &())?;
    println!("client: visit {count}");
    // Nothing here says that the connection is lost meanwhile.
    let count: u64 = client.request("visits.slowly", &())?;
    println!("client: visit {count}, slowly");
    let count: u64 = client.request("visits.count", &())?;
    println!("client: visit {count}: the session is the same, and the slow visit was counted once");
    client.log_out()
}

// ---- the server

fn serve(store: Store, told: mpsc::Sender<(SocketAddr, Funnel)>) -> AppExit {
    let mut app = App::new();
    app.add_plugins(ServerPlugins)
        .add_plugins(AccountsPlugin::new(AccountSettings { store, ..AccountSettings::default() }))
        .add_plugins(AccountLoginPlugin { registration: true, ..AccountLoginPlugin::default() })
        .add_plugins(NativePlugin::listen("127.0.0.1:0").name("visits", 1))
        .register_required_components::<Session, Visits>()
        .init_resource::<Slow>()
        .add_handler("visits.count", count)
        .add_handler("visits.slowly", count_slowly)
        .add_systems(Update, answer)
        .add_observer(greet)
        .add_observer(|event: On<Closed>| println!("server: a connection is closed: {}", event.cause));
    let funnel = app.world().resource::<Funnel>().clone();
    app.add_observer(move |event: On<Add<ListenerHandle>>, handles: Query<&ListenerHandle>| {
        if let Ok(handle) = handles.get(event.entity) {
            // Who waits for it is there, or the program ends.
            let _ = told.send((handle.address(), funnel.clone()));
        }
    });
    app.run()
}

fn greet(event: On<LoggedIn>, sessions: Query<&Session>) -> Result {
    let uid = sessions.get(event.session)?.uid();
    println!("server: {uid} is here{}", if event.resumed { " again" } else { "" });
    Ok(())
}

/// Beside each session: it outlives connections.
#[derive(Component, Default)]
struct Visits(u64);

fn count(request: Request<()>, mut visitors: Visitors) -> Result<u64, Refusal> {
    visitors.count(request.connection)
}

/// Counts at once, and answers after a while. Meanwhile the connection is cut, and nobody is told.
fn count_slowly(
    request: Request<()>,
    mut visitors: Visitors,
    mut defer: Defer,
    clock: Res<Clock>,
    mut slow: ResMut<Slow>,
    mut commands: Commands,
) -> Result<Deferred<u64>, Refusal> {
    let count = visitors.count(request.connection)?;
    let (deferred, responder) = defer.begin(&request)?;
    slow.0.push((clock.now() + Duration::from_millis(500), count, responder));
    if CUT {
        commands.trigger(Close::new(request.connection, Cause::Reset));
    }
    Ok(deferred)
}

/// Answers that are not due yet.
#[derive(Resource, Default)]
struct Slow(Vec<(Duration, u64, Responder<u64>)>);

fn answer(clock: Res<Clock>, mut slow: ResMut<Slow>) {
    for (_, count, responder) in slow.0.extract_if(.., |(due, ..)| *due <= clock.now()) {
        responder.reply(count);
    }
}

/// The sessions behind connections.
#[derive(bevy_ecs::system::SystemParam)]
struct Visitors<'w, 's> {
    bound: Query<'w, 's, &'static BoundTo>,
    visits: Query<'w, 's, &'static mut Visits>,
}

impl Visitors<'_, '_> {
    fn count(&mut self, connection: Entity) -> Result<u64, Refusal> {
        let session =
            self.bound.get(connection).map_err(|_| Refusal::new(Refusal::UNAUTHORIZED, "log in first"))?;
        let mut visits = self.visits.get_mut(session.0)?;
        visits.0 += 1;
        Ok(visits.0)
    }
}
