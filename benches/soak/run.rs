//! The soak, from the first bot to the verdicts.

use std::{
    fmt,
    io::{self, Write},
    process::{self, ExitCode},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::{
    runtime,
    task::{JoinSet, LocalSet},
    time::{MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    args::Args,
    bad,
    certificate::Certificate,
    child::{Process, Server},
    ledger::Ledger,
    life, proc, report,
    sample::{Line, Sample},
    shell::Shell,
    tally::{Counts, Tally},
    verdict::{self, Rest, mib},
};

/// Good bots for one bad client.
const GOOD_FOR_BAD: usize = 10;
/// Bots arrive over a tenth of the soak, and a minute at most: 3000 in a minute are the 50 a second that come later too.
const LONGEST_ARRIVAL: Duration = Duration::from_secs(60);
/// How often a person is told.
const LINE: Duration = Duration::from_secs(10);
/// How long the last bot may take to leave: it may wait for a login.
const FAREWELL: Duration = Duration::from_secs(45);
/// How long the server may take to come to rest: sessions linger for 20 seconds, and late answers wait for 10.
const REST: Duration = Duration::from_secs(60);
/// Open files beside those of the bots.
const OTHER_FILES: u64 = 500;
/// The server's budget, as its configuration has it, in bytes.
const BUDGET: u64 = 64 << 20;

/// Soaks, and tells by the exit code whether all held.
pub fn run(args: &Args) -> io::Result<ExitCode> {
    raise_open_files(args)?;
    let interrupted = Arc::<AtomicBool>::default();
    let flag = Arc::clone(&interrupted);
    let heard = ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            process::exit(130);
        }
    });
    heard.map_err(io::Error::other)?;

    let certificate = Certificate::make()?;
    let server = Server::start(certificate.folder())?;
    let Line::Ports(ports) = server.first_line()? else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the server did not tell its ports"));
    };
    let shell = Rc::new(Shell::new(ports, certificate.client()?, Tally::new()?, args.seed)?);
    let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
    let soak = Soak { args, server, shell, interrupted, ledger: Ledger::new(args.duration())? };
    LocalSet::new().block_on(&runtime, soak.run())
}

/// As far as it may be raised, and for the server too.
fn raise_open_files(args: &Args) -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit })?;
    // Silent bots that are waited for, floods and waves: half as many again.
    let needed = u64::from(args.bots) * 3 / 2 + OTHER_FILES;
    match limit.maximum {
        Some(files) if files < needed => Err(io::Error::other(format!(
            "{} bots need {needed} open files, and {files} are allowed: see ulimit -n",
            args.bots
        ))),
        _ => Ok(()),
    }
}

struct Soak<'a> {
    args: &'a Args,
    server: Server,
    shell: Rc<Shell>,
    interrupted: Arc<AtomicBool>,
    ledger: Ledger,
}

impl Soak<'_> {
    async fn run(mut self) -> io::Result<ExitCode> {
        say(format_args!("Machine: {}.", proc::machine()));
        let bots = self.args.bots as usize;
        say(format_args!(
            "{bots} bots and {} bad clients for {:.1} minutes, seed {}.",
            bots / GOOD_FOR_BAD,
            self.args.minutes,
            self.args.seed
        ));
        let before = self.sample().await?;
        let started = Instant::now();
        let tasks = self.send_in();
        let outcome = self.watch(started).await;
        let elapsed = started.elapsed();
        self.shell.end();
        outcome?;
        say(format_args!("Everybody leaves."));
        self.see_off(tasks).await;
        let after = self.rest().await?;
        let process = self.server.process()?;
        let logged = self.server.logged();
        let (warnings, errors) =
            (logged.warnings.load(Ordering::Relaxed), logged.errors.load(Ordering::Relaxed));
        let rest = Rest {
            before,
            process,
            errors,
            unkept: self.shell.tally.borrow().unkept,
            end: self.server.stop(),
            limit: BUDGET,
            long: elapsed >= verdict::SHORTEST,
            after,
        };
        self.tell(&rest, warnings, elapsed)
    }

    /// Lets them all come, one after the other.
    fn send_in(&self) -> JoinSet<()> {
        let arrival = (self.args.duration() / 10).min(LONGEST_ARRIVAL);
        let (bots, mut tasks) = (self.args.bots as usize, JoinSet::new());
        for slot in 0..bots {
            let after = arrival.mul_f64(slot as f64 / bots as f64);
            tasks.spawn_local(life::live(Rc::clone(&self.shell), slot, after));
        }
        for number in 0..bots / GOOD_FOR_BAD {
            tasks.spawn_local(bad::misbehave(Rc::clone(&self.shell), number));
        }
        tasks.spawn_local(bad::waves(Rc::clone(&self.shell), self.args.duration()));
        tasks
    }

    /// Looks once a second, until it is over.
    async fn watch(&mut self, started: Instant) -> io::Result<()> {
        let mut seconds = interval(Duration::from_secs(1));
        seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut told, mut lately) = (started, Counts::new()?);
        let (mut latest, mut second) = (Sample::default(), Counts::new()?);
        let mut cpu = Duration::ZERO;
        while started.elapsed() < self.args.duration() && !self.interrupted.load(Ordering::SeqCst) {
            seconds.tick().await;
            if !self.server.is_running()? {
                return Err(io::Error::other("the server has ended"));
            }
            let process = self.server.process()?;
            self.shell.tally.borrow_mut().take_into(&mut second);
            if let Some(sample) = self.server.sample() {
                latest = sample;
            }
            lately.add(&second);
            self.ledger.note(started.elapsed(), &latest, &process, &second);
            second = Counts::new()?;
            if told.elapsed() >= LINE {
                let share = process.cpu.saturating_sub(cpu).as_secs_f64() / told.elapsed().as_secs_f64();
                tell_person(started.elapsed(), told.elapsed(), &latest, &process, share, &lately);
                (told, lately, cpu) = (Instant::now(), Counts::new()?, process.cpu);
            }
        }
        Ok(())
    }

    /// Waits for them all to leave; who does not is gone all the same.
    async fn see_off(&self, mut tasks: JoinSet<()>) {
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(FAREWELL, all).await.is_err() {
            say(format_args!("{} bots do not leave, and are dropped.", tasks.len()));
            tasks.shutdown().await;
        }
        // Silent ones, and those of a wave, look around once a second.
        sleep(Duration::from_secs(2)).await;
    }

    /// What the server holds when it has come to rest, or has had the time to.
    async fn rest(&mut self) -> io::Result<Sample> {
        let began = Instant::now();
        loop {
            let sample = self.sample().await?;
            let Sample { connections, sessions, waiting_answers, users, .. } = sample;
            let at_rest = [connections, sessions, waiting_answers, users, sample.budget()] == [0; 5];
            if at_rest || began.elapsed() > REST {
                say(format_args!("At rest after {:.0} s.", began.elapsed().as_secs_f64()));
                return Ok(sample);
            }
        }
    }

    /// The next sample.
    async fn sample(&mut self) -> io::Result<Sample> {
        loop {
            if let Some(sample) = self.server.sample() {
                return Ok(sample);
            }
            if !self.server.is_running()? {
                return Err(io::Error::other("the server has ended"));
            }
            sleep(Duration::from_millis(100)).await;
        }
    }

    fn tell(&self, rest: &Rest, warnings: u64, elapsed: Duration) -> io::Result<ExitCode> {
        let mut out = io::stdout().lock();
        let (ledger, tally) = (&self.ledger, self.shell.tally.borrow());
        report::over_time(&mut out, ledger)?;
        report::closes(&mut out, ledger)?;
        report::who(&mut out, &tally)?;
        let verdicts = verdict::judge(ledger, rest)?;
        report::verdicts(&mut out, &verdicts)?;
        let after = &rest.after;
        writeln!(
            out,
            "\n{:.1} minutes; {} connections were let in.",
            elapsed.as_secs_f64() / 60.0,
            after.opened
        )?;
        writeln!(
            out,
            "Refused: {:?}. Shortages: {:?}. Warnings: {warnings}.",
            after.refused, after.shortages
        )?;
        writeln!(out, "The bots took {} MiB.", mib(proc::resident_kib(process::id())?))?;
        let failed = verdicts.is_empty() || verdicts.iter().any(|verdict| verdict.holds == Some(false));
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// One line for people.
fn tell_person(
    at: Duration,
    since: Duration,
    sample: &Sample,
    process: &Process,
    share: f64,
    lately: &Counts,
) {
    let seconds = at.as_secs();
    say(format_args!(
        "{:3}:{:02}  {:5} connections, {:5} sessions ({} linger), {:5} entities, {} archetypes, {} MiB resident ({} anonymous), \
         {} MiB budget, {} files, {:.0} % CPU, {:.0} answers/s, p50 {:.2} p99 {:.2} ms, tick {} ms late, {} failures",
        seconds / 60,
        seconds % 60,
        sample.connections,
        sample.sessions,
        sample.lingering,
        sample.entities,
        sample.archetypes,
        mib(process.rss),
        mib(process.anonymous),
        mib(sample.budget() / 1024),
        process.descriptors,
        share * 100.0,
        lately.answers as f64 / since.as_secs_f64(),
        lately.millis(0.5),
        lately.millis(0.99),
        sample.late_ms,
        lately.failures,
    ));
}

/// Tells a person. It goes on without anybody listening.
fn say(progress: fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{progress}").and_then(|()| out.flush());
}
