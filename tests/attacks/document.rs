//! `docs/robustness.md` lists what there is.

use std::fs;

/// The sources of the attacks.
const SOURCES: [&str; 9] = [
    include_str!("bodies.rs"),
    include_str!("ends.rs"),
    include_str!("floods.rs"),
    include_str!("handlers.rs"),
    include_str!("keys.rs"),
    include_str!("process.rs"),
    include_str!("reading.rs"),
    include_str!("slow.rs"),
    include_str!("takeovers.rs"),
];

/// Each row's attack, and the name of its test.
fn table() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/robustness.md");
    let document = fs::read_to_string(path).unwrap();
    let section = document.split("\n## ").find(|section| section.starts_with("Attacks\n")).unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ")).skip(2);
    let row = |line: &str| {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let (attack, test) = (cells.next().unwrap(), cells.next().unwrap());
        (attack.to_owned(), test.trim_matches('`').to_owned())
    };
    rows.map(row).collect()
}

/// The names of the attacks: those of the functions that [`attacks!`](crate::attacks) makes tests of, and of what stands alone.
fn tests() -> Vec<&'static str> {
    let mut names = Vec::new();
    for source in SOURCES {
        let lines: Vec<_> = source.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let of_macro = line.strip_prefix("    fn ").and_then(|rest| rest.strip_suffix("(house) {"));
            let of_module = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {"));
            let alone = (at > 0 && lines[at - 1] == "#[test]")
                .then(|| line.strip_prefix("fn ")?.strip_suffix("() {"))
                .flatten();
            names.extend(of_macro.into_iter().chain(of_module).chain(alone));
        }
    }
    names
}

#[test]
fn each_attack_of_the_table_has_its_test_and_each_test_its_row() {
    let (table, tests) = (table(), tests());
    assert!(table.len() >= 29, "{} attacks", table.len());
    for (attack, test) in &table {
        assert!(tests.contains(&test.as_str()), "{attack} has no test {test}");
    }
    for test in tests {
        assert!(table.iter().any(|(_, named)| named == test), "docs/robustness.md has no row of {test}");
    }
}
