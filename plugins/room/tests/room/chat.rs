//! A small chat, for tests.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_dispatch::{AppDispatchExt, Refusal, Request};
use portcullis_room::{
    Departure, Join, JoinRefused, Joined, Leave, Left, MemberOf, Members, Room, Rooms, Teller, join, open,
};
use portcullis_session::{Login, Sessions};
use portcullis_testkit::TestServer;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Enter {
    pub room: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Line {
    pub text: String,
}

#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
pub struct Count {
    pub members: usize,
}

/// The facts, in the order they were told.
#[derive(Resource, Default)]
pub struct Facts(pub Vec<String>);

pub fn chat(app: &mut App) {
    app.init_resource::<Facts>()
        .add_handler("enter", enter)
        .add_handler("say", say)
        .add_handler("login", |uid: Request<String>, mut commands: Commands| {
            commands.trigger(Login::new(uid.connection, uid.body.as_str()));
        })
        .add_push::<Line>("line")
        .add_observer(|event: On<Joined>, rooms: Query<&Room>, mut facts: ResMut<Facts>| {
            facts.0.push(format!("joined {}", rooms.get(event.room).unwrap().name()));
        })
        .add_observer(|event: On<JoinRefused>, mut facts: ResMut<Facts>| facts.0.push(event.why.to_string()))
        .add_observer(left);
}

/// The room has the member no more. Both can still be asked, unless it says otherwise.
fn left(
    event: On<Left>,
    rooms: Query<(&Room, &Members)>,
    members: Query<&MemberOf>,
    mut facts: ResMut<Facts>,
) {
    let name = match rooms.get(event.room) {
        Ok((room, rest)) => {
            assert!(!rest.contains(event.member));
            room.name()
        }
        Err(_) => {
            assert_eq!(event.why, Departure::RoomClosed);
            "?"
        }
    };
    match members.get(event.member) {
        Ok(rooms) => assert!(!rooms.contains(event.room)),
        Err(_) => assert_eq!(event.why, Departure::Despawned),
    }
    facts.0.push(format!("left {name}: {}", event.why));
}

/// An exclusive handler: it answers with the outcome.
fn enter(request: Request<Enter>, world: &mut World) -> Result<Count, Refusal> {
    let room = open(world, &request.room)?;
    join(world, room, request.connection)?;
    Ok(Count { members: world.get::<Members>(room).map_or(0, Members::len) })
}

fn say(request: Request<Line>, rooms: Query<&MemberOf>, mut teller: Teller) -> Result<usize, Refusal> {
    let mut told = 0;
    for room in rooms.get(request.connection)?.iter() {
        told += teller.to_room(room, "line", &request.body).connections;
    }
    Ok(told)
}

pub fn server() -> TestServer {
    TestServer::new(chat)
}

pub fn line(text: &str) -> Line {
    Line { text: text.into() }
}

pub fn enter_body(room: &str) -> Enter {
    Enter { room: room.into() }
}

/// What was told since the last time.
pub fn facts(server: &mut TestServer) -> Vec<String> {
    std::mem::take(&mut server.world_mut().resource_mut::<Facts>().0)
}

pub fn room(server: &TestServer, name: &str) -> Option<Entity> {
    server.world().resource::<Rooms>().get(name)
}

pub fn session(server: &TestServer, uid: &str) -> Entity {
    server.world().resource::<Sessions>().get(uid).unwrap()
}

pub fn members(server: &TestServer, room: Entity) -> Vec<Entity> {
    server.world().get::<Members>(room).unwrap().iter().collect()
}

pub fn rooms_of(server: &TestServer, member: Entity) -> Vec<Entity> {
    server.world().get::<MemberOf>(member).map(|rooms| rooms.iter().collect()).unwrap_or_default()
}

pub fn join_room(server: &mut TestServer, member: Entity, room: &str) {
    server.trigger(Join::new(member, room));
}

pub fn leave_room(server: &mut TestServer, member: Entity, room: &str) {
    server.trigger(Leave::new(member, room));
}
