//! A small game, for tests.
#![allow(dead_code, reason = "no test needs all of it")]

use bevy_app::{App, FixedUpdate, Plugin};
use bevy_ecs::prelude::*;
use portcullis_dispatch::{AppDispatchExt, Defer, Deferred, Pusher, Received, Refusal, Request, Responder};
use portcullis_watchdog::{AgentTemplate, DefaultAgent};
use serde::{Deserialize, Serialize};
use std::time::Duration;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Join {
    pub name: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Joined {
    pub players: usize,
}

#[derive(Serialize, Deserialize, Debug, PartialEq, Clone)]
pub struct News {
    pub text: String,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
pub struct Move {
    pub by: i32,
}

#[derive(Component, Default)]
pub struct Player {
    pub name: String,
    pub at: i32,
}

/// Those who wait for an answer.
#[derive(Resource, Default)]
pub struct Waiting(pub Vec<Responder<u32>>);

pub struct GamePlugin;

impl Plugin for GamePlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(DefaultAgent(AgentTemplate::new(Player::default)))
            .init_resource::<Waiting>()
            .add_handler("join", join)
            .add_handler("shout", shout)
            .add_handler("wait", wait)
            .add_handler("think", think)
            .add_stream::<Move>("move")
            .add_push::<News>("news")
            .add_push::<i32>("moved")
            .add_systems(FixedUpdate, moves);
    }
}

pub fn join_as(name: &str) -> Join {
    Join { name: name.to_owned() }
}

fn join(request: Request<Join>, mut players: Query<&mut Player>) -> Result<Joined, Refusal> {
    if request.name.is_empty() {
        return Err(Refusal::new(Refusal::CONFLICT, "a player needs a name"));
    }
    let agent = request.agent.ok_or("nobody plays here")?;
    players.get_mut(agent)?.name = request.body.name;
    Ok(Joined { players: players.iter().filter(|player| !player.name.is_empty()).count() })
}

fn shout(request: Request<News>, players: Query<Entity, With<Player>>, mut pusher: Pusher) -> usize {
    players.iter().map(|player| pusher.push(player, "news", &request.body)).sum()
}

/// Answered when somebody takes the responder.
fn wait(
    request: Request<()>,
    mut defer: Defer,
    mut waiting: ResMut<Waiting>,
) -> Result<Deferred<u32>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    waiting.0.push(responder);
    Ok(deferred)
}

/// Answered by another thread, some real time later.
fn think(request: Request<u32>, mut defer: Defer) -> Result<Deferred<u32>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    let number = request.body;
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(30));
        responder.reply(number + 1);
    });
    Ok(deferred)
}

fn moves(mut moves: MessageReader<Received<Move>>, mut players: Query<&mut Player>, mut pusher: Pusher) {
    for step in moves.read() {
        let Some(agent) = step.agent else { continue };
        let Ok(mut player) = players.get_mut(agent) else { continue };
        player.at += step.by;
        pusher.push(agent, "moved", &player.at);
    }
}
