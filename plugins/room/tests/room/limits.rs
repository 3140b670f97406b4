use crate::chat::*;
use portcullis_dispatch::Refusal;
use portcullis_room::{AutoClose, MaxMembers, MaxRooms, RoomError, RoomLimits, join, open};

#[test]
fn a_full_room_takes_nobody_until_somebody_leaves() {
    let mut server = server();
    let (mut ann, mut bob) = (server.connect(), server.connect());
    let booth = open(&mut server.world_mut(), "booth").unwrap();
    server.world_mut().entity_mut(booth).insert(MaxMembers(1));
    ann.request("enter", &enter_body("booth")).expect_reply::<Count>();
    let refusal = bob.request("enter", &enter_body("booth")).expect_refusal();
    assert_eq!((refusal.code, &*refusal.message), (Refusal::TOO_MANY, "the room is full"));
    ann.request("enter", &enter_body("booth")).expect_reply::<Count>();
    leave_room(&mut server, ann.entity(), "booth");
    bob.request("enter", &enter_body("booth")).expect_reply::<Count>();
}

#[test]
fn a_member_is_in_so_many_rooms_and_no_more() {
    let mut server = server();
    let ann = server.connect();
    let most = server.world().resource::<RoomLimits>().rooms;
    for number in 0..=most {
        join_room(&mut server, ann.entity(), &format!("room {number}"));
    }
    assert_eq!(facts(&mut server).last().unwrap(), "in too many rooms");
    assert_eq!(rooms_of(&server, ann.entity()).len(), most);
    assert_eq!(room(&server, &format!("room {most}")), None, "a room nobody could join is not kept");
    server.world_mut().entity_mut(ann.entity()).insert(MaxRooms(most + 1));
    join_room(&mut server, ann.entity(), "one more");
    assert!(room(&server, "one more").is_some());
}

#[test]
fn a_room_opened_for_who_may_not_join_it_is_not_kept() {
    let mut server = server();
    let ann = server.connect();
    server.world_mut().entity_mut(ann.entity()).insert(MaxRooms(0));
    let booth = open(&mut server.world_mut(), "booth").unwrap();
    server.world_mut().entity_mut(booth).insert(AutoClose);
    assert_eq!(join(&mut server.world_mut(), booth, ann.entity()), Err(RoomError::TooManyRooms));
    assert_eq!(room(&server, "booth"), None);
}

#[test]
fn names_have_a_length() {
    let mut server = server();
    let mut ann = server.connect();
    for name in [String::new(), "x".repeat(65)] {
        assert_eq!(ann.request("enter", &enter_body(&name)).expect_refusal().code, Refusal::BAD_REQUEST);
        join_room(&mut server, ann.entity(), &name);
    }
    let refused = RoomError::BadName(64).to_string();
    assert_eq!(facts(&mut server), [refused.clone(), refused]);
    ann.request("enter", &enter_body(&"x".repeat(64))).expect_reply::<Count>();
}

#[test]
fn what_does_not_exist_neither_joins_nor_is_joined() {
    let mut server = server();
    let mut world = server.world_mut();
    let room = open(&mut world, "lobby").unwrap();
    let gone = world.spawn_empty().id();
    world.despawn(gone);
    assert_eq!(join(&mut world, room, gone), Err(RoomError::Gone(gone)));
    assert_eq!(join(&mut world, gone, room), Err(RoomError::NoSuchRoom));
}
