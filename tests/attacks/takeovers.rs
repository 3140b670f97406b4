//! Who is shown out, or comes again, while somebody still decides about him.

use crate::{
    Client, House, attacks,
    client::{PASSWORD, contains, sysconn_request},
    game::Undecided,
    protocol::Protocol::*,
    skynet::{Presented, present, token},
    sysconn_late::{LATE_LOGIN, answer, waiting},
};
use portcullis::{
    core::{BoundTo, Cause, Kick},
    native::{ClientEvent, Credentials},
    prelude::{Entity, Sessions},
    skynet::login::{Identity, Logins},
    sysconn::wire::Response,
};

fn is_somebody(house: &House, name: &str) -> bool {
    let world = house.server.world();
    let sessions = world.resource::<Sessions>();
    sessions.get(name).is_some() || sessions.at("sample", name).is_some()
}

fn kick(house: &mut House, connection: Entity) {
    house.server.trigger(Kick::new(connection, "out"));
}

/// Decides about the first whose login waits.
fn decide(house: &mut House) {
    let (name, responder) = house.server.world_mut().resource_mut::<Undecided>().0.remove(0);
    responder.reply(Identity::new(str::from_utf8(&name).unwrap(), "sample"));
    house.server.settle();
}

fn skynets_late(house: &mut House) -> (String, Presented) {
    let name = format!("late{}", house.name());
    let login = present(&mut house.server, &token(&name, "sample"));
    (name, login)
}

/// A connection of the connector's whose login waits.
#[track_caller]
fn connectors_late(house: &mut House, account: &str) -> Client {
    let mut client = Client::connect(house, Sysconn);
    let body = [&[0x0a, account.len() as u8], account.as_bytes()].concat();
    client.say(house, &sysconn_request(9, LATE_LOGIN, &body));
    client
}

/// A login by account, as far as it is not said.
#[track_caller]
fn account(house: &mut House, name: &str, register: bool) -> (Client, Vec<u8>) {
    let mut client = Client::connect(house, Native);
    let mut said = Vec::new();
    client.codec.hello(&mut said).unwrap();
    client.say(house, &said);
    client.expect_event(house, "a welcome", |event| matches!(event, ClientEvent::Welcome { .. }));
    said.clear();
    let credentials = Credentials::new(name, PASSWORD);
    if register {
        client.codec.register(&mut said, &credentials).unwrap();
    } else {
        client.codec.log_in(&mut said, &credentials).unwrap();
    }
    (client, said)
}

fn entity(house: &mut House, client: &mut Client) -> Entity {
    client.socket().find(&mut house.server).unwrap()
}

attacks! {
    fn kick_during_login(house) {
        // skynet's: before somebody has decided, and after.
        let (name, login) = skynets_late(house);
        kick(house, login.client.raw.entity());
        decide(house);
        assert_eq!(house.server.closed(login.client.raw.entity()), Some(Cause::Kicked));
        assert!(!is_somebody(house, &name), "nobody is logged in who was shown out");
        let (name, mut login) = skynets_late(house);
        decide(house);
        kick(house, login.client.raw.entity());
        // He has been told: the login is over, and his session waits for him.
        login.expect_subid();
        assert!(is_somebody(house, &name));
        assert_eq!(house.server.world().resource::<Logins>().pending(), 0);
        // The connector's.
        let mut client = connectors_late(house, "kicked");
        assert_eq!(waiting(&house.server), 1);
        let connection = entity(house, &mut client);
        kick(house, connection);
        answer(&mut house.server, None);
        client.expect_closed(house, Cause::Kicked);
        assert!(!is_somebody(house, "kicked"));
        let mut client = connectors_late(house, "kicked");
        answer(&mut house.server, None);
        let connection = entity(house, &mut client);
        kick(house, connection);
        client.expect_closed(house, Cause::Kicked);
        // Accounts: while the password is hashed, whichever comes first.
        for n in 0..10 {
            let name = format!("kicked{n}");
            let (mut client, said) = account(house, &name, true);
            client.put(house, &said);
            house.server.step();
            let connection = entity(house, &mut client);
            kick(house, connection);
            client.expect_closed(house, Cause::Kicked);
        }
        house.pass(61);
        for n in 0..10 {
            assert!(!is_somebody(house, &format!("kicked{n}")), "{n}");
        }
    }

    fn takeover_during_kick(house) {
        // skynet's: a later login waits until the older session is out, which is shown out at this moment.
        let mut older = Client::enter(house, MsgServer);
        let name = older.name.clone();
        let connection = entity(house, &mut older);
        kick(house, connection);
        let mut newer = present(&mut house.server, &token(&name, "sample"));
        let subid = newer.expect_subid();
        let user = older.user.as_mut().unwrap();
        assert!(subid > user.0.subid);
        (user.0.subid, user.1) = (subid, newer.secret);
        let mut again = Client::connect(house, MsgServer);
        again.user = older.user.clone();
        again.shake_hands(house, 1);
        again.ask(house);
        older.expect_closed(house, Cause::Kicked);
        // The other order: the takeover is under way when the kick comes.
        let connection = entity(house, &mut again);
        let mut newest = present(&mut house.server, &token(&name, "sample"));
        kick(house, connection);
        newest.expect_subid();
        assert!(is_somebody(house, &name), "the kick was for another connection");

        // The connector's: two logins of one account wait, and the one who is in is shown out.
        let mut first = Client::enter(house, Sysconn);
        let name = first.name.clone();
        let mut second = connectors_late(house, &name);
        let connection = entity(house, &mut first);
        kick(house, connection);
        answer(&mut house.server, None);
        second.expect(house, "a login", |frame| {
            Response::read(frame).is_ok_and(|answer| answer.error == 0 && contains(answer.body, name.as_bytes()))
        });
        first.expect_closed(house, Cause::Kicked);
        second.ask(house);
        let mut third = connectors_late(house, &name);
        answer(&mut house.server, None);
        let connection = entity(house, &mut second);
        kick(house, connection);
        third.ask(house);

        // Accounts: the session is taken over, and no kick of the older connection reaches the newer.
        let (mut first, said) = account(house, "taken", true);
        first.say(house, &said);
        first.expect_event(house, "a ticket", |event| matches!(event, ClientEvent::LoggedIn { .. }));
        for kick_first in [true, false] {
            let (mut second, said) = account(house, "taken", false);
            let connection = entity(house, &mut first);
            if kick_first {
                kick(house, connection);
            }
            second.say(house, &said);
            second.expect_event(house, "a ticket", |event| matches!(event, ClientEvent::LoggedIn { .. }));
            if !kick_first {
                kick(house, connection);
            }
            second.ask(house);
            let newer = entity(house, &mut second);
            assert!(house.server.world().get::<BoundTo>(newer).is_some());
            first.expect_closed(house, if kick_first { Cause::Kicked } else { Cause::Replaced });
            first = second;
        }
    }
}
