//! All of it at random, against a small model of who has which role.

use crate::sysconn::{
    peer::{Peer, Who},
    server::with,
};
use portcullis::{
    core::{Cause, Clock, Kick},
    prelude::*,
    sysconn::{BanRole, BlacklistPolicy, Role},
};
use portcullis_testkit::TestServer;
use std::time::Duration;

const ROLES: usize = 20;
const PEERS: usize = 30;
const STEPS: usize = 2000;
/// All that happens is at a multiple of this.
const TICK: Duration = Duration::from_millis(250);
const LINGER: Duration = Duration::from_secs(60);
const BAN: Duration = Duration::from_secs(120);
/// Wrong secrets are this far apart, so that nobody has guessed too often.
const GUESS_EVERY: Duration = Duration::from_secs(70);

/// What is known of an account.
#[derive(Clone, Default)]
struct Account {
    /// None until it is made.
    role: Option<u32>,
    /// While the role is online.
    secret: Option<u32>,
    /// The peer that plays it.
    holder: Option<usize>,
    /// While it has none.
    lingers_until: Option<Duration>,
    /// In seconds since the Unix epoch.
    banned_until: u64,
}

struct Model {
    server: TestServer,
    accounts: Vec<Account>,
    peers: Vec<Option<(Peer, Option<usize>)>>,
    random: u64,
    guessed: Duration,
}

impl Model {
    fn new(seed: u64) -> Self {
        let policy = BlacklistPolicy { durations: vec![BAN], ..BlacklistPolicy::default() };
        let server = with(TestServer::builder().tick(TICK).seed(seed), |plugin| {
            plugin.blacklist(policy).login_deadline(Duration::MAX).early_commands(u32::MAX).linger(LINGER)
        });
        let peers = (0..PEERS).map(|_| None).collect();
        let accounts = vec![Account::default(); ROLES];
        Self { server, accounts, peers, random: seed, guessed: Duration::ZERO }
    }

    /// `SplitMix64`.
    fn random(&mut self, below: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % below as u64) as usize
    }

    fn step(&mut self) {
        let (slot, account) = (self.random(PEERS), self.random(ROLES));
        match self.random(20) {
            0..8 => self.log_in(slot, account),
            8..12 => self.reconnect(slot, account),
            12..14 => self.leave(slot),
            14 => self.kick(slot),
            15 => self.ban(account),
            16..18 => self.command(slot),
            _ => self.pass(),
        }
        self.check();
    }

    /// The peer in this place, and whom it plays.
    fn peer(&mut self, slot: usize) -> (&mut Peer, Option<usize>) {
        if self.peers[slot].is_none() {
            self.peers[slot] = Some((Peer::connect(&mut self.server), None));
        }
        let (peer, plays) = self.peers[slot].as_mut().unwrap();
        (peer, *plays)
    }

    fn is_banned(&self, account: usize) -> bool {
        self.server.world().resource::<Clock>().unix().as_secs() < self.accounts[account].banned_until
    }

    fn log_in(&mut self, slot: usize, account: usize) {
        let banned = self.is_banned(account);
        let (peer, plays) = self.peer(slot);
        let outcome = peer.log_in(&format!("account-{account}"));
        match (plays, banned) {
            (Some(_), _) => assert_eq!(outcome, Err(6)),
            (None, true) => assert_eq!(outcome, Err(45)),
            (None, false) => {
                let who = outcome.unwrap();
                let known = &self.accounts[account];
                assert_eq!(who.is_new, known.role.is_none());
                assert!(known.role.is_none_or(|role| role == who.role));
                assert!(known.secret.is_none_or(|secret| secret == who.secret));
                self.enter(slot, account, who);
            }
        }
    }

    fn reconnect(&mut self, slot: usize, account: usize) {
        let banned = self.is_banned(account);
        let Account { role, secret, .. } = self.accounts[account].clone();
        let now = self.server.now();
        let knows = secret.is_some() && (now < self.guessed + GUESS_EVERY || self.random(4) > 0);
        if !knows && now < self.guessed + GUESS_EVERY {
            return;
        }
        let (peer, plays) = self.peer(slot);
        let right = secret.filter(|_| knows);
        let outcome = peer.reconnect(role.unwrap_or(1), right.unwrap_or(!secret.unwrap_or(0)));
        match (plays, right, banned) {
            (Some(_), ..) => assert_eq!(outcome, Err(6)),
            (None, None, _) => {
                assert_eq!(outcome, Err(10));
                self.guessed = now;
            }
            (None, Some(_), true) => assert_eq!(outcome, Err(45)),
            (None, Some(secret), false) => {
                let who = outcome.unwrap();
                assert_eq!((Some(who.role), who.secret, who.is_new), (role, secret, false));
                self.enter(slot, account, who);
            }
        }
    }

    fn enter(&mut self, slot: usize, account: usize, who: Who) {
        let known = &mut self.accounts[account];
        (known.role, known.secret, known.lingers_until) = (Some(who.role), Some(who.secret), None);
        if let Some(older) = known.holder.replace(slot) {
            let (mut older, _) = self.peers[older].take().unwrap();
            older.expect_kicked(11, Cause::Replaced);
        }
        self.peers[slot].as_mut().unwrap().1 = Some(account);
    }

    /// Whoever plays in this place does so no more: the role waits.
    fn lose(&mut self, slot: usize) -> Option<Peer> {
        let (peer, plays) = self.peers[slot].take()?;
        if let Some(account) = plays {
            let known = &mut self.accounts[account];
            known.holder = None;
            known.lingers_until = Some(self.server.now() + LINGER);
        }
        Some(peer)
    }

    fn leave(&mut self, slot: usize) {
        if let Some(mut peer) = self.lose(slot) {
            peer.raw.close();
            peer.expect_closed(Cause::PeerClosed);
        }
    }

    fn kick(&mut self, slot: usize) {
        if let Some(mut peer) = self.lose(slot) {
            self.server.trigger(Kick::new(peer.raw.entity(), "for no reason"));
            peer.expect_kicked(11, Cause::Kicked);
        }
    }

    fn ban(&mut self, account: usize) {
        let Some(role) = self.accounts[account].role else { return };
        let until = self.server.world().resource::<Clock>().unix() + BAN;
        self.accounts[account].banned_until = until.as_secs() + u64::from(until.subsec_nanos() > 0);
        self.server.trigger(BanRole(role));
        if let Some(mut peer) = self.accounts[account].holder.and_then(|slot| self.lose(slot)) {
            assert_eq!(peer.hear().map(|heard| heard.command), Some(1149));
            peer.expect_closed(Cause::Kicked);
        }
    }

    fn command(&mut self, slot: usize) {
        let (peer, plays) = self.peer(slot);
        if plays.is_some() {
            peer.expect_echo(7);
        } else {
            peer.say(7, 1190, b"\x0a\x01x");
            peer.expect_silence();
        }
    }

    /// Nobody falls silent meanwhile.
    fn pass(&mut self) {
        for (peer, _) in self.peers.iter_mut().flatten() {
            peer.beat();
        }
        let ticks = 1 + self.random(40 * 4) as u32;
        self.server.advance(ticks * TICK);
        let now = self.server.now();
        for known in &mut self.accounts {
            if known.lingers_until.is_some_and(|until| until <= now) {
                (known.secret, known.lingers_until) = (None, None);
            }
        }
    }

    fn check(&mut self) {
        for (peer, _) in self.peers.iter_mut().flatten() {
            peer.expect_silence();
            assert!(peer.raw.is_open());
        }
        let online = self.accounts.iter().filter(|account| account.secret.is_some()).count();
        let counts = self.server.run_system_once(
            |sessions: Query<&Session>, roles: Query<&Role>, forwarded: Query<&ForwardedTo>| {
                (sessions.iter().len(), roles.iter().len(), forwarded.iter().len())
            },
        );
        let held = self.accounts.iter().filter(|account| account.holder.is_some()).count();
        assert_eq!(counts, (online, online, held));
    }
}

fn run(seed: u64) {
    let mut model = Model::new(seed);
    for step in 0..STEPS {
        model.step();
        if step % 100 == 99 {
            model.server.check_invariants();
        }
    }
}

#[test]
fn whatever_happens_roles_are_as_a_model_has_them_1() {
    run(1);
}

#[test]
fn whatever_happens_roles_are_as_a_model_has_them_2() {
    run(2);
}

#[test]
fn whatever_happens_roles_are_as_a_model_has_them_3() {
    run(3);
}

#[test]
fn whatever_happens_roles_are_as_a_model_has_them_4() {
    run(4);
}
