//! Sets of routes, by patterns: how filters, limits and timeouts name the routes they are for.

use crate::RouteId;

/// The number of a set of routes in this app: see [`Routes::set`](crate::Routes::set).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteSet(u32);

/// All sets, each with a bit for each route.
#[derive(Debug, Default)]
pub(crate) struct Sets(Vec<Set>);

#[derive(Debug)]
struct Set {
    patterns: Box<str>,
    bits: Vec<u64>,
}

impl Sets {
    /// Equal patterns are one set, so that there are never more of them than different patterns.
    pub(crate) fn make<'a>(
        &mut self,
        patterns: &str,
        routes: impl Iterator<Item = (RouteId, &'a str)>,
    ) -> RouteSet {
        if let Some(known) = self.0.iter().position(|set| &*set.patterns == patterns) {
            return RouteSet(known as u32);
        }
        let mut set = Set { patterns: patterns.into(), bits: Vec::new() };
        routes.for_each(|(id, name)| set.route_added(id, name));
        self.0.push(set);
        RouteSet(self.0.len() as u32 - 1)
    }

    pub(crate) fn route_added(&mut self, id: RouteId, name: &str) {
        self.0.iter_mut().for_each(|set| set.route_added(id, name));
    }

    pub(crate) fn contains(&self, set: RouteSet, route: RouteId) -> bool {
        let word = self.0.get(set.0 as usize).and_then(|set| set.bits.get(route.index() / 64));
        word.is_some_and(|word| word & bit(route) != 0)
    }

    pub(crate) fn empty(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter(|set| set.bits.is_empty()).map(|set| &*set.patterns)
    }
}

impl Set {
    fn route_added(&mut self, id: RouteId, name: &str) {
        if !self.patterns.split('|').any(|pattern| matches(pattern.trim(), name)) {
            return;
        }
        let word = id.index() / 64;
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.bits[word] |= bit(id);
    }
}

fn bit(route: RouteId) -> u64 {
    1 << (route.index() % 64)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use crate::Routes;

    #[test]
    fn patterns_are_names_or_beginnings() {
        let mut routes = Routes::default();
        let set = routes.set("chat.* | arena.move|say");
        for (name, expected) in
            [("chat.say", true), ("chat.", true), ("arena.move", true), ("arena.move2", false), ("say", true)]
        {
            let id = routes.intern(name);
            assert_eq!(routes.contains(set, id), expected, "{name}");
        }
    }

    #[test]
    fn a_set_knows_routes_from_before_and_after_it_was_made() {
        let mut routes = Routes::default();
        let early: Vec<_> = (0..100).map(|i| routes.intern(&format!("a.{i}"))).collect();
        let set = routes.set("a.*");
        let late: Vec<_> = (100..200).map(|i| routes.intern(&format!("a.{i}"))).collect();
        let other = routes.intern("b");
        assert!(early.iter().chain(&late).all(|&id| routes.contains(set, id)));
        assert!(!routes.contains(set, other));
        assert_eq!(routes.set("a.*"), set);
    }

    #[test]
    fn a_star_is_all_routes() {
        let mut routes = Routes::default();
        let all = routes.set("*");
        let id = routes.intern("anything");
        assert!(routes.contains(all, id));
        routes.set("nothing.like.it");
        assert_eq!(routes.empty_sets().collect::<Vec<_>>(), ["nothing.like.it"]);
    }
}
