//! Which crates `docs/dependencies.md` has entries for.
//!
//! An entry is a table row whose first cell names crates in backticks, or a bullet that opens with such names:
//!
//! ```text
//! | Crate | Why |
//! | --- | --- |
//! | `bevy_app`, `bevy_ecs` | the world everything lives in |
//!
//! - `bytes`: cheap slices of what a peer sent
//! ```
//!
//! Everything else is prose, which may name any crate: those we decided against too.

use std::collections::BTreeSet;

/// The names of the crates with an entry.
pub fn crates(document: &str) -> BTreeSet<String> {
    document.lines().filter_map(head).flat_map(names).map(str::to_owned).collect()
}

/// The part of an entry that names its crates; `None` for prose.
fn head(line: &str) -> Option<&str> {
    let line = line.trim_start();
    if let Some(row) = line.strip_prefix('|') {
        return row.split('|').next();
    }
    let bullet = line.strip_prefix("- ").or_else(|| line.strip_prefix("* "))?;
    let mut rest = bullet;
    // A name, then whatever may stand between two names.
    while let Some((_, after)) = rest.strip_prefix('`').and_then(|rest| rest.split_once('`')) {
        rest = after.strip_prefix(", ").or_else(|| after.strip_prefix(" and ")).unwrap_or(after);
        if rest.len() == after.len() {
            break;
        }
    }
    bullet.strip_suffix(rest)
}

/// What stands in backticks and can be a crate's name.
fn names(head: &str) -> impl Iterator<Item = &str> {
    let is_name =
        |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    head.split('`').skip(1).step_by(2).filter(move |word| is_name(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(document: &str) -> Vec<String> {
        crates(document).into_iter().collect()
    }

    #[test]
    fn a_row_names_crates_in_its_first_cell() {
        let table = "| Crate | Why |\n| --- | --- |\n| `bevy_app`, `bevy_ecs` | not `hecs` |\n| [`bytes`](x) | slices |";
        assert_eq!(found(table), ["bevy_app", "bevy_ecs", "bytes"]);
    }

    #[test]
    fn a_bullet_names_crates_where_it_opens() {
        assert_eq!(
            found("- `bytes`: better than `Vec`\n* `serde` and `serde_json`, with `derive`"),
            ["bytes", "serde", "serde_json"]
        );
        assert_eq!(found("  - `tokio`"), ["tokio"]);
    }

    #[test]
    fn prose_names_nothing() {
        assert_eq!(found("`anyhow` is not here.\n- no `anyhow` in libraries\n# `title`"), [] as [&str; 0]);
    }
}
