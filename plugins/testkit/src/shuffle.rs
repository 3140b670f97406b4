//! Systems without an order between them, in another order for each seed.

use bevy_ecs::{
    prelude::*,
    schedule::{
        FlattenedDependencies, NodeId, ScheduleBuildError, ScheduleBuildPass, ScheduleGraph,
        SingleThreadedExecutor, SystemKey, SystemSetKey, graph::DiGraph,
    },
};
use bevy_platform::hash::FixedHasher;
use fastrand::Rng;
use indexmap::IndexSet;
use std::collections::HashMap;

/// Gives all schedules the single-threaded executor, and with a seed an order of its own.
///
/// To be called before the first run: a schedule that is built already keeps its order.
pub(crate) fn prepare(world: &mut World, seed: Option<u64>) {
    for (_, schedule) in world.resource_mut::<Schedules>().iter_mut() {
        schedule.set_executor(SingleThreadedExecutor::new());
        if let Some(seed) = seed {
            schedule.add_build_pass(Shuffle { seed });
        }
    }
}

/// A build pass that runs after Bevy has placed its sync points, and ties all systems into one chain: one of the many
/// orders that the declared constraints allow.
///
/// Only what nobody has ordered changes place. Where commands are applied is not changed: a system stays between the
/// sync points that its constraints put it between.
#[derive(Debug)]
struct Shuffle {
    seed: u64,
}

impl ScheduleBuildPass for Shuffle {
    type EdgeOptions = ();

    fn add_dependency(&mut self, _: NodeId, _: NodeId, _: Option<&()>) {}

    fn collapse_set(
        &mut self,
        _: SystemSetKey,
        _: &IndexSet<SystemKey, FixedHasher>,
        _: &DiGraph<NodeId>,
    ) -> impl Iterator<Item = (NodeId, NodeId)> {
        std::iter::empty()
    }

    fn build(
        &mut self,
        _: &mut World,
        _: &mut ScheduleGraph,
        mut dependencies: FlattenedDependencies<'_>,
    ) -> Result<(), ScheduleBuildError> {
        let (order, graph) =
            dependencies.toposort_and_graph().map_err(ScheduleBuildError::FlatDependencySort)?;
        let shuffled = shuffle(order, graph, &mut Rng::with_seed(self.seed));
        for pair in shuffled.windows(2) {
            if let [before, after] = pair {
                dependencies.add_edge(*before, *after);
            }
        }
        Ok(())
    }
}

/// Another topological order: of the systems that may run next, chance takes one, again and again.
fn shuffle(order: &[SystemKey], graph: &DiGraph<SystemKey>, random: &mut Rng) -> Vec<SystemKey> {
    let mut awaited: HashMap<SystemKey, usize> = HashMap::new();
    for (_, to) in graph.all_edges() {
        *awaited.entry(to).or_default() += 1;
    }
    let mut ready: Vec<SystemKey> = order.iter().copied().filter(|key| !awaited.contains_key(key)).collect();
    let mut shuffled = Vec::with_capacity(order.len());
    while !ready.is_empty() {
        let next = ready.swap_remove(random.usize(..ready.len()));
        shuffled.push(next);
        for after in graph.neighbors(next) {
            if let Some(count) = awaited.get_mut(&after) {
                *count -= 1;
                if *count == 0 {
                    ready.push(after);
                }
            }
        }
    }
    shuffled
}
