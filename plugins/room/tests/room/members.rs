use crate::chat::*;
use bevy_ecs::prelude::*;
use portcullis_room::{AutoClose, Join, Leave, MemberOf, Members, Room, RoomError, Rooms, join, leave, open};
use portcullis_testkit::TestServer;
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn membership_can_be_asked_from_both_sides() {
    let mut server = server();
    let (ann, bob) = (server.connect(), server.connect());
    for (member, name) in [(&ann, "lobby"), (&bob, "lobby"), (&ann, "arena")] {
        join_room(&mut server, member.entity(), name);
    }
    let (lobby, arena) = (room(&server, "lobby").unwrap(), room(&server, "arena").unwrap());
    assert_eq!(members(&server, lobby), [ann.entity(), bob.entity()]);
    assert_eq!(rooms_of(&server, ann.entity()), [lobby, arena]);
    let alone = server.run_system_once(move |members: Query<(Entity, &MemberOf)>, rooms: Query<&Room>| {
        let alone = members.iter().filter(|(_, rooms)| rooms.len() == 1);
        alone
            .map(|(member, of)| (member, rooms.get(of.iter().next().unwrap()).unwrap().name().to_owned()))
            .collect::<Vec<_>>()
    });
    assert_eq!(alone, [(bob.entity(), "lobby".to_owned())]);
}

#[test]
fn who_joins_twice_is_a_member_once() {
    let mut server = server();
    let mut ann = server.connect();
    for _ in 0..3 {
        assert_eq!(ann.request("enter", &enter_body("lobby")).expect_reply::<Count>(), Count { members: 1 });
    }
    join_room(&mut server, ann.entity(), "lobby");
    assert_eq!(facts(&mut server), ["joined lobby"]);
    assert_eq!(ann.request("say", &line("hello")).expect_reply::<usize>(), 1);
    assert_eq!(ann.pushes().len(), 1);
}

#[test]
fn two_requests_in_one_go_see_each_other() {
    let mut server = server();
    let ann = server.connect();
    let member = ann.entity();
    server.run_system_once(move |mut commands: Commands| {
        commands.trigger(Join::new(member, "lobby"));
        commands.trigger(Join::new(member, "lobby"));
        commands.trigger(Leave::new(member, "lobby"));
        commands.trigger(Leave::new(member, "lobby"));
    });
    assert_eq!(facts(&mut server), ["joined lobby", "left lobby: asked"]);
    assert_eq!(room(&server, "lobby"), None);
}

#[test]
fn a_room_that_a_join_opened_closes_when_the_last_leaves() {
    let mut server = server();
    let (ann, bob) = (server.connect(), server.connect());
    join_room(&mut server, ann.entity(), "lobby");
    join_room(&mut server, bob.entity(), "lobby");
    leave_room(&mut server, ann.entity(), "lobby");
    assert!(room(&server, "lobby").is_some());
    leave_room(&mut server, bob.entity(), "lobby");
    assert_eq!(room(&server, "lobby"), None);
}

#[test]
fn a_room_that_the_game_opened_stays_until_it_says_otherwise() {
    let mut server = server();
    let ann = server.connect();
    let lobby = open(&mut server.world_mut(), "lobby").unwrap();
    assert_eq!(open(&mut server.world_mut(), "lobby"), Ok(lobby));
    join_room(&mut server, ann.entity(), "lobby");
    leave_room(&mut server, ann.entity(), "lobby");
    assert_eq!(room(&server, "lobby"), Some(lobby));
    server.world_mut().entity_mut(lobby).insert(AutoClose);
    join_room(&mut server, ann.entity(), "lobby");
    leave_room(&mut server, ann.entity(), "lobby");
    assert_eq!(room(&server, "lobby"), None);
}

#[test]
fn a_leave_of_a_room_one_is_not_in_is_nothing() {
    let mut server = server();
    let (ann, bob) = (server.connect(), server.connect());
    join_room(&mut server, bob.entity(), "lobby");
    facts(&mut server);
    leave_room(&mut server, ann.entity(), "lobby");
    leave_room(&mut server, ann.entity(), "nowhere");
    let lobby = room(&server, "lobby").unwrap();
    assert!(!leave(&mut server.world_mut(), lobby, ann.entity()));
    assert!(facts(&mut server).is_empty());
}

#[test]
fn ten_thousand_join_and_leave() {
    let mut server = server();
    let mut world = server.world_mut();
    let room = open(&mut world, "stadium").unwrap();
    let crowd: Vec<Entity> = (0..10_000).map(|_| world.spawn_empty().id()).collect();
    assert!(crowd.iter().all(|&member| join(&mut world, room, member) == Ok(true)));
    assert_eq!(world.get::<Members>(room).unwrap().len(), 10_000);
    let (some, rest) = crowd.split_at(5_000);
    assert!(some.iter().all(|&member| leave(&mut world, room, member)));
    rest.iter().for_each(|&member| assert!(world.despawn(member)));
    assert!(world.get::<Members>(room).unwrap().is_empty());
}

/// Both sides and the index, after each of many steps, against a plain model.
#[test]
fn both_sides_and_the_index_stay_true_whatever_happens() {
    let mut server = server();
    let mut model: BTreeMap<Entity, BTreeSet<Entity>> = BTreeMap::new();
    let mut members: Vec<Entity> = Vec::new();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    for _ in 0..3_000 {
        let world = &mut *server.world_mut();
        if members.len() < 20 {
            members.push(world.spawn_empty().id());
        }
        let member = members[next(members.len())];
        let name = format!("room {}", next(12));
        match next(20) {
            0 => {
                world.despawn(member);
                members.retain(|&other| other != member);
                model.values_mut().for_each(|set| {
                    set.remove(&member);
                });
            }
            1 => {
                if let Some(room) = world.resource::<Rooms>().get(&name) {
                    world.despawn(room);
                    model.remove(&room);
                }
            }
            2..=6 => {
                if let Some(room) = world.resource::<Rooms>().get(&name) {
                    let was = model.get_mut(&room).unwrap().remove(&member);
                    assert_eq!(leave(world, room, member), was);
                }
            }
            _ => {
                let room = open(world, &name).unwrap();
                let new = model.entry(room).or_default().insert(member);
                assert_eq!(join(world, room, member), Ok(new));
            }
        }
        world.flush();
        check(world, &model, &members);
    }
}

fn check(world: &World, model: &BTreeMap<Entity, BTreeSet<Entity>>, members: &[Entity]) {
    let rooms: BTreeSet<Entity> = world.resource::<Rooms>().iter().map(|(_, room)| room).collect();
    assert_eq!(rooms, model.keys().copied().collect());
    for (&room, expected) in model {
        assert_eq!(&world.get::<Members>(room).unwrap().iter().collect::<BTreeSet<_>>(), expected);
    }
    for &member in members {
        let of = world.get::<MemberOf>(member).into_iter().flat_map(MemberOf::iter);
        let expected = model.iter().filter(|(_, set)| set.contains(&member)).map(|(&room, _)| room);
        assert_eq!(of.collect::<BTreeSet<_>>(), expected.collect::<BTreeSet<_>>());
    }
}

#[test]
fn a_room_s_name_is_free_again_when_it_is_gone() {
    let mut server = server();
    let first = open(&mut server.world_mut(), "lobby").unwrap();
    server.world_mut().despawn(first);
    assert!(server.world().resource::<Rooms>().is_empty());
    let second = open(&mut server.world_mut(), "lobby").unwrap();
    assert_ne!(first, second);
    assert_eq!(join(&mut server.world_mut(), first, second), Err(RoomError::NoSuchRoom));
}

#[test]
fn nothing_is_left_of_rooms_and_members_that_came_and_went() {
    fn count(server: &mut TestServer) -> usize {
        let mut world = server.world_mut();
        world.query::<Entity>().iter(&world).count()
    }
    let mut server = server();
    let before = count(&mut server);
    for _ in 0..10 {
        let clients: Vec<_> = (0..6).map(|_| server.connect()).collect();
        for (i, client) in clients.iter().enumerate() {
            join_room(&mut server, client.entity(), if i % 2 == 0 { "even" } else { "odd" });
        }
        drop(clients);
        server.settle();
    }
    assert!(server.world().resource::<Rooms>().is_empty());
    assert_eq!(count(&mut server), before);
}
