//! What the soak is for: what has to hold after it.

use std::{io, process::ExitStatus, time::Duration};

use crate::{
    child::Process,
    ledger::{Ledger, Part, median},
    sample::Sample,
};

/// A soak that was shorter says nothing about growth: for a minute or two bots arrive, and the first of them linger.
pub const SHORTEST: Duration = Duration::from_secs(240);
/// Growth of medians that is still flat: what a level of random bots, and an allocator, waver by. In 20 minutes 100,000
/// connections come between the middles of the two quarters: a leak of an entity for each, or of 100 bytes, is more than that.
const FLAT: f64 = 0.03;
/// Memory comes in pages and arenas: so many KiB more are none.
const FLAT_KIB: u64 = 2 * 1024;
/// Some tens of bots, of thousands, are chance.
const FLAT_THINGS: u64 = 64;
/// Combinations of components that come up late: there are hundreds, and each comes up once.
const MORE_ARCHETYPES: u64 = 24;
/// How much larger the 99th percentile may become: others use the machine too.
const SLOWER: f64 = 1.5;
/// Below so many milliseconds it is the scheduler's, whatever it was before: the server ticks every 50.
const QUICK: f64 = 5.0;
/// Entities that a server has made once, when it was first used, and keeps.
const FEW: u64 = 16;

/// How a thing that has to hold came out.
pub struct Verdict {
    pub name: &'static str,
    /// None where the soak was too short to tell.
    pub holds: Option<bool>,
    pub because: String,
}

/// What there was when the bots had gone.
pub struct Rest {
    /// The world before any bot came, and after the last has gone.
    pub before: Sample,
    pub after: Sample,
    pub process: Process,
    pub errors: u64,
    /// Answers that bots were told are not kept any more.
    pub unkept: u64,
    pub end: io::Result<ExitStatus>,
    /// The budget's limit, in bytes.
    pub limit: u64,
    /// It was as long as it was to be, or long enough.
    pub long: bool,
}

/// All that has to hold.
pub fn judge(ledger: &Ledger, rest: &Rest) -> io::Result<Vec<Verdict>> {
    let quarters: Vec<Part> = ledger.rows(4)?.into_iter().map(|(_, part)| part).collect();
    let [_, second, _, last] = &quarters[..] else {
        return Ok(Vec::new());
    };
    let mut verdicts = vec![];
    let mut add = |name, holds, because| verdicts.push(Verdict { name, holds, because });
    let if_long = |holds: bool| rest.long.then_some(holds);

    let (early, late) = (median(&second.rss), median(&last.rss));
    let because = format!("{} MiB, {} MiB before", mib(late), mib(early));
    add("resident memory flat", if_long(is_flat(early, late, FLAT_KIB)), because);

    let (early, late) = (median(&second.entities), median(&last.entities));
    let because = format!("{late}, {early} before; at most {} indices in use", last.slots);
    add("no entity growth", if_long(is_flat(early, late, FLAT_THINGS)), because);

    let (early, late) = (second.archetypes, last.archetypes);
    let because = format!("{late}, {early} before");
    add("archetypes bounded", if_long(late <= early + MORE_ARCHETYPES), because);

    let (early, late) = (second.counts.millis(0.99), last.counts.millis(0.99));
    let because = format!("{late:.2} ms, {early:.2} ms before");
    add("p99 flat", if_long(late <= early * SLOWER || late <= QUICK), because);

    let all = quarters.iter().map(|part| (part.counts.answers, part.counts.failures));
    let (answers, failures) = all.fold((0, 0), |sum, each| (sum.0 + each.0, sum.1 + each.1));
    // That is no failure where the server had no room for it.
    let excused = rest.unkept == 0 || rest.after.shortages.get("unkept").is_some_and(|&count| count > 0);
    let because =
        format!("{failures} wrong or missing, {} not kept for want of room, {answers} right", rest.unkept);
    add("no wrong answer", Some(failures == 0 && excused && answers > 0), because);

    let most = quarters.iter().map(|part| part.budget).max().unwrap_or_default();
    let because = format!("at most {} MiB of {}", mib(most / 1024), mib(rest.limit / 1024));
    add("never above the budget", Some(most <= rest.limit), because);

    let Sample { connections, sessions, agents, members, waiting_answers, .. } = rest.after;
    let left = [connections, sessions, agents, members, waiting_answers, rest.after.users];
    let because = format!(
        "{connections} connections, {sessions} sessions, {agents} agents, {members} members, {waiting_answers} waiting \
         answers, {} users, {} bytes of the budget",
        rest.after.users,
        rest.after.budget()
    );
    add("nothing left behind", Some(left == [0; 6] && rest.after.budget() == 0), because);

    let (before, after) = (rest.before.entities, rest.after.entities);
    add("entities back", Some(after <= before + FEW), format!("{after}, {before} before anybody came"));

    let (busy, now) = (median(&second.rss), rest.process.rss);
    let because = format!("{} MiB, {} MiB while they were there", mib(now), mib(busy));
    add("resident memory back", if_long(now <= flat(busy, FLAT_KIB)), because);

    add("no error logged", Some(rest.errors == 0), format!("{}", rest.errors));
    let (holds, because) = match &rest.end {
        Ok(status) => (status.success(), status.to_string()),
        Err(error) => (false, error.to_string()),
    };
    add("the server ends", Some(holds), because);
    Ok(verdicts)
}

/// What is still no more than this.
fn flat(before: u64, more: u64) -> u64 {
    before + (before as f64 * FLAT) as u64 + more
}

fn is_flat(before: u64, after: u64, more: u64) -> bool {
    after <= flat(before, more)
}

/// KiB as MiB.
pub fn mib(kib: u64) -> String {
    format!("{:.1}", kib as f64 / 1024.0)
}
