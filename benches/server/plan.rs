//! The course of a whole bench: scenario by scenario, round by round, server by server.

use std::{
    env, fmt,
    io::{self, Write},
    time::Duration,
};

use crate::{
    args::Args,
    child::Server,
    churn,
    cores::{self, Placement},
    idle::{self, Idle},
    load::{self, Shape},
    proc, report,
    round::Round,
    scenario::Scenario,
    subject::Subject,
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
    idles: Vec<(Subject, Idle)>,
}

impl Results {
    fn add(&mut self, bench: &Bench, scenario: Scenario) -> io::Result<()> {
        match scenario {
            Scenario::Idle => self.idles = bench.idle()?,
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
        let mut series: Vec<Series> = self.subjects().map(|subject| (subject, Vec::new())).collect();
        for number in 1..=self.args.rounds {
            for (subject, rounds) in &mut series {
                let round = self.round(scenario, *subject).map_err(|e| failed(scenario, *subject, &e))?;
                say(format_args!(
                    "{scenario:>7} round {number}/{} {subject:<7} {:>9} /s, p50 {:.1} µs",
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
        let server = Server::start(subject, self.server_core)?;
        match scenario {
            Scenario::Load { connections, depth } => {
                let shape = Shape { connections, depth, payload: self.args.payload };
                load::run(&server, shape, Duration::from_secs_f64(self.args.seconds))
            }
            Scenario::Churn => churn::run(&server, self.args.cycles, self.args.payload),
            Scenario::Idle => Err(io::Error::new(io::ErrorKind::InvalidInput, "idling has no rounds")),
        }
    }

    /// One run each: memory and idle time hardly vary.
    fn idle(&self) -> io::Result<Vec<(Subject, Idle)>> {
        let window = Duration::from_secs_f64(self.args.idle_seconds);
        self.subjects()
            .map(|subject| {
                let idle = Server::start(subject, self.server_core)
                    .and_then(|server| idle::run(&server, self.connections, self.args.payload, window))
                    .map_err(|e| failed(Scenario::Idle, subject, &e))?;
                say(format_args!("   idle {subject:<7} {:.2} KiB a connection", idle.kib));
                Ok((subject, idle))
            })
            .collect()
    }

    fn subjects(&self) -> impl Iterator<Item = Subject> {
        [Subject::Raw].into_iter().chain(self.args.subject.iter().copied())
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
