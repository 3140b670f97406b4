//! What we depend on: licences, versions and sources, how many crates the server is built of, and that each dependency
//! has its reason written down.
//!
//! All of it comes from cargo itself; nothing is asked of any service. Where cargo-deny is installed its checks of
//! licences, bans and sources run too, offline: they are the same rules, by other eyes. Advisories need a database,
//! which `cargo deny check advisories` fetches.

mod server;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use spdx::{Expression, Licensee, ParseMode};
use thiserror::Error as ThisError;

use crate::{
    documented,
    error::Error,
    layers,
    metadata::Metadata,
    project::{CargoLine, Project},
};

/// The licences that dependencies may have; one that offers a choice needs one of these among it.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Crates whose types meet across crate borders, or that are big: there is one version of each. A `*` ends a prefix.
const ONE_VERSION: &[&str] = &["bevy_*", "bytes", "hyper", "rustls", "serde", "tokio"];

/// cargo-deny with what it can check without a network.
const DENY: &str = "deny --log-level error --offline check licenses bans sources";

/// How cargo names the public registry, wherever it is fetched from.
const REGISTRY: (&str, &str) = ("registry+", "crates.io-index");

/// Where each direct dependency has its reason, in the project's root.
const DOCUMENT: &str = "docs/dependencies.md";

/// Something wrong with a dependency.
#[derive(Debug, ThisError, PartialEq)]
enum Finding {
    #[error("{name} has the licence `{licence}`, which xtask/src/dependencies.rs does not allow")]
    Licence { name: String, licence: String },
    #[error("{name} is there in versions {versions}: one is allowed")]
    Versions { name: String, versions: String },
    #[error("{name} comes from {source_id}: only the public registry and this workspace are allowed")]
    Source { name: String, source_id: String },
    #[error("{name} has no entry in docs/dependencies.md; {user} depends on it")]
    Undocumented { name: String, user: String },
    #[error("{name} has an entry in docs/dependencies.md, and no crate of ours depends on it")]
    Unused { name: String },
    #[error(
        "the default server is built of {count} crates of others: fewer than {} are allowed",
        server::TOO_MANY
    )]
    TooMany { count: usize },
    #[error("cargo-deny refuses what is above, by deny.toml: cargo {DENY}")]
    Denied,
}

/// Checks everything about dependencies, the layers of our own crates too, and prints what it finds.
pub fn run(project: &Project) -> Result<(), Error> {
    let metadata = project.metadata()?;
    let path = project.root().join(DOCUMENT);
    let document =
        fs::read_to_string(&path).map_err(|source| Error::Read { path: DOCUMENT.into(), source })?;

    let mut findings = findings(&metadata, &document);
    findings.extend(layers::breaches(&project.metadata_here()?).iter().map(ToString::to_string));
    let count = server::crates(project)?.len();
    println!("    the default server is built of {count} crates of others");
    findings.extend(too_many(count).map(|finding| finding.to_string()));
    findings.extend(denied(project)?.map(|finding| finding.to_string()));
    for finding in &findings {
        println!("    {finding}");
    }
    if findings.is_empty() { Ok(()) } else { Err(Error::Findings(findings.len())) }
}

fn findings(metadata: &Metadata, document: &str) -> Vec<String> {
    let all = licences(metadata)
        .chain(versions(metadata))
        .chain(sources(metadata))
        .chain(entries(metadata, document));
    all.map(|finding| finding.to_string()).collect()
}

fn too_many(count: usize) -> Option<Finding> {
    (count >= server::TOO_MANY).then_some(Finding::TooMany { count })
}

fn denied(project: &Project) -> Result<Option<Finding>, Error> {
    if !CargoLine::new("deny --version").is_there(project) {
        println!("    cargo-deny is not installed: licences, versions and sources were checked without it");
        return Ok(None);
    }
    let passed = CargoLine::new(DENY).succeeds(project)?;
    Ok((!passed).then_some(Finding::Denied))
}

fn licences(metadata: &Metadata) -> impl Iterator<Item = Finding> {
    metadata.packages.iter().filter_map(|package| {
        let licence = package.license.as_deref().unwrap_or("none");
        let finding = || Finding::Licence { name: package.name.clone(), licence: licence.to_owned() };
        (!is_allowed(licence)).then(finding)
    })
}

/// Whether an SPDX expression can be met with the allowed licences. Old crates part a choice with a slash.
fn is_allowed(licence: &str) -> bool {
    let allowed: Vec<_> = LICENCES.iter().filter_map(|name| Licensee::parse(name).ok()).collect();
    Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|expression| {
        expression.evaluate(|requirement| allowed.iter().any(|licensee| licensee.satisfies(requirement)))
    })
}

fn versions(metadata: &Metadata) -> impl Iterator<Item = Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in metadata.packages.iter().filter(|package| has_one_version(&package.name)) {
        versions.entry(&package.name).or_default().insert(&package.version);
    }
    versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(|(name, versions)| {
        Finding::Versions {
            name: name.to_owned(),
            versions: versions.into_iter().collect::<Vec<_>>().join(" and "),
        }
    })
}

fn has_one_version(name: &str) -> bool {
    ONE_VERSION.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None => name == *pattern,
    })
}

fn sources(metadata: &Metadata) -> impl Iterator<Item = Finding> {
    metadata.externals().filter_map(|package| {
        let source = package.source.as_deref().unwrap_or("a path outside the workspace");
        let allowed = source.starts_with(REGISTRY.0) && source.ends_with(REGISTRY.1);
        let finding = || Finding::Source { name: package.name.clone(), source_id: source.to_owned() };
        (!allowed).then(finding)
    })
}

fn entries(metadata: &Metadata, document: &str) -> impl Iterator<Item = Finding> {
    let entries = documented::crates(document);
    let ours: BTreeSet<_> = metadata.members().map(|member| member.name.clone()).collect();
    let mut used = BTreeMap::new();
    for member in metadata.members() {
        for dependency in member.dependencies.iter().filter(|dependency| !ours.contains(&dependency.name)) {
            used.entry(dependency.name.clone()).or_insert_with(|| member.name.clone());
        }
    }
    let unused: Vec<_> =
        entries.iter().filter(|name| !used.contains_key(*name) && !ours.contains(*name)).collect();
    let unused: Vec<_> = unused.into_iter().map(|name| Finding::Unused { name: name.clone() }).collect();
    let undocumented = used
        .into_iter()
        .filter(move |(name, _)| !entries.contains(name))
        .map(|(name, user)| Finding::Undocumented { name, user });
    undocumented.chain(unused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::made_up;

    #[test]
    fn a_choice_needs_one_allowed_licence_and_a_sum_needs_all() {
        for allowed in ["MIT", "MIT/Apache-2.0", "GPL-3.0-only OR MIT", "(MIT OR Apache-2.0) AND Unicode-3.0"]
        {
            assert!(is_allowed(allowed), "{allowed}");
        }
        for forbidden in ["GPL-3.0-only", "MIT AND GPL-3.0-only", "MPL-2.0", "none", "", "MIT OR"] {
            assert!(!is_allowed(forbidden), "{forbidden}");
        }
    }

    #[test]
    fn an_exception_is_allowed_by_name_only() {
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(!is_allowed("MIT WITH LLVM-exception"));
    }

    #[test]
    fn every_allowed_licence_is_one_that_spdx_knows() {
        assert!(LICENCES.iter().all(|name| is_allowed(name)));
    }

    #[test]
    fn cargo_deny_allows_the_same_licences() {
        let deny = fs::read_to_string(Project::find().unwrap().root().join("deny.toml")).unwrap();
        let allow = deny.split_once("allow = [").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        let allow: Vec<_> = allow.split(',').map(|name| name.trim().trim_matches('"')).collect();
        assert_eq!(allow.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>(), LICENCES);
    }

    #[test]
    fn cargo_deny_wants_one_version_of_the_same_crates() {
        let deny = fs::read_to_string(Project::find().unwrap().root().join("deny.toml")).unwrap();
        let names: Vec<_> = deny
            .lines()
            .filter(|line| line.contains("deny-multiple-versions = true"))
            .filter_map(|line| line.split('"').nth(1))
            .collect();
        assert!(names.iter().all(|name| has_one_version(name)), "{names:?}");
        // It knows no prefixes.
        let whole = ONE_VERSION.iter().filter(|name| !name.ends_with('*'));
        assert_eq!(whole.filter(|name| !names.contains(*name)).count(), 0, "{names:?}");
    }

    #[test]
    fn two_hundred_crates_are_too_many() {
        assert_eq!(too_many(199), None);
        assert_eq!(too_many(200), Some(Finding::TooMany { count: 200 }));
    }

    #[test]
    fn a_forbidden_or_missing_licence_is_found() {
        let mut metadata = made_up(&["portcullis_core -> bytes", "portcullis_core -> nonmax"]);
        metadata.packages[1].license = Some("GPL-3.0-only".into());
        metadata.packages[2].license = None;
        let found: Vec<_> = licences(&metadata).collect();
        let finding =
            |name: &str, licence: &str| Finding::Licence { name: name.into(), licence: licence.into() };
        assert_eq!(found, [finding("bytes", "GPL-3.0-only"), finding("nonmax", "none")]);
    }

    #[test]
    fn a_second_version_of_a_big_crate_is_found() {
        let mut metadata = made_up(&["a -> bevy_ecs", "b -> bevy_ecs2", "c -> syn", "d -> syn2"]);
        for (index, name) in [(3, "bevy_ecs"), (7, "syn")] {
            metadata.packages[index].name = name.into();
            metadata.packages[index].version = "2.0.0".into();
        }
        let (name, versions_found) = ("bevy_ecs".into(), "1.0.0 and 2.0.0".into());
        assert_eq!(
            versions(&metadata).collect::<Vec<_>>(),
            [Finding::Versions { name, versions: versions_found }]
        );
    }

    #[test]
    fn a_source_that_is_not_the_public_registry_is_found() {
        let mut metadata =
            made_up(&["portcullis_core -> bytes", "portcullis_core -> smallvec", "bytes -> serde"]);
        metadata.packages[1].source = Some("git+ssh://example.invalid/bytes".into());
        metadata.packages[2].source = None;
        metadata.packages[3].source = Some("registry+https://example.invalid/index".into());
        let names: Vec<_> = sources(&metadata).map(|finding| finding.to_string()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn every_direct_dependency_of_every_kind_needs_an_entry() {
        let metadata = made_up(&[
            "portcullis_core -> bytes",
            "portcullis_core -dev-> criterion",
            "portcullis_net -build-> cc",
            "portcullis_net -> portcullis_core",
            "bytes -> serde",
        ]);
        let found = |document| entries(&metadata, document).collect::<Vec<_>>();
        assert_eq!(found("- `bytes`: slices\n- `cc`\n- `criterion`\n"), []);
        let missing = Finding::Undocumented { name: "cc".into(), user: "portcullis_net".into() };
        assert_eq!(found("- `bytes`: slices\n- `criterion`\n"), [missing]);
    }

    #[test]
    fn an_entry_for_a_crate_that_nobody_uses_is_found() {
        let metadata = made_up(&["portcullis_core -> bytes"]);
        let found: Vec<_> = entries(&metadata, "- `bytes`\n- `serde`\n- `portcullis_core`\n").collect();
        assert_eq!(found, [Finding::Unused { name: "serde".into() }]);
    }
}
