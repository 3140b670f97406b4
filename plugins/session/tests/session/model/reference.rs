//! What sessions are, in plain structs: written from what the documentation promises, and without the ECS.

use super::{Action, Fact, Id, NEVER, Outcome, Policy, SERVERS, Seen, TICKET_LIFE};
use portcullis_session::LoginRefusal;
use std::collections::{BTreeMap, BTreeSet};

/// The unnamed server, where logins go that name none.
const HERE: usize = 0;

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// Still bound, if it is; told to go.
    Closing,
    Gone,
}

struct Peer {
    policy: Option<Policy>,
    state: State,
    session: Option<Id>,
}

struct User {
    uid: usize,
    began: u64,
    bound: Vec<usize>,
    /// Nobody has come to it yet.
    awaited: bool,
    /// Its own linger time.
    linger: Option<u64>,
    /// Until when it waits, while it has no connection; [`NEVER`] is for ever.
    until: Option<u64>,
    issued: u64,
    redeemed: u64,
}

struct Paper {
    session: Id,
    number: u64,
    expires: u64,
}

#[derive(Default)]
pub struct Reference {
    now: u64,
    due: Vec<Id>,
    linger: u64,
    policy: Policy,
    users: BTreeMap<Id, User>,
    peers: Vec<Peer>,
    /// Those that are not gone.
    here: BTreeSet<usize>,
    papers: Vec<Paper>,
    begun: [u64; SERVERS],
    facts: Vec<(Option<Id>, Fact)>,
}

impl Reference {
    pub fn new(linger: u64, policy: Policy) -> Self {
        Self { linger, policy, ..Self::default() }
    }

    pub fn now(&self) -> u64 {
        self.now
    }

    pub fn connect(&mut self, policy: Option<Policy>) {
        self.here.insert(self.peers.len());
        self.peers.push(Peer { policy, state: State::Open, session: None });
    }

    pub fn open(&self) -> Vec<usize> {
        self.here.iter().copied().filter(|&peer| self.is_open(peer)).collect()
    }

    pub fn ids(&self) -> Vec<Id> {
        self.users.keys().copied().collect()
    }

    pub fn papers(&self) -> usize {
        self.papers.len()
    }

    pub fn facts(&mut self) -> Vec<(Option<Id>, Fact)> {
        std::mem::take(&mut self.facts)
    }

    pub fn seen(&self) -> BTreeMap<Id, Seen> {
        let seen = |user: &User| Seen {
            uid: user.uid,
            began: user.began,
            bound: user.bound.iter().copied().collect(),
            until: user.until,
        };
        self.users.iter().map(|(&id, user)| (id, seen(user))).collect()
    }

    /// Nobody who is told to go may still be there.
    pub fn closing(&self) -> Vec<usize> {
        self.here.iter().copied().filter(|&peer| !self.is_open(peer)).collect()
    }

    /// The end of a connection's time, whatever has brought it about.
    pub fn die(&mut self, peer: usize) {
        self.peers[peer].state = State::Gone;
        self.here.remove(&peer);
        self.unbind(peer);
    }

    pub fn pass_second(&mut self) {
        self.now += 1;
        let due = |user: &User| user.until.is_some_and(|until| until != NEVER && until <= self.now);
        self.due = self.users.iter().filter(|(_, user)| due(user)).map(|(&id, _)| id).collect();
    }

    /// Those who were due at the beginning of this second are out, if nobody has come back since.
    pub fn expire(&mut self) {
        for id in std::mem::take(&mut self.due) {
            let until = self.users.get(&id).and_then(|user| user.until);
            if until.is_some_and(|until| until <= self.now) {
                self.log_out(id);
            }
        }
    }

    pub fn act(&mut self, action: Action) -> Outcome {
        match action {
            Action::Login { peer, uid } => {
                let before = self.peers[peer].session;
                let refusal = match self.bind(peer, uid) {
                    Ok(id) if before == Some(id) => Some(LoginRefusal::AlreadyLoggedIn),
                    Ok(_) | Err(LoginRefusal::NotOpen) => None,
                    Err(why) => Some(why),
                };
                self.facts.extend(refusal.map(|why| (None, Fact::Refused(peer, why))));
                Outcome::Nothing
            }
            Action::Bind { peer, uid } => Outcome::Session(self.bind(peer, uid)),
            Action::Begin { uid, server, linger } => {
                if self.find(server, uid).is_some() {
                    return Outcome::Session(Err(LoginRefusal::HasSession));
                }
                let id = self.begin(server, uid);
                if let Some(user) = self.users.get_mut(&id) {
                    user.awaited = true;
                    user.linger = Some(linger);
                    user.until = Some(self.now.saturating_add(linger));
                }
                Outcome::Session(Ok(id))
            }
            Action::Resume { peer, id } => Outcome::Session(self.resume(peer, id)),
            Action::Issue { id } => Outcome::Issued(self.issue(id)),
            Action::Redeem { peer, paper, broken } => match self.redeem(paper, broken) {
                Some(id) => Outcome::Session(self.resume(peer, id)),
                None => Outcome::BadTicket,
            },
            Action::Unbind { peer } => {
                self.unbind(peer);
                Outcome::Nothing
            }
            Action::Kick { uid } => {
                let sessions: Vec<Id> = (0..SERVERS).filter_map(|server| self.find(server, uid)).collect();
                let bound = sessions.iter().flat_map(|id| self.users[id].bound.clone());
                bound.collect::<Vec<_>>().into_iter().for_each(|peer| self.close(peer));
                Outcome::Nothing
            }
            Action::Close { peer } => {
                self.close(peer);
                Outcome::Nothing
            }
            Action::Logout { id } => {
                self.log_out(id);
                Outcome::Nothing
            }
            Action::SetLinger { id, linger } => {
                if let Some(user) = self.users.get_mut(&id) {
                    user.linger = Some(linger);
                }
                Outcome::Nothing
            }
        }
    }

    fn is_open(&self, peer: usize) -> bool {
        self.peers[peer].state == State::Open
    }

    fn find(&self, server: usize, uid: usize) -> Option<Id> {
        self.users.iter().find(|(id, user)| id.0 == server && user.uid == uid).map(|(&id, _)| id)
    }

    fn begin(&mut self, server: usize, uid: usize) -> Id {
        self.begun[server] += 1;
        let id = (server, self.begun[server]);
        let user = User {
            uid,
            began: self.now,
            bound: Vec::new(),
            awaited: false,
            linger: None,
            until: None,
            issued: 0,
            redeemed: 0,
        };
        self.users.insert(id, user);
        id
    }

    fn bind(&mut self, peer: usize, uid: usize) -> Result<Id, LoginRefusal> {
        let found = self.find(HERE, uid);
        if self.may_join(peer, found)? {
            return found.ok_or(LoginRefusal::NoSession);
        }
        let id = found.unwrap_or_else(|| self.begin(HERE, uid));
        self.join(peer, id, found.is_some());
        Ok(id)
    }

    fn resume(&mut self, peer: usize, id: Id) -> Result<Id, LoginRefusal> {
        if !self.is_open(peer) {
            return Err(LoginRefusal::NotOpen);
        }
        if !self.users.contains_key(&id) {
            return Err(LoginRefusal::NoSession);
        }
        if !self.may_join(peer, Some(id))? {
            self.join(peer, id, true);
        }
        Ok(id)
    }

    /// Gives whether it is there already. Makes room, if that is the policy.
    fn may_join(&mut self, peer: usize, found: Option<Id>) -> Result<bool, LoginRefusal> {
        if !self.is_open(peer) {
            return Err(LoginRefusal::NotOpen);
        }
        if let Some(id) = self.peers[peer].session {
            return if found == Some(id) { Ok(true) } else { Err(LoginRefusal::AlreadyLoggedIn) };
        }
        let bound = found.map(|id| self.users[&id].bound.clone()).unwrap_or_default();
        let open: Vec<usize> = bound.into_iter().filter(|&peer| self.is_open(peer)).collect();
        match self.peers[peer].policy.unwrap_or(self.policy) {
            Policy::Replace => open.into_iter().for_each(|peer| self.close(peer)),
            Policy::Refuse if open.is_empty() => {}
            Policy::Two if open.len() < 2 => {}
            Policy::Refuse | Policy::Two => return Err(LoginRefusal::InUse),
        }
        Ok(false)
    }

    fn join(&mut self, peer: usize, id: Id, found: bool) {
        self.peers[peer].session = Some(id);
        let Some(user) = self.users.get_mut(&id) else { return };
        let first = std::mem::take(&mut user.awaited) || !found;
        let waited = user.until.take().is_some();
        user.bound.push(peer);
        self.facts.push((Some(id), Fact::LoggedIn { peer, resumed: !first }));
        if waited && !first {
            self.facts.push((Some(id), Fact::Resumed(peer)));
        }
    }

    fn close(&mut self, peer: usize) {
        if self.is_open(peer) {
            self.peers[peer].state = State::Closing;
        }
    }

    fn unbind(&mut self, peer: usize) {
        let Some(id) = self.peers[peer].session.take() else { return };
        self.facts.push((Some(id), Fact::Unbound(peer)));
        let Some(user) = self.users.get_mut(&id) else { return };
        user.bound.retain(|&bound| bound != peer);
        if user.bound.is_empty() {
            let linger = user.linger.unwrap_or(self.linger);
            user.until = Some(self.now.saturating_add(linger));
            self.facts.push((Some(id), Fact::Detached));
            if linger == 0 {
                self.log_out(id);
            }
        }
    }

    fn log_out(&mut self, id: Id) {
        let Some(user) = self.users.remove(&id) else { return };
        for peer in user.bound {
            self.close(peer);
            self.peers[peer].session = None;
            self.facts.push((Some(id), Fact::Unbound(peer)));
        }
        self.facts.push((Some(id), Fact::LoggedOut));
    }

    fn issue(&mut self, id: Id) -> bool {
        let Some(user) = self.users.get_mut(&id) else { return false };
        user.issued += 1;
        self.papers.push(Paper { session: id, number: user.issued, expires: self.now + TICKET_LIFE });
        true
    }

    fn redeem(&mut self, paper: usize, broken: bool) -> Option<Id> {
        let paper = &self.papers[paper];
        let user = self.users.get_mut(&paper.session)?;
        if broken || paper.expires <= self.now || paper.number < user.redeemed {
            return None;
        }
        user.redeemed = paper.number;
        Some(paper.session)
    }
}
