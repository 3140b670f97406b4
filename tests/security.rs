//! `SECURITY.md` lists what there is.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

use portcullis_core::Cause;
use portcullis_gate::Refusal;
use std::fs;

fn document() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/SECURITY.md")).unwrap()
}

#[test]
fn each_cause_and_each_refusal_is_in_the_list_of_limits() {
    let document = document();
    let labels = Cause::ALL.map(Cause::label).into_iter().chain(Refusal::ALL.map(Refusal::label));
    let missing: Vec<_> = labels.filter(|label| !document.contains(&format!("`{label}`"))).collect();
    assert!(missing.is_empty(), "SECURITY.md does not say what leads to {missing:?}");
}

#[test]
fn each_cause_stands_beside_its_close_code() {
    let document = document();
    for cause in Cause::ALL {
        let (label, code) = (format!("`{cause}`"), cause.close_code().to_string());
        let stands = |row: &str| {
            let cells: Vec<_> = row.split('|').map(str::trim).collect();
            cells.get(1).is_some_and(|causes| causes.split(", ").any(|cause| cause == label))
                && cells.get(2) == Some(&code.as_str())
        };
        assert!(document.lines().any(stands), "SECURITY.md has no row of {label} with code {code}");
    }
}

#[test]
fn each_key_of_gate_and_limits_is_in_the_list_of_limits() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/portcullis.toml");
    let configuration = fs::read_to_string(path).unwrap();
    let table: toml::Table = configuration.parse().unwrap();
    let document = document();
    for section in ["gate", "limits"] {
        for key in table[section].as_table().unwrap().keys() {
            assert!(document.contains(&format!("`{section}.{key}`")), "SECURITY.md has no {section}.{key}");
        }
    }
}
