//! Routes: the names of what can be asked and said.

use crate::route_set::{RouteSet, Sets};
use bevy_ecs::prelude::*;
use std::{
    any::type_name,
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

/// A route's number in this app. Protocols map what is on the wire to it once, when the app is finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RouteId(pub(crate) u32);

impl RouteId {
    /// The number as an index into a table.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// What is known of a route.
#[derive(Clone, Debug)]
pub struct RouteInfo {
    /// Its name, `"arena.join"`.
    pub name: Arc<str>,
    /// What peers may send to it; none for a route that only pushes use.
    pub inbound: Option<Inbound>,
    /// The type that is pushed on it; none for a route that only peers use.
    pub push: Option<&'static str>,
    /// It is a protocol's own: no peer of another may ask for it.
    pub reserved: bool,
}

/// What peers may send to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// Handled one by one, and answered.
    Handler {
        /// The type of the body.
        request: &'static str,
        /// The type of the answer.
        reply: &'static str,
    },
    /// Read in batches, never answered.
    Stream {
        /// The type of the body.
        body: &'static str,
    },
}

/// All routes of the app.
#[derive(Resource, Debug, Default)]
pub struct Routes {
    ids: HashMap<Arc<str>, RouteId>,
    list: Vec<RouteInfo>,
    sets: Sets,
}

impl Routes {
    /// The route of this name, made when it is new.
    pub fn intern(&mut self, name: &str) -> RouteId {
        if let Some(&id) = self.ids.get(name) {
            return id;
        }
        let id = RouteId(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        let name: Arc<str> = name.into();
        self.sets.route_added(id, &name);
        self.list.push(RouteInfo { name: Arc::clone(&name), inbound: None, push: None, reserved: false });
        self.ids.insert(name, id);
        id
    }

    /// As [`intern`](Self::intern), for a protocol's own use: what it hands to the game by itself, and no peer may ask for by
    /// name. Reserve it when the plugin is built, before others look at the routes.
    pub fn reserve(&mut self, name: &str) -> RouteId {
        let id = self.intern(name);
        if let Some(info) = self.list.get_mut(id.index()) {
            info.reserved = true;
        }
        id
    }

    /// The route of this name.
    pub fn get(&self, name: &str) -> Option<RouteId> {
        self.ids.get(name).copied()
    }

    /// What is known of a route.
    pub fn info(&self, id: RouteId) -> Option<&RouteInfo> {
        self.list.get(id.index())
    }

    /// A route's name, for logs.
    pub fn name(&self, id: RouteId) -> &str {
        self.info(id).map_or("?", |info| &info.name)
    }

    /// All routes, in the order they were made.
    pub fn iter(&self) -> impl Iterator<Item = (RouteId, &RouteInfo)> {
        self.list.iter().enumerate().map(|(index, info)| (RouteId(index as u32), info))
    }

    /// The set of routes that these patterns name, those too that are made later. A pattern is a name, or `*` behind what
    /// names begin with; several stand with `|` between them: `"chat.* | arena.move"`, or `"*"` for all.
    ///
    /// Names are compared when a set or a route is made, never for a packet.
    pub fn set(&mut self, patterns: &str) -> RouteSet {
        let Self { sets, list, .. } = self;
        sets.make(patterns, list.iter().enumerate().map(|(index, info)| (RouteId(index as u32), &*info.name)))
    }

    /// Whether a route is in a set.
    pub fn contains(&self, set: RouteSet, route: RouteId) -> bool {
        self.sets.contains(set, route)
    }

    /// The patterns that name no route so far: most likely, somebody mistyped.
    pub(crate) fn empty_sets(&self) -> impl Iterator<Item = &str> {
        self.sets.empty()
    }

    pub(crate) fn set_inbound(&mut self, name: &str, inbound: Inbound) -> RouteId {
        let id = self.intern(name);
        self.list[id.index()].inbound = Some(inbound);
        id
    }

    pub(crate) fn set_push(&mut self, name: &str, body: &'static str) -> RouteId {
        let id = self.intern(name);
        self.list[id.index()].push = Some(body);
        id
    }
}

/// Names that had to be put together; each is once, and lives as long as the process.
static SHORT_NAMES: Mutex<BTreeMap<&'static str, &'static str>> = Mutex::new(BTreeMap::new());

/// A type's name without its path, generics included: what two programs built from one source agree on. Text is
/// `String`, whether it is owned or not: on the wire it is the same.
pub fn short_type_name<T: ?Sized>() -> &'static str {
    let full = type_name::<T>();
    if matches!(full, "str" | "&str") {
        return "String";
    }
    if !full.contains(['<', '(', '[', '&', ' ']) {
        return full.rsplit("::").next().unwrap_or(full);
    }
    let mut names = SHORT_NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    names.entry(full).or_insert_with(|| shorten(full))
}

fn shorten(full: &'static str) -> &'static str {
    let mut short = String::with_capacity(full.len());
    let mut word = String::new();
    for character in full.chars() {
        match character {
            ':' => word.clear(),
            '<' | '>' | '(' | ')' | '[' | ']' | ',' | ' ' | '&' | ';' => {
                short.push_str(&word);
                word.clear();
                short.push(character);
            }
            _ => word.push(character),
        }
    }
    short.push_str(&word);
    Box::leak(short.into_boxed_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_names_lose_their_paths() {
        assert_eq!(short_type_name::<String>(), "String");
        assert_eq!(short_type_name::<&str>(), "String");
        assert_eq!(short_type_name::<u8>(), "u8");
        assert_eq!(short_type_name::<()>(), "()");
        assert_eq!(short_type_name::<Vec<Option<RouteId>>>(), "Vec<Option<RouteId>>");
        assert_eq!(short_type_name::<(String, [u8; 4])>(), "(String, [u8; 4])");
    }
}
