//! Which crate of ours may depend on which, and which may know tokio. `docs/design.md` says why.
//!
//! A crate may depend on the layers below its own. Within a layer crates do not know each other, save for the pairs
//! in [`NEIGHBOURS`]. Dev-dependencies are free, but one protocol never needs another, not even in its tests: a
//! protocol must be removable without touching any other.

use std::collections::HashSet;

use thiserror::Error;

use crate::metadata::{Dependency, Kind, Metadata, Package};

/// From the lowest to the highest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Layer {
    Words,
    Edge,
    Pipe,
    Protocol,
    Help,
    Umbrella,
}

/// Where each crate stands. A new crate takes its place here.
const CRATES: &[(&str, Layer)] = &[
    ("portcullis_core", Layer::Words),
    ("portcullis_net", Layer::Edge),
    ("portcullis_gate", Layer::Pipe),
    ("portcullis_watchdog", Layer::Pipe),
    ("portcullis_session", Layer::Pipe),
    ("portcullis_dispatch", Layer::Pipe),
    ("portcullis_room", Layer::Pipe),
    ("portcullis_accounts", Layer::Pipe),
    ("portcullis_native", Layer::Protocol),
    ("portcullis_skynet", Layer::Protocol),
    ("portcullis_pomelo", Layer::Protocol),
    ("portcullis_sysconn", Layer::Protocol),
    ("portcullis_testkit", Layer::Help),
    ("portcullis", Layer::Umbrella),
];

/// Crates that stand outside the house: they use none of ours, and none of ours uses them.
const OUTSIDE: &[&str] = &["xtask"];

/// Crates of one layer that know each other all the same, the user first.
const NEIGHBOURS: &[(&str, &str)] = &[
    ("portcullis_dispatch", "portcullis_session"),
    ("portcullis_accounts", "portcullis_dispatch"),
    ("portcullis_accounts", "portcullis_session"),
    ("portcullis_room", "portcullis_dispatch"),
    ("portcullis_room", "portcullis_session"),
];

/// The crates that may know tokio, apart from what they take through each other.
const KNOW_TOKIO: &[&str] = &["portcullis_net", "portcullis_testkit", "portcullis"];

/// Crates that may know tokio behind one feature, which is off unless asked for.
const KNOW_TOKIO_BEHIND: &[(&str, &str)] = &[("portcullis_native", "client")];

/// A dependency that the design does not allow.
#[derive(Debug, Error, PartialEq)]
pub enum Breach {
    /// A crate that the table of layers does not know.
    #[error("{name} has no layer: give it one in xtask/src/layers.rs")]
    NoLayer {
        /// The crate.
        name: String,
    },
    /// A dependency upwards, or sideways.
    #[error("{user} may not depend on {used}: a crate depends on lower layers only")]
    NotBelow {
        /// The crate that depends.
        user: String,
        /// What it depends on.
        used: String,
    },
    /// A protocol's tests need another protocol.
    #[error("{user} may not depend on {used}, not even in tests: a protocol must be removable alone")]
    ProtocolInTests {
        /// The crate that depends.
        user: String,
        /// What it depends on.
        used: String,
    },
    /// A crate that must not know tokio does.
    #[error("{user} may not depend on tokio, which comes with {by_way_of}")]
    Tokio {
        /// The crate that depends.
        user: String,
        /// Its direct dependency, tokio itself or what needs tokio.
        by_way_of: String,
    },
    /// A crate may know tokio behind a feature, and has it without.
    #[error(
        "{user} may depend on {by_way_of} only behind `{feature}`: optional, enabled by that feature alone, not by default"
    )]
    TokioUnasked {
        /// The crate that depends.
        user: String,
        /// Its direct dependency, tokio itself or what needs tokio.
        by_way_of: String,
        /// The feature that should bring it in.
        feature: &'static str,
    },
}

/// Every dependency in the workspace that the design does not allow. Wants the metadata for one platform: Bevy names
/// tokio for browsers.
pub fn breaches(metadata: &Metadata) -> Vec<Breach> {
    metadata
        .members()
        .flat_map(|member| between_ours(metadata, member).chain(on_tokio(metadata, member)))
        .collect()
}

fn between_ours(metadata: &Metadata, member: &Package) -> impl Iterator<Item = Breach> {
    let name = member.name.as_str();
    let unplaced =
        (layer(name).is_none() && !OUTSIDE.contains(&name)).then(|| Breach::NoLayer { name: name.into() });
    let placed = unplaced.is_none();
    let ours = |dependency: &&Dependency| metadata.members().any(|other| other.name == dependency.name);
    let wrong = member.dependencies.iter().filter(move |_| placed).filter(ours).filter_map(|dependency| {
        let (user, used) = (member.name.clone(), dependency.name.clone());
        let both_protocols = layer(&user) == Some(Layer::Protocol) && layer(&used) == Some(Layer::Protocol);
        match dependency.kind {
            Some(Kind::Dev) if both_protocols => Some(Breach::ProtocolInTests { user, used }),
            Some(Kind::Dev) => None,
            _ if may_depend(&user, &used) => None,
            _ => Some(Breach::NotBelow { user, used }),
        }
    });
    // Collected to let go of the closure that borrows `metadata`; there are a dozen at most.
    unplaced.into_iter().chain(wrong).collect::<Vec<_>>().into_iter()
}

fn layer(name: &str) -> Option<Layer> {
    CRATES.iter().find(|(known, _)| *known == name).map(|(_, layer)| *layer)
}

fn may_depend(user: &str, used: &str) -> bool {
    let below = matches!((layer(user), layer(used)), (Some(user), Some(used)) if used < user);
    below || NEIGHBOURS.contains(&(user, used))
}

/// Looks at tokio itself and at every crate from the registry that needs it. The features are those of the whole
/// workspace together, so a crate that one of ours asks tokio support of counts as needing tokio for all.
fn on_tokio(metadata: &Metadata, member: &Package) -> impl Iterator<Item = Breach> {
    let user = member.name.as_str();
    let forbidden = !KNOW_TOKIO.contains(&user);
    let feature = KNOW_TOKIO_BEHIND.iter().find(|(known, _)| *known == user).map(|(_, feature)| *feature);
    metadata
        .needs(&member.id)
        .filter(move |used| forbidden && !metadata.is_member(used) && needs_tokio(metadata, used))
        .filter_map(|used| metadata.package(used))
        .filter(move |used| feature.is_none_or(|feature| !only_behind(member, &used.name, feature)))
        .map(move |used| {
            let (user, by_way_of) = (member.name.clone(), used.name.clone());
            match feature {
                Some(feature) => Breach::TokioUnasked { user, by_way_of, feature },
                None => Breach::Tokio { user, by_way_of },
            }
        })
}

fn needs_tokio(metadata: &Metadata, id: &str) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![id];
    while let Some(id) = open.pop() {
        if metadata.package(id).is_some_and(|package| package.name == "tokio") {
            return true;
        }
        if seen.insert(id) {
            open.extend(metadata.needs(id));
        }
    }
    false
}

/// Whether `member` has the crate `used` only when somebody asks for `feature`.
fn only_behind(member: &Package, used: &str, feature: &str) -> bool {
    let asked = |dependency: &&Dependency| dependency.name == used && dependency.kind != Some(Kind::Dev);
    let optional = member.dependencies.iter().filter(asked).all(|dependency| {
        let key = dependency.rename.as_deref().unwrap_or(used);
        let enables = |word: &String| {
            let word = word.strip_prefix("dep:").unwrap_or(word);
            word.split('/').next() == Some(key)
        };
        let elsewhere =
            member.features.iter().any(|(name, words)| name != feature && words.iter().any(enables));
        dependency.optional && !elsewhere
    });
    let default = member.features.get("default");
    optional && default.is_none_or(|words| words.iter().all(|word| word != feature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{metadata::made_up, project::Project};

    fn not_below(user: &str, used: &str) -> Breach {
        Breach::NotBelow { user: user.into(), used: used.into() }
    }

    fn tokio(user: &str, by_way_of: &str) -> Breach {
        Breach::Tokio { user: user.into(), by_way_of: by_way_of.into() }
    }

    #[test]
    fn this_workspace_keeps_its_layers() {
        let metadata = Project::find().and_then(|project| project.metadata_here()).unwrap();
        assert!(metadata.members().any(|member| member.name == "portcullis_core"));
        assert_eq!(breaches(&metadata), []);
    }

    #[test]
    fn a_crate_depends_on_the_layers_below() {
        let metadata = made_up(&[
            "portcullis_core -> bytes",
            "portcullis_net -> portcullis_core",
            "portcullis_net -> tokio",
            "portcullis_gate -> portcullis_net",
            "portcullis_dispatch -> portcullis_session",
            "portcullis_skynet -> portcullis_dispatch",
            "portcullis_testkit -> portcullis_skynet",
            "portcullis_testkit -> tokio",
            "portcullis -> portcullis_skynet",
            "portcullis -> portcullis_testkit",
            "xtask -> clap",
        ]);
        assert_eq!(breaches(&metadata), []);
    }

    #[test]
    fn a_dependency_upwards_is_found() {
        for (user, used) in [
            ("portcullis_core", "portcullis_net"),
            ("portcullis_net", "portcullis_gate"),
            ("portcullis_gate", "portcullis_skynet"),
            ("portcullis_skynet", "portcullis_testkit"),
            ("portcullis_testkit", "portcullis"),
        ] {
            assert_eq!(breaches(&made_up(&[&format!("{user} -> {used}")])), [not_below(user, used)]);
            assert_eq!(breaches(&made_up(&[&format!("{user} -build-> {used}")])), [not_below(user, used)]);
            assert_eq!(breaches(&made_up(&[&format!("{user} -optional-> {used}")])), [not_below(user, used)]);
        }
    }

    #[test]
    fn a_dependency_sideways_is_found() {
        for (user, used) in [
            ("portcullis_watchdog", "portcullis_gate"),
            ("portcullis_session", "portcullis_dispatch"),
            ("portcullis_skynet", "portcullis_native"),
        ] {
            assert_eq!(breaches(&made_up(&[&format!("{user} -> {used}")])), [not_below(user, used)]);
        }
    }

    #[test]
    fn xtask_stands_outside() {
        let metadata = made_up(&["xtask -> portcullis_core", "portcullis -> xtask"]);
        assert_eq!(
            breaches(&metadata),
            [not_below("xtask", "portcullis_core"), not_below("portcullis", "xtask")]
        );
    }

    #[test]
    fn a_crate_without_a_layer_is_found() {
        let metadata = made_up(&["portcullis_attic -> portcullis_core"]);
        assert_eq!(breaches(&metadata), [Breach::NoLayer { name: "portcullis_attic".into() }]);
    }

    #[test]
    fn tests_may_use_higher_layers_but_no_other_protocol() {
        let metadata = made_up(&[
            "portcullis_gate -dev-> portcullis_testkit",
            "portcullis_gate -dev-> tokio",
            "portcullis_skynet -dev-> portcullis_native",
        ]);
        let (user, used) = ("portcullis_skynet".into(), "portcullis_native".into());
        assert_eq!(breaches(&metadata), [Breach::ProtocolInTests { user, used }]);
    }

    #[test]
    fn tokio_is_found_wherever_it_comes_from() {
        let metadata = made_up(&[
            "portcullis_core -> tokio",
            "portcullis_gate -> tokio-util",
            "portcullis_session -> sqlx",
            "portcullis_watchdog -build-> tokio",
            "sqlx -> sqlx-core",
            "sqlx-core -> tokio",
            "tokio-util -> tokio",
            "tokio -> bytes",
            "portcullis_dispatch -> bytes",
        ]);
        let expected = [
            tokio("portcullis_core", "tokio"),
            tokio("portcullis_gate", "tokio-util"),
            tokio("portcullis_session", "sqlx"),
            tokio("portcullis_watchdog", "tokio"),
        ];
        assert_eq!(breaches(&metadata), expected);
    }

    #[test]
    fn tokio_through_a_lower_layer_of_ours_is_no_breach() {
        let metadata = made_up(&["portcullis_gate -> portcullis_net", "portcullis_net -> tokio"]);
        assert_eq!(breaches(&metadata), []);
    }

    #[test]
    fn native_knows_tokio_behind_its_client_feature_only() {
        let unasked = || Breach::TokioUnasked {
            user: "portcullis_native".into(),
            by_way_of: "tokio".into(),
            feature: "client",
        };
        let with = |arrow: &str, features: &[(&str, &str)]| {
            let mut metadata = made_up(&[&format!("portcullis_native {arrow} tokio")]);
            let features = features.iter().map(|(name, word)| ((*name).to_owned(), vec![(*word).to_owned()]));
            metadata.packages[0].features = features.collect();
            breaches(&metadata)
        };
        assert_eq!(with("-optional->", &[("client", "dep:tokio")]), []);
        assert_eq!(with("-optional->", &[("client", "tokio/net")]), []);
        assert_eq!(with("->", &[]), [unasked()]);
        assert_eq!(with("-optional->", &[("tokio", "dep:tokio")]), [unasked()]);
        assert_eq!(with("-optional->", &[("client", "dep:tokio"), ("extra", "tokio/net")]), [unasked()]);
        assert_eq!(with("-optional->", &[("client", "dep:tokio"), ("default", "client")]), [unasked()]);
    }
}
