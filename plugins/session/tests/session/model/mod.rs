//! Thousands of random steps, in whole servers whose systems run in shuffled order, beside a [`reference`] that is told
//! what was done in which order, and says what must come of it.

mod reference;
mod server;

use fastrand::Rng;
use portcullis_session::LoginRefusal;
use reference::Reference;
use server::{Entry, Real};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Number of the server, and of the session at it.
type Id = (usize, u64);

/// The unnamed one, and two more.
const SERVERS: usize = 3;
const USERS: usize = 50;
/// In seconds, as all times here.
const TICKET_LIFE: u64 = 15;
const NEVER: u64 = u64::MAX;
/// As `MultiLogin`; no connection has more to say than one of these.
const POLICIES: [Option<Policy>; 4] = [None, Some(Policy::Replace), Some(Policy::Refuse), Some(Policy::Two)];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Policy {
    #[default]
    Replace,
    Refuse,
    Two,
}

/// What is asked for: connections, users and tickets by number.
#[derive(Clone, Copy, Debug)]
enum Action {
    Login { peer: usize, uid: usize },
    Bind { peer: usize, uid: usize },
    Begin { uid: usize, server: usize, linger: u64 },
    Resume { peer: usize, id: Id },
    Issue { id: Id },
    Redeem { peer: usize, paper: usize, broken: bool },
    Unbind { peer: usize },
    Kick { uid: usize },
    Close { peer: usize },
    Logout { id: Id },
    SetLinger { id: Id, linger: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Nothing,
    Session(Result<Id, LoginRefusal>),
    Issued(bool),
    BadTicket,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fact {
    Unbound(usize),
    LoggedIn { peer: usize, resumed: bool },
    Resumed(usize),
    Detached,
    LoggedOut,
    Refused(usize, LoginRefusal),
}

/// A session as it can be seen from outside.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    uid: usize,
    began: u64,
    bound: BTreeSet<usize>,
    until: Option<u64>,
}

#[expect(dead_code, reason = "its Debug is what is told")]
#[derive(Debug)]
enum Line {
    Connects(usize, Option<Policy>),
    Drops(usize),
    /// When, in seconds.
    Entry(u64, Entry),
}

/// The last steps, which are told when the test fails, wherever it does.
struct Story {
    seed: u64,
    steps: usize,
    last: VecDeque<Line>,
}

impl Story {
    fn tell(&mut self, what: Line) {
        self.last.push_back(what);
        if self.last.len() > 60 {
            self.last.pop_front();
        }
    }
}

impl Drop for Story {
    #[expect(clippy::print_stderr, reason = "so that a failure can be told from its beginning")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let last: String = self.last.iter().map(|line| format!("  {line:?}\n")).collect();
            eprintln!("seed {}, after {} steps; the last were\n{last}", self.seed, self.steps);
        }
    }
}

#[test]
fn users_are_where_the_reference_says_they_are_whatever_happens() {
    let mut met = BTreeSet::new();
    for seed in 0..8 {
        let story = Story { seed, steps: 0, last: VecDeque::new() };
        met.extend(Run::new(story).run(5000));
    }
    // It has been where it is difficult.
    for kind in ["in_use", "already_logged_in", "has_session", "no_session", "not_open", "bad ticket"] {
        assert!(met.contains(kind), "{kind}: not among {met:?}");
    }
    for kind in ["nothing to issue for", "first", "again", "resumed", "logged out", "in the last moment"] {
        assert!(met.contains(kind), "{kind}: not among {met:?}");
    }
}

/// What an entry is an example of.
fn kinds(entry: &Entry) -> [Option<&'static str>; 2] {
    match *entry {
        Entry::Did { due_left, outcome, .. } => {
            let what = match outcome {
                Outcome::Session(Err(why)) => Some(why.label()),
                Outcome::BadTicket => Some("bad ticket"),
                Outcome::Issued(false) => Some("nothing to issue for"),
                Outcome::Nothing | Outcome::Session(Ok(_)) | Outcome::Issued(true) => None,
            };
            [what, due_left.then_some("in the last moment")]
        }
        Entry::Told(_, Fact::LoggedIn { resumed, .. }) => {
            [Some(if resumed { "again" } else { "first" }), None]
        }
        Entry::Told(_, Fact::Resumed(_)) => [Some("resumed"), None],
        Entry::Told(_, Fact::LoggedOut) => [Some("logged out"), None],
        Entry::Told(..) | Entry::Died(_) => [None, None],
    }
}

struct Run {
    story: Story,
    random: Rng,
    reference: Reference,
    real: Real,
    met: BTreeSet<&'static str>,
}

impl Run {
    fn new(story: Story) -> Self {
        let mut random = Rng::with_seed(story.seed);
        let linger = [0, 5, 12, NEVER][story.seed as usize % 4];
        let policy = [Policy::Replace, Policy::Refuse, Policy::Two][random.usize(..3)];
        let reference = Reference::new(linger, policy);
        Self { real: Real::new(story.seed, linger, policy), story, random, reference, met: BTreeSet::new() }
    }

    fn run(mut self, steps: usize) -> BTreeSet<&'static str> {
        while self.story.steps < steps {
            match self.random.u8(..10) {
                0..=2 if self.reference.open().len() < 60 => {
                    let policy = self.random.usize(..POLICIES.len());
                    self.story.tell(Line::Connects(self.real.connections(), POLICIES[policy]));
                    self.real.connect(policy);
                    self.reference.connect(POLICIES[policy]);
                    self.story.steps += 1;
                    continue;
                }
                3 => {
                    let Some(peer) = self.random.choice(self.reference.open()) else { continue };
                    self.story.tell(Line::Drops(peer));
                    // From the peer's side; the server closes it as it does all others.
                    self.reference.act(Action::Close { peer });
                    self.real.drop_connection(peer);
                    self.story.steps += 1;
                }
                4 => {
                    let seconds = self.random.u64(1..12);
                    for _ in 0..seconds {
                        self.tick();
                    }
                    self.story.steps += 1;
                }
                _ => {
                    for _ in 0..self.random.usize(1..9) {
                        let Some((action, queue)) = self.choose() else { continue };
                        self.real.ask(queue, action);
                        self.story.steps += 1;
                    }
                    self.tick();
                }
            }
            self.follow();
            assert_eq!(self.real.seen(), self.reference.seen(), "is, and should be");
        }
        // Those who may not wait at all have until the next tick.
        self.tick();
        self.real.finish();
        self.met
    }

    fn tick(&mut self) {
        self.reference.pass_second();
        self.real.tick();
        self.follow();
    }

    /// Something to ask for, and by which system.
    fn choose(&mut self) -> Option<(Action, usize)> {
        let random = &mut self.random;
        // Some are much sought after.
        let uid = if random.bool() { random.usize(..4) } else { random.usize(..USERS) };
        // Mostly one that is open, sometimes one that is long gone.
        let open = self.reference.open();
        let any = random.usize(..self.real.connections().max(1));
        let peer = if random.u8(..8) == 0 { any } else { random.choice(open).unwrap_or(any) };
        let id = if random.u8(..8) == 0 {
            (random.usize(..SERVERS), random.u64(1..40))
        } else {
            random.choice(self.reference.ids()).unwrap_or((0, 1))
        };
        let linger = [0, 1, 3, 8, 20, NEVER][random.usize(..6)];
        let queue = random.usize(..server::QUEUES);
        let papers = self.reference.papers();
        // Most often one of the latest.
        let age =
            if random.bool() { random.usize(..papers.clamp(1, 6)) } else { random.usize(..papers.max(1)) };
        let action = match random.u8(..20) {
            0..=2 => Action::Login { peer, uid },
            3 => Action::Bind { peer, uid },
            // One that is over at once could end before or after those who ask early in a tick.
            4..=6 => Action::Begin {
                uid,
                server: random.usize(..SERVERS),
                linger: linger.max((queue == 0).into()),
            },
            7 | 8 => Action::Resume { peer, id },
            9..=11 => Action::Issue { id },
            12..=14 if papers > 0 => {
                Action::Redeem { peer, paper: papers - 1 - age, broken: random.u8(..6) == 0 }
            }
            15 => Action::Unbind { peer },
            16 => Action::Kick { uid },
            17 => Action::Close { peer },
            18 => Action::Logout { id },
            19 => Action::SetLinger { id, linger },
            _ => return None,
        };
        let known = self.real.connections() > 0;
        known.then_some((action, queue))
    }

    /// Lets the reference do what was done, and looks whether all came as it says.
    fn follow(&mut self) {
        let mut facts = Vec::new();
        for entry in self.real.take_log() {
            self.met.extend(kinds(&entry).into_iter().flatten());
            self.story.tell(Line::Entry(self.reference.now(), entry));
            match entry {
                Entry::Did { action, due_left, outcome } => {
                    if !due_left {
                        self.reference.expire();
                    }
                    let expected = self.reference.act(action);
                    assert_eq!(outcome, expected, "{action:?}: came of it, and should have");
                }
                Entry::Died(peer) => self.reference.die(peer),
                Entry::Told(session, fact) => facts.push((session, fact)),
            }
        }
        self.reference.expire();
        assert_eq!(self.reference.closing(), [0; 0], "closing, and not gone");
        assert_eq!(by_session(facts), by_session(self.reference.facts()), "told, and should have been");
    }
}

/// What was told of each session, in order; but which of two connections is unbound first is nobody's business.
fn by_session(facts: Vec<(Option<Id>, Fact)>) -> BTreeMap<Option<Id>, Vec<Fact>> {
    let mut by_session: BTreeMap<_, Vec<Fact>> = BTreeMap::new();
    for (session, fact) in facts {
        by_session.entry(session).or_default().push(fact);
    }
    for facts in by_session.values_mut() {
        let unbound = |fact: &Fact| if let Fact::Unbound(peer) = fact { Some(*peer) } else { None };
        let together = facts.chunk_by_mut(|a, b| unbound(a).is_some() && unbound(b).is_some());
        together.for_each(|facts| facts.sort_by_key(unbound));
    }
    by_session
}
