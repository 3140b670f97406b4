//! What holds for every server, whatever its game does.

use crate::{TestServer, errors, hub::Hub, pipe::Pipe, report::fail};
use bevy_ecs::{entity::EntityHashMap, prelude::*};
use portcullis_core::{
    Agent, Arrivals, BelongsTo, Bindings, Budget, Cause, Close, Closing, Connection, Holding, Link, Outbox,
};
use portcullis_dispatch::{Packets, ReplyCache, WaitingAnswers};
use portcullis_session::{Lingering, Session};
use std::time::Instant;

impl TestServer {
    /// Makes sure that, now that nothing moves,
    ///
    /// - each connection is an open link, and each open link a connection;
    /// - each connection the gate let in was told [`Opened`](portcullis_core::Opened) once, each that is over
    ///   [`Closed`](portcullis_core::Closed) once, and one that was never let in neither;
    /// - each agent belongs to someone who exists;
    /// - each session has a connection, or lingers no longer than it may;
    /// - what came was taken, and what was to be sent has left;
    /// - of the server's [`Budget`] as much is used for kept answers as is kept, and nothing for peers once all connections
    ///   are closed;
    /// - no request waits for a deferred answer once all connections are closed;
    /// - no system, observer or command has failed, but for the [errors](Self::errors) that were taken.
    ///
    /// A server that is dropped closes its clients and checks this too, unless the test has failed already.
    ///
    /// # Panics
    /// With the list of what does not hold.
    #[track_caller]
    pub fn check_invariants(&mut self) {
        let mut hub = self.hub.get_mut();
        let violations = hub.lasting_violations();
        // So that the drop does not tell it again.
        hub.checked &= violations.is_empty();
        if !violations.is_empty() {
            fail(list(&hub, &violations));
        }
    }

    /// Does not check the invariants when the server is dropped: for a test that breaks them itself.
    pub fn skip_invariants(&mut self) {
        self.hub.get_mut().checked = false;
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let Some(mut hub) = self.hub.try_get_mut() else { return };
        if hub.checked {
            hub.close_all();
            let violations = hub.lasting_violations();
            if !violations.is_empty() {
                fail(list(&hub, &violations));
            }
        }
    }
}

fn list(hub: &Hub, violations: &[String]) -> String {
    hub.report_with(
        "all invariants to hold",
        format_args!("{} that do not:\n   - {}", violations.len(), violations.join("\n   - ")),
    )
}

impl Hub {
    /// Closes all clients, and the connections that would not notice.
    fn close_all(&mut self) {
        self.held = false;
        for peer in &mut self.peers {
            if !peer.pipe.reading {
                peer.pipe.resume();
            }
            peer.pipe.close();
        }
        self.settle();
        // Nobody reads a connection that was not started, so only a deadline would close it.
        let history = self.history();
        let unread = history.connections.iter().filter(|(_, record)| !record.started);
        let unread: Vec<Entity> = unread.map(|(&entity, _)| entity).collect();
        let world = self.app.world_mut();
        for entity in unread {
            if world.get_entity(entity).is_ok() {
                world.trigger(Close::new(entity, Cause::Shutdown));
            }
        }
        world.flush();
        self.settle();
    }

    /// What still does not hold when other threads had time to do their part.
    fn lasting_violations(&mut self) -> Vec<String> {
        self.settle();
        let started = Instant::now();
        loop {
            let violations = self.violations();
            if violations.is_empty() || started.elapsed() >= self.patience {
                return violations;
            }
            self.wait();
        }
    }

    fn violations(&mut self) -> Vec<String> {
        let mut violations = Vec::new();
        let clients = (0..self.peers.len()).filter_map(|id| Some((self.entity(id)?, id))).collect();
        self.check_links(&clients, &mut violations);
        self.check_told(&clients, &mut violations);
        self.check_agents(&mut violations);
        self.check_sessions(&mut violations);
        self.check_leftovers(&mut violations);
        self.check_budget(&mut violations);
        violations.extend(errors::all().into_iter().map(|error| format!("an error: {error}")));
        violations
    }

    fn check_links(&mut self, clients: &EntityHashMap<usize>, violations: &mut Vec<String>) {
        let world = self.app.world();
        for (&entity, record) in &self.history().connections {
            let exists = world.get_entity(entity).is_ok();
            let pipe = clients.get(&entity).map(|&id| &self.peers[id].pipe);
            let over = pipe.is_some_and(Pipe::is_over);
            if exists && over {
                violations.push(format!("the connection {entity} is there, but its link is closed"));
            } else if !exists && !over && pipe.is_some_and(|pipe| pipe.reading) {
                violations.push(format!("the link of {entity} is open, but the connection is gone"));
            } else if !exists && pipe.is_none_or(Pipe::is_tcp) && record.line.strong_count() > 0 {
                // A client in memory holds the line itself.
                violations.push(format!("the transport still holds the link of {entity}, which is gone"));
            }
        }
        let world = self.app.world_mut();
        let mut linkless = world.query_filtered::<Entity, (With<Connection>, Without<Link>)>();
        for entity in linkless.iter(world) {
            violations.push(format!("the connection {entity} has no link"));
        }
    }

    fn check_told(&self, clients: &EntityHashMap<usize>, violations: &mut Vec<String>) {
        let world = self.app.world();
        for (&entity, record) in &self.history().connections {
            let exists = world.get_entity(entity).is_ok();
            let (opened, closed) = (record.opened, record.causes.len());
            let expected = usize::from(opened > 0 && !exists);
            if opened > 1 {
                violations.push(format!("the connection {entity} was opened {opened} times"));
            }
            if closed != expected {
                let what = match (opened, exists) {
                    (0, _) => "was never let in",
                    (_, true) => "is still there",
                    (_, false) => "is gone",
                };
                violations
                    .push(format!("the connection {entity} {what}, and Closed was told {closed} times"));
            }
            if record.refused.is_some() && opened > 0 {
                violations.push(format!("the connection {entity} was refused, and opened"));
            }
            let left = clients.get(&entity).is_some_and(|&id| self.peers[id].pipe.closed);
            if exists && record.started && left && world.get::<Closing>(entity).is_none() {
                violations.push(format!("the connection {entity} has not noticed that its client is gone"));
            }
        }
    }

    fn check_agents(&mut self, violations: &mut Vec<String>) {
        let world = self.app.world_mut();
        let mut agents = world.query_filtered::<(Entity, Option<&BelongsTo>), With<Agent>>();
        for (agent, belongs) in agents.iter(world) {
            match belongs {
                None => violations.push(format!("the agent {agent} belongs to nobody")),
                Some(&BelongsTo(owner)) if world.get_entity(owner).is_err() => {
                    violations.push(format!("the agent {agent} belongs to {owner}, which is gone"));
                }
                Some(_) => {}
            }
        }
    }

    fn check_sessions(&mut self, violations: &mut Vec<String>) {
        let now = self.time.now();
        let world = self.app.world_mut();
        let mut sessions = world.query::<(Entity, &Session, Option<&Bindings>, Option<&Lingering>)>();
        for (entity, session, bindings, lingering) in sessions.iter(world) {
            let bound = bindings.is_some_and(|bindings| !bindings.is_empty());
            let lingers = lingering.is_some_and(|lingering| lingering.until.is_none_or(|until| until > now));
            if !bound && !lingers {
                violations
                    .push(format!("the session {entity} of {} has no connection", session.uid().as_str()));
            }
        }
    }

    fn check_leftovers(&mut self, violations: &mut Vec<String>) {
        if self.has_input() {
            violations.push("the queue from outside is not empty".to_owned());
        }
        let world = self.app.world_mut();
        let frames: Vec<Entity> =
            world.resource::<Arrivals>().iter().map(|arrival| arrival.connection).collect();
        for connection in frames {
            violations.push(format!("no protocol has taken the frames of {connection}"));
        }
        let packets = world.resource::<Packets>().iter().count();
        if packets > 0 {
            violations.push(format!("{packets} packets were never dispatched"));
        }
        let mut outboxes = world.query::<(Entity, &Outbox)>();
        for (entity, outbox) in outboxes.iter(world) {
            let bytes = outbox.bytes().len();
            if bytes > 0 {
                violations.push(format!("{bytes} bytes in the outbox of {entity} were never sent"));
            }
        }
        let mut connections = world.query_filtered::<(), With<Connection>>();
        let waiting = world.resource::<WaitingAnswers>().in_flight();
        if connections.iter(world).len() == 0 && waiting > 0 {
            violations
                .push(format!("{waiting} requests wait for a deferred answer, and nobody is connected"));
        }
    }
    fn check_budget(&mut self, violations: &mut Vec<String>) {
        let world = self.app.world_mut();
        let budget = world.resource::<Budget>().clone();
        let mut caches = world.query::<&ReplyCache>();
        let kept: usize = caches.iter(world).map(ReplyCache::held).sum();
        let charged = budget.held(Holding::Kept);
        if charged != kept {
            violations.push(format!("{kept} bytes of answers are kept, and {charged} are charged"));
        }
        let mut connections = world.query_filtered::<(), With<Connection>>();
        if connections.iter(world).len() > 0 {
            return;
        }
        for holding in [Holding::Outgoing, Holding::Incoming, Holding::Incomplete] {
            let (bytes, label) = (budget.held(holding), holding.label());
            if bytes > 0 {
                violations.push(format!("{bytes} bytes are charged as {label}, and nobody is connected"));
            }
        }
    }
}
