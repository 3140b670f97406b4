//! With a name and a password.

use crate::common::*;
use bevy_app::App;
use portcullis_accounts::{Account, AccountError, AccountLoginPlugin, LOGIN, LOGOUT, REGISTER, shut_out};
use portcullis_core::Cause;
use portcullis_dispatch::{AppDispatchExt, Refusal};
use portcullis_native::{Manifest, login as native};
use portcullis_session::{Credentials, KickUser, MultiLogin, Session, Ticket, begin};
use portcullis_testkit::{TestServer, Transport};
use std::time::Duration;

type Outcome = Result<Account, AccountError>;

#[test]
fn the_routes_are_those_that_clients_know() {
    let server = server();
    let world = server.world();
    let served = Manifest::of_routes("x", 1, world.resource());
    for messages in Manifest::new("x", 1).with_login().iter() {
        assert_eq!(served.get(&messages.route), Some(messages));
    }
    assert_eq!([native::REGISTER, native::LOGIN, native::LOGOUT], [REGISTER, LOGIN, LOGOUT]);
    assert_eq!(native::RESUME, portcullis_accounts::RESUME);
}

#[test]
fn who_registers_is_logged_in_and_logs_in_later() {
    for transport in Transport::ALL {
        let mut server = builder().transport(transport).build();
        let mut client = server.connect();
        register(&mut client);
        assert_eq!(client.request("game.add", &5u64).expect_reply::<u64>(), 5);
        let account = server.world().get::<Account>(session(&server).unwrap()).unwrap().clone();
        assert_eq!((account.id, &*account.name), (1, "ann"));
        client.request(LOGOUT, &()).expect_reply::<()>();
        client.expect_closed(Cause::Requested);
        assert_eq!(session(&server), None);
        let mut client = server.connect();
        log_in(&mut client);
        assert_eq!(client.request("game.add", &1u64).expect_reply::<u64>(), 1);
    }
}

#[test]
fn a_login_that_is_refused_says_why() {
    let mut server = server();
    let mut client = server.connect();
    let mut code = |route, name: &str, password: &str| {
        client.request(route, &Credentials::new(name, password)).expect_refusal().code
    };
    assert_eq!(code(LOGIN, "ann", "correct horse"), Refusal::UNAUTHORIZED);
    assert_eq!(code(REGISTER, "ann", "short"), Refusal::BAD_REQUEST);
    assert_eq!(code(REGISTER, " ann", "correct horse"), Refusal::BAD_REQUEST);
    let mut other = server.connect();
    register(&mut other);
    assert_eq!(code(REGISTER, "Ann", "battery staple"), Refusal::CONFLICT);
    assert_eq!(code(LOGIN, "bob", "wrong"), Refusal::UNAUTHORIZED);
    assert_eq!(code(LOGIN, "bob", "wrong"), Refusal::UNAUTHORIZED);
    assert_eq!(code(LOGIN, "bob", "wrong"), Refusal::TOO_MANY);
    assert!(other.is_open());
    operate::<Outcome>(&mut server, |accounts, done| accounts.disable("ann", done)).unwrap();
    let mut client = server.connect();
    assert_eq!(client.request(LOGIN, &ann()).expect_refusal().code, Refusal::FORBIDDEN);
    assert_eq!(client.request(LOGOUT, &()).expect_refusal().code, Refusal::UNAUTHORIZED);
}

#[test]
fn strangers_make_accounts_only_where_they_may() {
    let mut server = builder_with(settings(), AccountLoginPlugin::default()).build();
    let mut client = server.connect();
    assert_eq!(client.request(REGISTER, &ann()).expect_refusal().code, Refusal::FORBIDDEN);
    assert_eq!(client.request(LOGIN, &ann()).expect_refusal().code, Refusal::UNAUTHORIZED);
}

#[test]
fn too_many_logins_at_once_are_busy() {
    let mut settings = settings();
    (settings.hashing.queue, settings.hashing.threads) = (1, 1);
    // So long that the others come meanwhile.
    settings.hashing.memory = 32 * 1024;
    let mut server = builder_with(settings, login()).build();
    let mut clients = server.connect_many(3);
    let mut asked: Vec<_> =
        server.together(|| clients.iter_mut().map(|client| client.request(LOGIN, &ann())).collect());
    assert_eq!(asked.pop().unwrap().expect_refusal().code, Refusal::TOO_BUSY);
    assert_eq!(asked.pop().unwrap().expect_refusal().code, Refusal::TOO_BUSY);
    assert_eq!(asked.pop().unwrap().expect_refusal().code, Refusal::UNAUTHORIZED);
}

#[test]
fn a_connection_logs_in_once_and_one_login_at_a_time() {
    let mut server = server();
    let mut client = server.connect();
    let (first, second) =
        server.together(|| (client.request(REGISTER, &ann()), client.request(REGISTER, &ann())));
    assert_eq!(second.expect_refusal().code, Refusal::TOO_MANY);
    first.expect_reply::<Ticket>();
    assert_eq!(client.request(LOGIN, &ann()).expect_refusal().code, Refusal::CONFLICT);
    // No account was made for nothing.
    let bob = Credentials::new("bob", "correct horse");
    assert_eq!(client.request(REGISTER, &bob).expect_refusal().code, Refusal::CONFLICT);
    let bob = operate::<Result<Option<Account>, _>>(&mut server, |accounts, done| accounts.find("bob", done));
    assert_eq!(bob, Ok(None));
}

#[test]
fn a_second_login_takes_the_place_of_the_first_and_keeps_the_session() {
    let mut server = server();
    let (mut first, mut second) = (server.connect(), server.connect());
    register(&mut first);
    first.request("game.add", &5u64).expect_reply::<u64>();
    let before = session(&server);
    let agent: u64 = first.request("game.who", &()).expect_reply();
    log_in(&mut second);
    first.expect_closed(Cause::Replaced);
    assert_eq!(session(&server), before);
    assert_eq!(second.request("game.who", &()).expect_reply::<u64>(), agent);
}

#[test]
fn another_client_of_a_user_does_not_get_the_answers_of_the_first() {
    let mut server = server();
    let mut first = server.connect();
    register(&mut first);
    first.request("game.add", &5u64).expect_reply::<u64>();
    let _waiting = first.request("game.hold", &77u64);
    // Its ids are those of the first.
    let mut second = server.connect();
    log_in(&mut second);
    assert_eq!(second.request("game.add", &1u64).expect_reply::<u64>(), 6);
    let held = second.request("game.hold", &88u64);
    assert!(!held.is_answered());
    let answer = |server: &mut TestServer, place: usize| {
        let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(place);
        responder.reply(value);
        server.settle();
    };
    answer(&mut server, 0);
    assert!(!held.is_answered());
    answer(&mut server, 0);
    assert_eq!(held.expect_reply::<u64>(), 88);
    assert_eq!(server.world().resource::<Runs>().holds, 2);
}

#[test]
fn two_logins_of_one_user_at_once_end_in_one_session_and_one_connection() {
    let mut server = server();
    let mut client = server.connect();
    register(&mut client);
    client.request(LOGOUT, &()).expect_reply::<()>();
    let mut clients = server.connect_many(2);
    let asked: Vec<_> =
        server.together(|| clients.iter_mut().map(|client| client.request(LOGIN, &ann())).collect());
    let mut open = 0;
    for reply in asked {
        // Who was replaced before the answer was written has not got it.
        let _ = reply.reply::<Ticket>();
    }
    for client in &clients {
        open += usize::from(client.is_open());
    }
    assert_eq!(open, 1);
    assert_eq!(server.world().resource::<portcullis_session::Sessions>().len(), 1);
}

#[test]
fn policy_may_keep_the_newcomer_out_and_nothing_is_lost_by_it() {
    let mut server = builder()
        .listener(|listener| {
            listener.insert(MultiLogin::Refuse);
        })
        .build();
    let (mut first, mut second) = (server.connect(), server.connect());
    let ticket = register(&mut first);
    let held = first.request("game.hold", &7u64);
    assert_eq!(second.request(LOGIN, &ann()).expect_refusal().code, Refusal::CONFLICT);
    assert_eq!(resume(&mut second, &ticket).expect_refusal().code, Refusal::CONFLICT);
    let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(0);
    responder.reply(value);
    assert_eq!(held.expect_reply::<u64>(), 7);
}

#[test]
fn where_several_clients_of_a_user_are_let_in_each_gets_its_own_answers() {
    let mut server = builder()
        .listener(|listener| {
            listener.insert(MultiLogin::Allow(2));
        })
        .build();
    let (mut first, mut second) = (server.connect(), server.connect());
    register(&mut first);
    let held = first.request("game.hold", &7u64);
    log_in(&mut second);
    assert_eq!(second.request("game.add", &1u64).expect_reply::<u64>(), 1);
    assert_eq!(second.request("game.add", &1u64).expect_reply::<u64>(), 2);
    assert_eq!(first.request("game.add", &1u64).expect_reply::<u64>(), 3);
    let (value, responder) = server.world_mut().resource_mut::<Held>().0.remove(0);
    responder.reply(value);
    assert_eq!(held.expect_reply::<u64>(), 7);
}

#[test]
fn a_connection_that_closes_while_its_password_is_hashed_leaves_no_session() {
    let mut server = server();
    let mut client = server.connect();
    register(&mut client);
    client.request(LOGOUT, &()).expect_reply::<()>();
    let mut client = server.connect();
    server.together(|| {
        client.request(LOGIN, &ann());
        client.reset();
    });
    // By the time this one is told, that one is long over.
    operate::<Outcome>(&mut server, |accounts, done| accounts.verify("ann", "correct horse", done)).unwrap();
    assert_eq!(session(&server), None);
}

#[test]
fn a_login_that_takes_too_long_is_no_login() {
    let short = |app: &mut App| {
        app.set_timeout(LOGIN, Duration::from_millis(1));
    };
    let mut settings = settings();
    (settings.hashing.threads, settings.hashing.memory) = (1, 32 * 1024);
    let mut server = builder_with(settings, login()).plugin(short).build();
    let mut client = server.connect();
    register(&mut client);
    client.request(LOGOUT, &()).expect_reply::<()>();
    let mut client = server.connect();
    let late = client.request(LOGIN, &ann());
    server.advance(Duration::from_secs(1));
    // It is late unless the machine is quicker at hashing than this test at waiting.
    if late.reply::<Ticket>().is_err_and(|error| error.code() == Some(Refusal::TIMEOUT)) {
        operate::<Outcome>(&mut server, |accounts, done| accounts.verify("ann", "correct horse", done))
            .unwrap();
        assert_eq!(session(&server), None);
    }
}

#[test]
fn who_is_shut_out_is_out_and_stays_out() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    let shut = operate::<Outcome>(&mut server, |accounts, done| shut_out(accounts, "ann", done)).unwrap();
    assert!(shut.disabled);
    client.expect_closed(Cause::Requested);
    let mut client = server.connect();
    assert_eq!(resume(&mut client, &ticket).expect_refusal().code, Refusal::UNAUTHORIZED);
    assert_eq!(client.request(LOGIN, &ann()).expect_refusal().code, Refusal::FORBIDDEN);
}

#[test]
fn who_is_kicked_may_come_back_while_the_session_waits() {
    let mut server = server();
    let mut client = server.connect();
    let ticket = register(&mut client);
    server.trigger(KickUser::new("ann", "rude"));
    client.expect_closed(Cause::Kicked);
    let mut client = server.connect();
    resume(&mut client, &ticket).expect_reply::<Ticket>();
}

#[test]
fn an_account_of_the_same_name_does_not_inherit_the_session_of_one_that_was_removed() {
    let mut server = server();
    let mut client = server.connect();
    register(&mut client);
    client.request("game.add", &5u64).expect_reply::<u64>();
    let before = session(&server);
    client.reset();
    operate::<Outcome>(&mut server, |accounts, done| accounts.remove("ann", done)).unwrap();
    let mut stranger = server.connect();
    stranger.request(REGISTER, &Credentials::new("ann", "battery staple")).expect_reply::<Ticket>();
    assert_ne!(session(&server), before);
    assert_eq!(stranger.request("game.add", &1u64).expect_reply::<u64>(), 1);
}

#[test]
fn a_session_that_is_of_no_account_is_not_handed_over() {
    let mut server = server();
    let guest = begin(&mut server.world_mut(), "ann", "", MINUTE).unwrap();
    let mut client = server.connect();
    register(&mut client);
    assert_ne!(session(&server), Some(guest));
    assert!(server.world().get::<Session>(guest).is_none());
}

#[test]
fn the_account_beside_a_session_is_as_it_was_at_the_latest_login() {
    let mut server = server();
    let mut client = server.connect();
    register(&mut client);
    let session = session(&server).unwrap();
    let mut account = server.world().get::<Account>(session).unwrap().clone();
    account.created_at = 0;
    server.world_mut().entity_mut(session).insert(account);
    log_in(&mut server.connect());
    assert_ne!(server.world().get::<Account>(session).unwrap().created_at, 0);
}
