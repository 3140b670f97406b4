//! What the tests of skynet's login server and msgserver have in common: the servers of its example, clients that speak
//! lines and frames, and the recorded conversations.

#![allow(dead_code, reason = "each test file uses its part of it")]

pub mod agent;
mod client;
mod dialogue;
pub mod facts;
pub mod gate;
mod replay;
pub mod servers;

#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use client::{Client, request};
#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use dialogue::{PRIVATE, Presented, begin, present, token};
#[allow(unused_imports, reason = "each test file uses its part of it")]
pub use replay::replay;

use serde_json::Value;
use std::fs;

/// One recorded conversation.
pub struct Flow {
    pub name: String,
    pub params: Value,
    pub messages: Vec<Value>,
}

/// All conversations of a file, in the order they were recorded; those of one server count on.
pub fn flows(file: &str) -> Vec<Flow> {
    let path = format!("{}/tests/vectors/skynet/{file}.json", env!("CARGO_MANIFEST_DIR"));
    let file: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let flow = |flow: &Value| Flow {
        name: flow["name"].as_str().unwrap().to_owned(),
        params: flow["params"].clone(),
        messages: flow["messages"].as_array().unwrap().clone(),
    };
    file["flows"].as_array().unwrap().iter().map(flow).collect()
}

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

/// Eight bytes of a file.
pub fn key(hex: &Value) -> Option<[u8; 8]> {
    Some(bytes(hex.as_str()?).try_into().unwrap())
}

/// Makes sure that a file holds the conversations that are replayed and those told apart, and no other; and that each
/// of the latter has its test in this source.
pub fn check_table(file: &str, replayed: &[&str], told_apart: &[(&str, &str, &str)], source: &str) {
    let names: Vec<String> = flows(file).into_iter().map(|flow| flow.name).collect();
    for name in &names {
        let known = replayed.iter().filter(|known| *known == name).count()
            + told_apart.iter().filter(|(known, ..)| known == name).count();
        assert_eq!(known, 1, "{name} of {file}.json stands in one of the tables");
    }
    for (name, why, test) in told_apart {
        assert!(names.iter().any(|known| known == name), "{name} is not in {file}.json");
        assert!(source.contains(&format!("fn {test}(")), "{name} ({why}) has no test {test}");
    }
    assert_eq!(names.len(), replayed.len() + told_apart.len());
}
