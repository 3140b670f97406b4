//! How many crates of others the default server is built of.
//!
//! `cargo tree` is asked, and not the metadata: that knows the features of the whole workspace together, tests included,
//! where a server has only its own.

use std::collections::BTreeSet;

use crate::{
    error::Error,
    project::{CargoLine, Project},
};

/// So many are too many. Each is somebody who can hurt us, and code that nobody here has read.
pub const TOO_MANY: usize = 200;

/// Everything but our own crates that goes into the server with its default features, or builds it, on this platform.
pub fn crates(project: &Project) -> Result<BTreeSet<String>, Error> {
    let line = CargoLine::new(
        "tree --package portcullis --edges normal,build --prefix none --no-dedupe --locked --format {p}",
    );
    let tree = line.output(project)?;
    Ok(others(&String::from_utf8_lossy(&tree)))
}

/// The distinct `name version` in a tree, without those that come from a path.
fn others(tree: &str) -> BTreeSet<String> {
    let is_ours = |line: &&str| line.contains(" (/") || line.contains(":\\");
    let named = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    tree.lines().filter(|line| !line.is_empty()).filter(|line| !is_ours(line)).map(named).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_of_a_crate_of_others_counts_once() {
        let tree = "portcullis v0.1.0 (/home/ann/portcullis)\nbytes v1.12.0\nsyn v2.0.1 (proc-macro)\nsyn v3.0.0\n\
                    portcullis_core v0.1.0 (C:\\portcullis\\plugins\\core)\n\nbytes v1.12.0\n";
        assert_eq!(
            others(tree).into_iter().collect::<Vec<_>>(),
            ["bytes v1.12.0", "syn v2.0.1", "syn v3.0.0"]
        );
    }
}
