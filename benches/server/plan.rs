//! The course of a whole bench: scenario by scenario, round by round, server by server.

use std::{
    env, fmt,
    io::{self, Write},
    time::Duration,
};

use crate::{
    args::Args,
    certificate::Certificate,
    child::Server,
    churn,
    cores::{self, Placement},
    idle::{self, Idle},
    load::{self, Shape},
    proc, report,
    round::Round,
    scenario::Scenario,
    subject::Subject,
    wire::Wire,
};

/// Runs what `args` ask for, prints each scenario's progress to stderr and the tables to stdout.
pub fn run(args: &Args) -> io::Result<()> {
    let scenarios = args.scenarios();
    if scenarios.is_empty() {
        // A filter may be meant for another bench of the same `cargo bench`.
        say(format_args!("no scenario of this bench matches"));
        return Ok(());
    }
    let machine = proc::machine();
    let placement = if args.free { Placement::Free } else { Placement::pinned()? };
    let mut bench = Bench { args, server_core: None, connections: idle::allow(args.idle)? };
    if let Placement::Pinned { client, server } = placement {
        cores::pin(client)?;
        bench.server_core = Some(server);
    }

    let mut results = Results::default();
    let failure = scenarios.into_iter().try_for_each(|scenario| results.add(&bench, scenario));

    // A scenario that failed must not cost us the minutes before it.
    let mut stdout = io::stdout().lock();
    report::heading(&mut stdout, &machine, placement, args)?;
    report::rounds(&mut stdout, &results.rounds)?;
    report::idles(&mut stdout, &results.idles)?;
    failure
}

/// The command as a reader would type it.
pub fn command() -> String {
    let options: Vec<String> = env::args().skip(1).filter(|a| a != "--bench").collect();
    match options.as_slice() {
        [] => "cargo bench --bench server".into(),
        options => format!("cargo bench --bench server -- {}", options.join(" ")),
    }
}

/// The figures of all scenarios so far.
#[derive(Default)]
struct Results {
    rounds: Vec<(Scenario, Vec<Series>)>,
    idles: Vec<(Wire, Subject, Idle)>,
}

impl Results {
    fn add(&mut self, bench: &Bench, scenario: Scenario) -> io::Result<()> {
        match scenario {
            Scenario::Idle(wire) => self.idles.extend(bench.idle(wire)?),
            loaded => self.rounds.push((loaded, bench.rounds(loaded)?)),
        }
        Ok(())
    }
}

/// All rounds of one server in one scenario; the first of a list is raw.
pub type Series = (Subject, Vec<Round>);

struct Bench<'a> {
    args: &'a Args,
    server_core: Option<usize>,
    /// Connections of the `idle` scenario.
    connections: usize,
}

impl Bench<'_> {
    /// Raw, subject, subject, raw, subject …: what disturbs the machine for a while disturbs all of them.
    fn rounds(&self, scenario: Scenario) -> io::Result<Vec<Series>> {
        let mut series: Vec<Series> =
            self.subjects(scenario.wire()).map(|subject| (subject, Vec::new())).collect();
        for number in 1..=self.args.rounds {
            for (subject, rounds) in &mut series {
                let round = self.round(scenario, *subject).map_err(|e| failed(scenario, *subject, &e))?;
                say(format_args!(
                    "{scenario:>17} round {number}/{} {subject:<7} {:>9} /s, p50 {:.1} µs",
                    self.args.rounds,
                    report::rate(round.rate),
                    round.p50
                ));
                rounds.push(round);
            }
        }
        Ok(series)
    }

    /// One run, on a server of its own: none starts with what another left behind.
    fn round(&self, scenario: Scenario, subject: Subject) -> io::Result<Round> {
        let server = Server::start(subject, scenario.wire(), self.server_core, None)?;
        match scenario {
            Scenario::Load { connections, depth, .. } => {
                let shape = Shape { connections, depth, payload: self.args.payload };
                load::run(&server, shape, Duration::from_secs_f64(self.args.seconds))
            }
            Scenario::Churn => churn::run(&server, self.args.cycles, self.args.payload),
            Scenario::Idle(_) => Err(io::Error::new(io::ErrorKind::InvalidInput, "idling has no rounds")),
        }
    }

    /// One run each: memory and idle time hardly vary.
    fn idle(&self, wire: Wire) -> io::Result<Vec<(Wire, Subject, Idle)>> {
        let scenario = Scenario::Idle(wire);
        let window = Duration::from_secs_f64(self.args.idle_seconds);
        let certificate = (wire == Wire::PomeloTls).then(Certificate::make).transpose()?;
        let tls = certificate.as_ref().map(Certificate::client).transpose()?;
        self.subjects(wire)
            .map(|subject| {
                let folder = certificate.as_ref().map(Certificate::folder);
                let idle = Server::start(subject, wire, self.server_core, folder)
                    .and_then(|server| {
                        idle::run(&server, self.connections, self.args.payload, window, tls.as_ref())
                    })
                    .map_err(|e| failed(scenario, subject, &e))?;
                say(format_args!("{scenario:>17} {subject:<7} {:.2} KiB a connection", idle.kib));
                Ok((wire, subject, idle))
            })
            .collect()
    }

    fn subjects(&self, wire: Wire) -> impl Iterator<Item = Subject> {
        let raw = wire.has_raw().then_some(Subject::Raw);
        raw.into_iter().chain(self.args.subject.iter().copied())
    }
}

/// The same error, saying where.
fn failed(scenario: Scenario, subject: Subject, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{scenario} with {subject}: {error}"))
}

/// Tells a waiting user where the bench is. It goes on without anybody listening.
fn say(progress: fmt::Arguments<'_>) {
    writeln!(io::stderr(), "{progress}").ok();
}
