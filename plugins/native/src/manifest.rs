//! The manifest: all that two peers may say to each other.

use crate::{
    login,
    wire::{FORMAT, Identity},
};
use portcullis_dispatch::{Inbound, Routes, short_type_name};
use portcullis_session::{Credentials, Ticket};
use std::{borrow::Cow, fmt, sync::Arc};

/// The name and version of a game's protocol, and its messages: by route, with the names of their types.
///
/// Client and server each have one, and speak only when both are the same.
///
/// ```
/// use portcullis_native::Manifest;
/// # struct Join; struct Joined; struct Move; struct State;
///
/// let manifest = Manifest::new("arena", 1)
///     .request::<Join, Joined>("arena.join")
///     .notify::<Move>("arena.move")
///     .push::<State>("arena.state");
/// assert_eq!(manifest.number("arena.move"), Some(1)); // they are sorted by name
/// assert!(manifest.to_string().starts_with("arena 1 (hash "));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    name: Cow<'static, str>,
    version: u32,
    /// Sorted by name; a route's place is its number on the wire.
    messages: Vec<Messages>,
}

/// What may be said on one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Messages {
    /// The route.
    pub route: Arc<str>,
    /// What the client may say, if anything.
    pub inbound: Option<Inbound>,
    /// The type that the server pushes, if any.
    pub push: Option<&'static str>,
}

impl Manifest {
    /// A manifest without messages.
    ///
    /// The name has 1 to 255 bytes; with any other, no handshake succeeds.
    pub fn new(name: impl Into<Cow<'static, str>>, version: u32) -> Self {
        Self { name: name.into(), version, messages: Vec::new() }
    }

    /// All that an app's routes take and push, but for those a protocol has [reserved](Routes::reserve): what a server offers
    /// unless it is told otherwise.
    pub fn of_routes(name: impl Into<Cow<'static, str>>, version: u32, routes: &Routes) -> Self {
        let mut manifest = Self::new(name, version);
        for (_, info) in routes.iter().filter(|(_, info)| !info.reserved) {
            if info.inbound.is_some() || info.push.is_some() {
                let messages = manifest.entry(&info.name);
                (messages.inbound, messages.push) = (info.inbound, info.push);
            }
        }
        manifest
    }

    /// The client asks with a `Req` on this route, and is answered with a `Rep`.
    #[must_use]
    pub fn request<Req: ?Sized, Rep: ?Sized>(self, route: &str) -> Self {
        let (request, reply) = (short_type_name::<Req>(), short_type_name::<Rep>());
        self.inbound(route, Inbound::Handler { request, reply })
    }

    /// The client sends a `T` on this route, and no answer comes.
    #[must_use]
    pub fn notify<T: ?Sized>(self, route: &str) -> Self {
        self.inbound(route, Inbound::Stream { body: short_type_name::<T>() })
    }

    /// The server pushes a `T` on this route.
    #[must_use]
    pub fn push<T: ?Sized>(mut self, route: &str) -> Self {
        if self.entry(route).push.replace(short_type_name::<T>()).is_some() {
            tracing::warn!(
                route,
                "the manifest has a push on this route already: the new one takes its place"
            );
        }
        self
    }

    /// The requests of `AccountLoginPlugin` in `portcullis_accounts`: those of [`login`](crate::login). A server that has
    /// that plugin has them in its manifest, so a client that is to speak with it needs them in its own.
    ///
    /// ```
    /// use portcullis_native::{Manifest, login};
    ///
    /// let manifest = Manifest::new("arena", 1).with_login();
    /// assert!(manifest.get(login::RESUME).is_some());
    /// ```
    #[must_use]
    pub fn with_login(self) -> Self {
        self.request::<Credentials, Ticket>(login::REGISTER)
            .request::<Credentials, Ticket>(login::LOGIN)
            .request::<Ticket, Ticket>(login::RESUME)
            .request::<(), ()>(login::LOGOUT)
    }

    fn inbound(mut self, route: &str, inbound: Inbound) -> Self {
        if self.entry(route).inbound.replace(inbound).is_some() {
            tracing::warn!(route, "the manifest has this route already: the new one takes its place");
        }
        self
    }

    fn entry(&mut self, route: &str) -> &mut Messages {
        let place = match self.place(route) {
            Ok(place) => place,
            Err(place) => {
                self.messages.insert(place, Messages { route: route.into(), inbound: None, push: None });
                place
            }
        };
        &mut self.messages[place]
    }

    fn place(&self, route: &str) -> Result<usize, usize> {
        self.messages.binary_search_by(|messages| (*messages.route).cmp(route))
    }

    /// The number of a route on the wire. Routes after the first 65,536 have none.
    pub fn number(&self, route: &str) -> Option<u16> {
        self.place(route).ok().and_then(|place| u16::try_from(place).ok())
    }

    /// What may be said on the route of this name.
    pub fn get(&self, route: &str) -> Option<&Messages> {
        self.place(route).ok().map(|place| &self.messages[place])
    }

    /// What may be said on the route of this number.
    pub fn get_number(&self, number: u16) -> Option<&Messages> {
        self.messages.get(usize::from(number))
    }

    /// All messages, in the order of their numbers.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Messages> {
        self.messages.iter()
    }

    /// What a peer with this manifest says it speaks.
    pub fn identity(&self) -> Identity<'_> {
        self.identity_with(self.hash())
    }

    pub(crate) fn identity_with(&self, hash: u64) -> Identity<'_> {
        Identity { name: &self.name, version: self.version, hash }
    }

    /// A hash over the name, the version, and each message's direction, route and type names. It says whether two
    /// manifests are the same, not who made them.
    ///
    /// It is the 64-bit FNV-1a of the [`FORMAT`], and of each of these as a 32-bit little-endian length and its bytes.
    pub fn hash(&self) -> u64 {
        let mut hash = Fnv::new();
        hash.write(&[FORMAT]);
        hash.write_part(self.name.as_bytes());
        hash.write_part(&self.version.to_le_bytes());
        let mut message = |words: &[&str]| words.iter().for_each(|word| hash.write_part(word.as_bytes()));
        for Messages { route, inbound, push } in &self.messages {
            match inbound {
                Some(Inbound::Handler { request, reply }) => message(&["request", route, request, reply]),
                Some(Inbound::Stream { body }) => message(&["notify", route, body]),
                None => {}
            }
            if let Some(body) = push {
                message(&["push", route, body]);
            }
        }
        hash.0
    }
}

impl fmt::Display for Manifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.identity().fmt(f)
    }
}

/// FNV-1a, 64 bits: <https://www.rfc-editor.org/rfc/rfc9923>.
struct Fnv(u64);

impl Fnv {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_part(&mut self, part: &[u8]) {
        self.write(&(part.len() as u32).to_le_bytes());
        self.write(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Join;
    struct Joined;
    struct Move;
    struct State;

    fn arena() -> Manifest {
        Manifest::new("arena", 1)
            .request::<Join, Joined>("arena.join")
            .notify::<Move>("arena.move")
            .push::<State>("arena.state")
    }

    #[test]
    fn fnv_is_the_published_one() {
        let mut hash = Fnv::new();
        hash.write(b"foobar");
        assert_eq!(hash.0, 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_hash_does_not_change_by_accident() {
        assert_eq!(arena().to_string(), "arena 1 (hash 40d810f049ac1e36)");
    }

    #[test]
    fn the_order_of_declaration_does_not_matter() {
        let other = Manifest::new("arena", 1)
            .push::<State>("arena.state")
            .notify::<Move>("arena.move")
            .request::<Join, Joined>("arena.join");
        assert_eq!(other, arena());
        assert_eq!(other.hash(), arena().hash());
    }

    #[test]
    fn everything_two_peers_must_agree_on_changes_the_hash() {
        let others = [
            Manifest { version: 2, ..arena() },
            Manifest { name: "arenas".into(), ..arena() },
            arena().push::<Move>("arena.join"),
            Manifest::new("arena", 1).request::<Join, Joined>("arena.join").notify::<Move>("arena.move"),
            Manifest::new("arena", 1)
                .request::<Join, State>("arena.join")
                .notify::<Move>("arena.move")
                .push::<State>("arena.state"),
            Manifest::new("arena", 1)
                .request::<Join, Joined>("arena.join")
                .push::<Move>("arena.move")
                .push::<State>("arena.state"),
        ];
        for other in others {
            assert_ne!(other.hash(), arena().hash(), "{other:?}");
        }
    }
}
