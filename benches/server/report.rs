//! The tables, in Markdown, fit for `docs/performance.md`.

use std::io::{self, Write};

use crate::{
    args::Args,
    cores::Placement,
    idle::{Idle, MOST_SHARE},
    plan::{Series, command},
    proc,
    round::{Round, median},
    scenario::{Scenario, Target},
    subject::Subject,
    wire::Wire,
};

/// Where and how the figures came about.
pub fn heading(out: &mut impl Write, machine: &str, placement: Placement, args: &Args) -> io::Result<()> {
    let placement = match placement {
        Placement::Pinned { client, server } => format!("server on core {server}, client on core {client}"),
        Placement::Free => "server and client on any core".into(),
    };
    writeln!(out, "Machine: {machine}.  ")?;
    writeln!(out, "Command: `{}`: {placement}; payloads of {} bytes.  ", command(), args.payload)?;
    match proc::disturbance() {
        Some(part) => writeln!(
            out,
            "Disturbance: {:.1} % of the time the client wanted its core, another process had it.",
            part * 100.0
        ),
        None => writeln!(out, "Disturbance: unknown, this kernel does not count waiting for a core."),
    }
}

/// The loaded scenarios. Ratios are medians of the ratios inside each round.
pub fn rounds(out: &mut impl Write, scenarios: &[(Scenario, Vec<Series>)]) -> io::Result<()> {
    if scenarios.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    writeln!(
        out,
        "| scenario | server | per second: median (min..max) | p50 µs | p99 µs | CPU µs each | CPU share \
         | rate / raw | p50 / raw | CPU / raw | target |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    for (scenario, series) in scenarios {
        let Some(((_, raw), subjects)) = series.split_first() else {
            continue;
        };
        writeln!(out, "| {scenario} | {} | | | | |", figures(Subject::Raw, raw))?;
        for (subject, rounds) in subjects {
            let ratios = Ratios::of(rounds, raw);
            let Ratios { rate, p50, cpu } = &ratios;
            let target = scenario.target().map_or_else(String::new, |target| ratios.judge(target));
            let figures = figures(*subject, rounds);
            writeln!(out, "| {scenario} | {figures} | {rate:.2} | {p50:.2} | {cpu:.2} | {target} |")?;
        }
    }
    writeln!(out)?;
    writeln!(
        out,
        "A CPU share well below 100 % where many connections are open means that the server was not the limit, \
         but the client or a disturbance: CPU / raw says more there than rate / raw."
    )
}

/// The silent scenarios.
pub fn idles(out: &mut impl Write, idles: &[(Wire, Subject, Idle)]) -> io::Result<()> {
    let Some((_, _, first)) = idles.first() else {
        return Ok(());
    };
    writeln!(out)?;
    writeln!(
        out,
        "| {} idle connections | server | KiB each | target | CPU, % of a core | target |",
        first.connections
    )?;
    writeln!(out, "|---|---|---|---|---|---|")?;
    for (wire, subject, idle) in idles {
        let most_kib = most_kib(*wire);
        let judge = |good, most: f64, unit| match subject {
            Subject::Raw => String::new(),
            _ => format!("<= {most}{unit}: {}", verdict(good)),
        };
        writeln!(
            out,
            "| {} | {subject} | {:.2} | {} | {:.1} | {} |",
            Scenario::Idle(*wire),
            idle.kib,
            judge(idle.kib <= most_kib, most_kib, " KiB"),
            idle.share * 100.0,
            judge(idle.share <= MOST_SHARE, MOST_SHARE * 100.0, " %"),
        )?;
    }
    Ok(())
}

/// We promise this much resident memory a silent connection, in KiB.
fn most_kib(wire: Wire) -> f64 {
    match wire {
        Wire::Be16 | Wire::MsgServer | Wire::PomeloTcp => 4.0,
        Wire::PomeloWs | Wire::Sysconn => 8.0,
        Wire::PomeloTls => 40.0,
    }
}

/// A rate with three or four digits: `5.28 M`, `224.1 k`.
pub fn rate(rate: f64) -> String {
    match rate {
        r if r >= 1e6 => format!("{:.2} M", r / 1e6),
        r if r >= 1e3 => format!("{:.1} k", r / 1e3),
        r => format!("{r:.0}"),
    }
}

/// The cells of a server's own figures.
fn figures(subject: Subject, rounds: &[Round]) -> String {
    let middle = |figure: fn(&Round) -> f64| median(rounds.iter().map(figure));
    let rates = || rounds.iter().map(|r| r.rate);
    format!(
        "{subject} | {} ({}..{}) | {:.1} | {:.1} | {:.2} | {:.0} %",
        rate(median(rates())),
        rate(rates().fold(f64::INFINITY, f64::min)),
        rate(rates().fold(0.0, f64::max)),
        middle(|r| r.p50),
        middle(|r| r.p99),
        middle(|r| r.cpu),
        middle(|r| r.share) * 100.0,
    )
}

/// A server beside raw.
struct Ratios {
    rate: f64,
    p50: f64,
    cpu: f64,
}

impl Ratios {
    /// Medians over the rounds, each compared with the run of raw in the same round.
    fn of(rounds: &[Round], raw: &[Round]) -> Self {
        let ratio = |figure: fn(&Round) -> f64| {
            median(rounds.iter().zip(raw).map(|(r, raw)| figure(r) / figure(raw)))
        };
        Self { rate: ratio(|r| r.rate), p50: ratio(|r| r.p50), cpu: ratio(|r| r.cpu) }
    }

    fn judge(&self, target: Target) -> String {
        match target {
            Target::RateAtLeast(least) => format!("rate >= {least:.2}: {}", verdict(self.rate >= least)),
            Target::MedianAtMost(most) => format!("p50 <= {most:.2}: {}", verdict(self.p50 <= most)),
        }
    }
}

fn verdict(good: bool) -> &'static str {
    if good { "met" } else { "missed" }
}
