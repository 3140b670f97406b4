//! What `cargo metadata` says, as far as the checks look at it.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

/// The whole workspace and everything it depends on.
#[derive(Deserialize)]
pub struct Metadata {
    /// Our own crates and all others.
    pub packages: Vec<Package>,
    /// The ids of our own crates.
    pub workspace_members: Vec<String>,
    /// Which package really uses which.
    pub resolve: Resolve,
    /// Where cargo builds.
    pub target_directory: PathBuf,
}

impl Metadata {
    /// Our own crates.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| self.is_member(&package.id))
    }

    /// All other crates.
    pub fn externals(&self) -> impl Iterator<Item = &Package> {
        self.packages.iter().filter(|package| !self.is_member(&package.id))
    }

    /// Whether this is the id of a crate of ours.
    pub fn is_member(&self, id: &str) -> bool {
        self.workspace_members.iter().any(|member| member == id)
    }

    /// The package with this id.
    pub fn package(&self, id: &str) -> Option<&Package> {
        self.packages.iter().find(|package| package.id == id)
    }

    /// The ids of the packages that this one cannot be built without: all but its dev-dependencies.
    pub fn needs<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        let node = self.resolve.nodes.iter().find(|node| node.id == id);
        let edges = node.map_or(&[][..], |node| &node.deps);
        edges
            .iter()
            .filter(|edge| edge.dep_kinds.iter().any(|kind| kind.kind != Some(Kind::Dev)))
            .map(|edge| edge.pkg.as_str())
    }
}

/// One version of one crate.
#[derive(Deserialize)]
pub struct Package {
    /// Cargo's name for exactly this package.
    pub id: String,
    /// The crate's name.
    pub name: String,
    /// The crate's version.
    pub version: String,
    /// Its SPDX expression.
    pub license: Option<String>,
    /// Where it comes from; `None` is a path on this machine.
    pub source: Option<String>,
    /// What its `Cargo.toml` asks for.
    pub dependencies: Vec<Dependency>,
    /// Its features, and what each switches on.
    pub features: BTreeMap<String, Vec<String>>,
    /// Its libraries, binaries, benches and so on.
    pub targets: Vec<Target>,
}

/// One line among the dependencies in a `Cargo.toml`.
#[derive(Deserialize)]
pub struct Dependency {
    /// The crate asked for.
    pub name: String,
    /// The name it has here, if another.
    pub rename: Option<String>,
    /// `None` is a normal dependency.
    pub kind: Option<Kind>,
    /// Whether only a feature brings it in.
    pub optional: bool,
}

/// What kind of dependency it is, if not a normal one.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For tests, examples and benches.
    Dev,
    /// For a build script.
    Build,
}

/// A library, binary, bench and so on.
#[derive(Deserialize)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// `lib`, `bin`, `bench` and so on.
    pub kind: Vec<String>,
}

/// The graph of the packages.
#[derive(Deserialize)]
pub struct Resolve {
    /// One per package.
    pub nodes: Vec<Node>,
}

/// A package in the graph.
#[derive(Deserialize)]
pub struct Node {
    /// The package's id.
    pub id: String,
    /// What it uses.
    pub deps: Vec<Edge>,
}

/// A use of one package by another.
#[derive(Deserialize)]
pub struct Edge {
    /// The used package's id.
    pub pkg: String,
    /// In which ways it is used.
    pub dep_kinds: Vec<EdgeKind>,
}

/// A way of use.
#[derive(Deserialize)]
pub struct EdgeKind {
    /// `None` is a normal dependency.
    pub kind: Option<Kind>,
}

/// The metadata of a made-up workspace, for tests.
///
/// Each line is `user -> used`; the arrow may also be `-dev->`, `-build->` or `-optional->`. Names that begin with
/// `portcullis` and `xtask` are crates of ours, all others come from the registry under the MIT licence.
#[cfg(test)]
pub fn made_up(lines: &[&str]) -> Metadata {
    let resolve = Resolve { nodes: Vec::new() };
    let mut metadata = Metadata {
        packages: Vec::new(),
        workspace_members: Vec::new(),
        resolve,
        target_directory: PathBuf::new(),
    };
    for line in lines {
        let [user, arrow, used] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let kind = match arrow {
            "-dev->" => Some(Kind::Dev),
            "-build->" => Some(Kind::Build),
            "->" | "-optional->" => None,
            _ => panic!("{line}"),
        };
        let optional = arrow == "-optional->";
        let (user, used_index) = (index_of(&mut metadata, user), index_of(&mut metadata, used));
        let dependency = Dependency { name: used.to_owned(), rename: None, kind, optional };
        metadata.packages[user].dependencies.push(dependency);
        let pkg = metadata.packages[used_index].id.clone();
        metadata.resolve.nodes[user].deps.push(Edge { pkg, dep_kinds: vec![EdgeKind { kind }] });
    }
    metadata
}

#[cfg(test)]
fn index_of(metadata: &mut Metadata, name: &str) -> usize {
    if let Some(index) = metadata.packages.iter().position(|package| package.name == name) {
        return index;
    }
    let id = format!("{name}@1.0.0");
    let ours = name.starts_with("portcullis") || name == "xtask";
    if ours {
        metadata.workspace_members.push(id.clone());
    }
    metadata.packages.push(Package {
        id: id.clone(),
        name: name.to_owned(),
        version: "1.0.0".to_owned(),
        license: Some("MIT".to_owned()),
        source: (!ours).then(|| "registry+crates.io-index".to_owned()),
        dependencies: Vec::new(),
        features: BTreeMap::new(),
        targets: Vec::new(),
    });
    metadata.resolve.nodes.push(Node { id, deps: Vec::new() });
    metadata.packages.len() - 1
}
