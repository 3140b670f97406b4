//! The weak points of the original, one named test for each, with its number: what a robust server does there that no
//! well-behaved client notices. Behind them, what compatibility leaves no choice in.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

#[path = "sysconn/weak_points/bodies.rs"]
mod bodies;
#[path = "sysconn/weak_points/commands.rs"]
mod commands;
#[path = "sysconn/weak_points/ends.rs"]
mod ends;
#[path = "sysconn/weak_points/frames.rs"]
mod frames;
#[path = "sysconn/weak_points/handshakes.rs"]
mod handshakes;
#[path = "sysconn/weak_points/load.rs"]
mod load;
#[path = "sysconn/weak_points/no_choice.rs"]
mod no_choice;
#[path = "sysconn/weak_points/roles.rs"]
mod roles;
mod sysconn;

#[test]
fn each_of_the_26_has_its_test() {
    let sources = [
        include_str!("sysconn/weak_points/bodies.rs"),
        include_str!("sysconn/weak_points/commands.rs"),
        include_str!("sysconn/weak_points/ends.rs"),
        include_str!("sysconn/weak_points/frames.rs"),
        include_str!("sysconn/weak_points/handshakes.rs"),
        include_str!("sysconn/weak_points/load.rs"),
        include_str!("sysconn/weak_points/roles.rs"),
    ]
    .concat();
    for number in 1..=26 {
        let tag = format!("/// ({number}) ");
        assert!(sources.lines().any(|line| line.trim_start().starts_with(&tag)), "{number} has no test");
    }
}
