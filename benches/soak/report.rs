//! The tables, in Markdown, fit for `docs/robustness.md`.

use std::{
    collections::BTreeSet,
    io::{self, Write},
};

use crate::{
    ledger::{Ledger, median},
    tally::Tally,
    verdict::{Verdict, mib},
};

/// Rows of the table over time, at most.
const ROWS: usize = 12;

/// How it went over time.
pub fn over_time(out: &mut impl Write, ledger: &Ledger) -> io::Result<()> {
    writeln!(
        out,
        "\n| from minute | connections | sessions | rooms | entities | archetypes | resident MiB: median (most) | budget MiB, most \
         | CPU | p50 ms | p99 ms | latest tick ms | answers | failures | logins | returns |"
    )?;
    writeln!(
        out,
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for (minute, part) in ledger.rows(ROWS)? {
        writeln!(
            out,
            "| {minute:.1} | {} | {} | {} | {} | {} | {} ({}) | {} | {:.0} % | {:.2} | {:.2} | {} | {} | {} | {} | {} |",
            median(&part.connections),
            median(&part.sessions),
            part.rooms,
            median(&part.entities),
            part.archetypes,
            mib(median(&part.rss)),
            mib(part.rss.max()),
            mib(part.budget / 1024),
            part.cpu_share() * 100.0,
            part.counts.millis(0.5),
            part.counts.millis(0.99),
            part.late_ms,
            part.counts.answers,
            part.counts.failures,
            part.counts.lives,
            part.counts.returns,
        )?;
    }
    Ok(())
}

/// Which ways connections ended, by thirds of the time.
pub fn closes(out: &mut impl Write, ledger: &Ledger) -> io::Result<()> {
    let thirds = ledger.rows(3)?;
    let causes: BTreeSet<&String> = thirds.iter().flat_map(|(_, part)| part.closed.keys()).collect();
    writeln!(out, "\n| closed | first third | second | last |")?;
    writeln!(out, "| --- | ---: | ---: | ---: |")?;
    for cause in causes {
        write!(out, "| `{cause}` |")?;
        for (_, part) in &thirds {
            write!(out, " {} |", part.closed.get(cause).copied().unwrap_or_default())?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Who did what.
pub fn who(out: &mut impl Write, tally: &Tally) -> io::Result<()> {
    writeln!(out, "\n| bots that speak | right answers | failures |")?;
    writeln!(out, "| --- | ---: | ---: |")?;
    for (protocol, (answers, failures)) in &tally.by_protocol {
        writeln!(out, "| {protocol} | {answers} | {failures} |")?;
    }
    writeln!(out, "\n| bad clients | times |")?;
    writeln!(out, "| --- | ---: |")?;
    for (name, times) in &tally.mischief {
        writeln!(out, "| {name} | {times} |")?;
    }
    Ok(())
}

/// What holds.
pub fn verdicts(out: &mut impl Write, verdicts: &[Verdict]) -> io::Result<()> {
    writeln!(out, "\n| verdict | | |")?;
    writeln!(out, "| --- | --- | --- |")?;
    for Verdict { name, holds, because } in verdicts {
        let word = match holds {
            Some(true) => "holds",
            Some(false) => "**does not hold**",
            None => "too short to tell",
        };
        writeln!(out, "| {name} | {word} | {because} |")?;
    }
    Ok(())
}
