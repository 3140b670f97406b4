//! The server's side: the headless server from a configuration, and a plugin that tells what it holds.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use portcullis::{
    core::{Agent, Arrivals, Budget, Causes, Holding, Lateness, Shortage},
    dispatch::WaitingAnswers,
    gate::{Refusal as GateRefusal, Refusals},
    net::ListenerHandle,
    prelude::*,
    session::Lingering,
    skynet::login::Logins,
};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{
    certificate,
    sample::{Line, Sample},
    server::{self, Failure, config},
};

/// How often it tells.
const EVERY: Duration = Duration::from_secs(1);

/// The configuration, in the sources so that the headless server itself can be run with it.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/soak/server.toml");

/// The variables that name the certificate's files.
const TLS: [&str; 2] =
    ["PORTCULLIS_LISTENER_POMELO_TLS_TLS_CERTIFICATE", "PORTCULLIS_LISTENER_POMELO_TLS_TLS_KEY"];

/// Serves until it is told to stop, with the certificate in this folder.
pub fn serve(folder: &Path) -> ExitCode {
    match run(folder) {
        Ok(code) => code,
        Err(failure) => {
            writeln!(io::stderr(), "ERROR {failure}").ok();
            ExitCode::from(failure.code())
        }
    }
}

fn run(folder: &Path) -> Result<ExitCode, Failure> {
    // A soak that was killed runs no Drop: let the kernel take the server along.
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|e| Failure::Internal(e.to_string()))?;
    let files = certificate::files(folder).map(PathBuf::into_os_string);
    let variables = TLS.into_iter().map(OsString::from).zip(files);
    // Unlike the headless server, it is not checked whether the settings go together: the connector's demo lets everybody in
    // under any name, that of an account too, and so may not stand beside accounts. No bot has a name of another protocol's.
    let (config, source) = config::load(Some(Path::new(CONFIG)), variables)?;
    server::run_with(&config, &source, report)
}

/// Tells once a second what the world holds.
fn report(app: &mut App) {
    app.init_resource::<Counts>().add_observer(count_opened).add_systems(Last, tell);
}

/// What nobody else counts.
#[derive(Resource, Default)]
struct Counts {
    opened: u64,
    latest: Duration,
    next: Duration,
    told: bool,
}

fn count_opened(_: On<Opened>, mut counts: ResMut<Counts>) {
    counts.opened += 1;
}

fn tell(world: &mut World) {
    let (now, late) = (world.resource::<Clock>().now(), world.resource::<Lateness>().0);
    let mut counts = world.resource_mut::<Counts>();
    counts.latest = counts.latest.max(late);
    if now < counts.next {
        return;
    }
    counts.next = now + EVERY;
    let line = if counts.told { Line::Sample(sample(world)) } else { Line::Ports(ports(world)) };
    let mut counts = world.resource_mut::<Counts>();
    (counts.told, counts.latest) = (true, Duration::ZERO);
    let mut stdout = io::stdout().lock();
    let text = serde_json::to_string(&line).unwrap_or_default();
    // Whoever does not listen any more is about to end this.
    let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
}

fn ports(world: &mut World) -> BTreeMap<String, u16> {
    let mut listeners = world.query::<(&Name, &ListenerHandle)>();
    listeners.iter(world).map(|(name, handle)| (name.to_string(), handle.address().port())).collect()
}

fn sample(world: &mut World) -> Sample {
    let number = |count: usize| count as u64;
    let connections = number(world.query_filtered::<(), With<Connection>>().iter(world).count());
    let sessions = number(world.query_filtered::<(), With<Session>>().iter(world).count());
    let lingering = number(world.query_filtered::<(), With<Lingering>>().iter(world).count());
    let agents = number(world.query_filtered::<(), With<Agent>>().iter(world).count());
    let members = number(world.query::<&Members>().iter(world).map(Members::len).sum());
    let (counts, budget) = (world.resource::<Counts>(), world.resource::<Budget>());
    let (causes, refusals) = (world.resource::<Causes>(), world.resource::<Refusals>());
    let logins = world.resource::<Logins>();
    let some = |(label, count): (&str, u64)| (count > 0).then(|| (label.to_owned(), count));
    Sample {
        entities: number(world.archetypes().iter().map(|archetype| archetype.len() as usize).sum()),
        entity_slots: world.entities().len().into(),
        archetypes: number(world.archetypes().len()),
        connections,
        sessions,
        lingering,
        agents,
        rooms: number(world.resource::<Rooms>().len()),
        members,
        users: number(logins.len()),
        logins: number(logins.pending()),
        waiting_answers: number(world.resource::<WaitingAnswers>().in_flight()),
        arrivals: number(world.resource::<Arrivals>().iter().count()),
        packets: number(world.resource::<Packets>().iter().count()),
        held: Holding::ALL.map(|each| (each.label().to_owned(), number(budget.held(each)))).into(),
        shortages: Shortage::ALL.map(|each| (each.label().to_owned(), budget.count(each))).into(),
        opened: counts.opened,
        closed: Cause::ALL.into_iter().filter_map(|each| some((each.label(), causes.count(each)))).collect(),
        refused: GateRefusal::ALL
            .into_iter()
            .filter_map(|each| some((each.label(), refusals.count(each))))
            .collect(),
        late_ms: counts.latest.as_millis() as u64,
    }
}
