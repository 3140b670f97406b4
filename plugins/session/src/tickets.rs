//! Tickets: what a client shows on its next connection to come back to its session.

use crate::{Session, binding};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bevy_ecs::prelude::*;
use hmac::{Hmac, KeyInit, Mac};
use portcullis_core::{Clock, Random};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::{fmt, time::Duration};
use thiserror::Error;
use zeroize::Zeroizing;

/// How long a [`Ticket`] is good for. Default 10 minutes: a phone's way through a tunnel, and little use to a thief.
#[derive(Resource, Clone, Copy, Debug, PartialEq, Eq)]
pub struct TicketLife(pub Duration);

impl Default for TicketLife {
    fn default() -> Self {
        Self(Duration::from_secs(600))
    }
}

/// The proof that a client is who logged in before: signed by us (HMAC-SHA-256), for one session, and for a
/// [while](TicketLife). Each time it is used there is a new one; when that is used, those before it are void.
///
/// It is as good as a password while it is good, so it belongs behind TLS, and not into a log: it does not show itself.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// What to show: 86 characters of base64 for URLs.
    pub token: String,
    /// How long it is good for, from when it was given on; whole seconds of it.
    pub seconds: u32,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("seconds", &self.seconds).finish_non_exhaustive()
    }
}

/// Why a ticket is no good. A peer is not told which: it has to log in anew in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TicketFault {
    /// It does not look like one.
    #[error("that is no ticket")]
    Malformed,
    /// We have not signed it, or somebody who ran before us has.
    #[error("the ticket's signature is wrong")]
    Forged,
    /// Its time is over.
    #[error("the ticket has expired")]
    Expired,
    /// A later ticket of the same session was used.
    #[error("the ticket was replaced by a later one")]
    Replaced,
    /// The session is over.
    #[error("the session is over")]
    NoSession,
}

/// What tickets are signed with. It is made anew at each start: the sessions of an earlier run are gone. It is made when
/// the first is asked for, so that a test that brings its own [`Random`] has the same tickets again.
#[derive(Resource)]
pub(crate) struct TicketKey(Zeroizing<[u8; 64]>);

impl FromWorld for TicketKey {
    fn from_world(world: &mut World) -> Self {
        Self(Zeroizing::new(world.get_resource_or_init::<Random>().bytes()))
    }
}

/// The tickets of a session, by number.
#[derive(Component, Clone, Copy, Debug, Default)]
pub(crate) struct Tickets {
    /// The latest that was given.
    issued: u64,
    /// The latest that was used.
    redeemed: u64,
}

/// What is signed: the session's entity, its subid, which no other session at its server has, the ticket's number, and when it
/// expires, as milliseconds of the clock.
struct Claim([u64; 4]);

const CLAIM: usize = 32;
const MAC: usize = 32;
/// What else may be signed with the key one day cannot be taken for a ticket.
const PURPOSE: &[u8] = b"portcullis resume ticket 1";

/// Gives a ticket for a session; none when there is no such session, or it is being logged out.
///
/// A ticket costs no memory, so there may be any number; each is good until it has expired, or a later one was used.
pub fn issue_ticket(world: &mut World, session: Entity) -> Option<Ticket> {
    if !binding::is_on(world, session) {
        return None;
    }
    let life = world.get_resource_or_init::<TicketLife>().0;
    let subid = world.get::<Session>(session)?.subid();
    let mut entity = world.get_entity_mut(session).ok()?;
    let mut entry = entity.entry::<Tickets>().or_default();
    let mut tickets = entry.get_mut();
    tickets.issued += 1;
    let number = tickets.issued;
    let expires = world.resource::<Clock>().now().saturating_add(life).as_millis();
    let expires = u64::try_from(expires).unwrap_or(u64::MAX);
    let claim = Claim([session.to_bits(), subid, number, expires]);
    let token = world.get_resource_or_init::<TicketKey>().sign(&claim);
    Some(Ticket { token, seconds: u32::try_from(life.as_secs()).unwrap_or(u32::MAX) })
}

/// Gives the session that a ticket is for. Whoever shows it is that session's user: [`resume`](crate::resume) it.
///
/// It may be used again until a later one was: an answer that brought a new ticket may have been lost.
///
/// # Errors
/// [`TicketFault`] says why not, for the log; nothing is changed then.
pub fn redeem_ticket(world: &mut World, token: &str) -> Result<Entity, TicketFault> {
    let Claim([session, subid, number, expires]) = world.get_resource_or_init::<TicketKey>().check(token)?;
    if u128::from(expires) <= world.resource::<Clock>().now().as_millis() {
        return Err(TicketFault::Expired);
    }
    let session = Entity::try_from_bits(session).ok_or(TicketFault::Malformed)?;
    let is_same = world.get::<Session>(session).is_some_and(|session| session.subid() == subid);
    if !is_same || !binding::is_on(world, session) {
        return Err(TicketFault::NoSession);
    }
    let mut tickets = world.get_mut::<Tickets>(session).ok_or(TicketFault::NoSession)?;
    if number < tickets.redeemed {
        return Err(TicketFault::Replaced);
    }
    tickets.redeemed = number;
    Ok(session)
}

impl TicketKey {
    fn mac(&self, claim: &[u8]) -> Hmac<Sha256> {
        let mut mac = <Hmac<Sha256>>::new((&*self.0).into());
        mac.update(PURPOSE);
        mac.update(claim);
        mac
    }

    fn sign(&self, claim: &Claim) -> String {
        let mut bytes = Vec::with_capacity(CLAIM + MAC);
        for number in claim.0 {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let mac = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&mac);
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    fn check(&self, token: &str) -> Result<Claim, TicketFault> {
        let mut bytes = [0; CLAIM + MAC + 2];
        let length = BASE64_URL_SAFE_NO_PAD.decode_slice(token, &mut bytes);
        let length = length.map_err(|_| TicketFault::Malformed)?;
        let (claim, mac) = bytes.split_at(CLAIM);
        let mac = mac.get(..length.saturating_sub(CLAIM)).unwrap_or_default();
        if mac.len() != MAC {
            return Err(TicketFault::Malformed);
        }
        self.mac(claim).verify_slice(mac).map_err(|_| TicketFault::Forged)?;
        let mut numbers = [0; 4];
        for (number, bytes) in numbers.iter_mut().zip(claim.as_chunks::<8>().0) {
            *number = u64::from_be_bytes(*bytes);
        }
        Ok(Claim(numbers))
    }
}
