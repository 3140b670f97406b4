//! The proof with which a client comes back.

use crate::server::Server;
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD},
};
use bevy_ecs::prelude::*;
use portcullis_core::{Bindings, Random};
use portcullis_session::{
    Lingering, LoggedOut, LoginRefusal, Logout, MultiLogin, Secret, Session, SessionPlugin, Ticket,
    TicketFault, TicketLife, issue_ticket, redeem_ticket,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);

/// A session that waits for ever.
fn server() -> (Server, Entity) {
    let mut server = Server::new(SessionPlugin::default());
    let session = server.begin("ann", "arena", Duration::MAX).unwrap();
    (server, session)
}

fn issue(server: &mut Server, session: Entity) -> Ticket {
    issue_ticket(server.world(), session).unwrap()
}

fn redeem(server: &mut Server, token: &str) -> Result<Entity, TicketFault> {
    redeem_ticket(server.world(), token)
}

/// All that could be different after a fault: also which tickets hold is asked of the tickets.
fn state(server: &mut Server, session: Entity) -> String {
    let told = server.told();
    let count = server.count_entities();
    let entity = server.app.world().get_entity(session).ok();
    let seen = entity.map(|entity| {
        let bindings: Option<Vec<Entity>> = entity.get().map(|bindings: &Bindings| bindings.iter().collect());
        let session = entity.get::<Session>();
        format!(
            "{session:?} {:?} {bindings:?} {}",
            entity.get::<Lingering>(),
            entity.archetype().id().index()
        )
    });
    format!("{told:?} {count} {seen:?}")
}

#[test]
fn a_ticket_leads_back_to_its_session() {
    let (mut server, ann) = server();
    let bob = server.begin("bob", "arena", Duration::MAX).unwrap();
    let (of_ann, of_bob) = (issue(&mut server, ann), issue(&mut server, bob));
    assert_eq!((of_ann.token.len(), of_ann.seconds), (86, 600));
    assert_ne!(of_ann.token, of_bob.token);
    assert_eq!(redeem(&mut server, &of_bob.token), Ok(bob));
    assert_eq!(redeem(&mut server, &of_ann.token), Ok(ann));
}

#[test]
fn with_each_byte_flipped_it_is_forged_and_nothing_has_changed() {
    let (mut server, session) = server();
    let (first, second) = (issue(&mut server, session), issue(&mut server, session));
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&first.token).unwrap();
    server.told();
    let before = state(&mut server, session);
    for at in 0..bytes.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] ^= flip;
            let token = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            assert_eq!(redeem(&mut server, &token), Err(TicketFault::Forged), "byte {at}");
        }
    }
    // Among them were numbers later than those of both.
    assert_eq!(state(&mut server, session), before);
    assert_eq!(redeem(&mut server, &first.token), Ok(session));
    assert_eq!(redeem(&mut server, &second.token), Ok(session));
}

#[test]
fn cut_extended_or_in_another_alphabet_it_is_none() {
    let (mut server, session) = server();
    let Ticket { token, .. } = issue(&mut server, session);
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(&token).unwrap();
    let mut wrong: Vec<String> = (0..token.len()).map(|length| token[..length].to_owned()).collect();
    wrong.extend(["A", "AA", "AAA", "==", "\n", " ", "\0"].map(|more| format!("{token}{more}")));
    wrong.extend([" ", "\n", "A"].map(|more| format!("{more}{token}")));
    wrong.extend([format!("{token}{token}"), "A".repeat(86 * 1000), "é".repeat(43), ".".repeat(86)]);
    wrong.push(BASE64_URL_SAFE.encode(&bytes));
    wrong.push(BASE64_STANDARD.encode(&bytes));
    // The last character has four bits that stand for nothing: set, it would be the same ticket in other words.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let next = alphabet.chars().skip_while(|&letter| letter != last).nth(1).unwrap();
    wrong.push(format!("{}{next}", &token[..85]));
    // All letters at once, so that the alphabets differ.
    let standard = BASE64_STANDARD_NO_PAD.encode([0xfb; 64]);
    assert!(standard.contains('+'));
    wrong.push(standard);
    let before = state(&mut server, session);
    for token in &wrong {
        assert_eq!(redeem(&mut server, token), Err(TicketFault::Malformed), "{token}");
    }
    assert_eq!(redeem(&mut server, &BASE64_URL_SAFE_NO_PAD.encode([0xfb; 64])), Err(TicketFault::Forged));
    assert_eq!(redeem(&mut server, &BASE64_URL_SAFE_NO_PAD.encode([0; 64])), Err(TicketFault::Forged));
    assert_eq!(state(&mut server, session), before);
    assert_eq!(redeem(&mut server, &token), Ok(session));
}

#[test]
fn it_expires_to_the_millisecond() {
    let (mut server, session) = server();
    server.world().insert_resource(TicketLife(90 * SECOND));
    server.advance(7 * SECOND);
    let ticket = issue(&mut server, session);
    assert_eq!(ticket.seconds, 90);
    server.advance(90 * SECOND - MILLISECOND);
    assert_eq!(redeem(&mut server, &ticket.token), Ok(session));
    server.advance(MILLISECOND);
    let later = issue(&mut server, session);
    let before = state(&mut server, session);
    assert_eq!(redeem(&mut server, &ticket.token), Err(TicketFault::Expired));
    assert_eq!(state(&mut server, session), before);
    assert_eq!(redeem(&mut server, &later.token), Ok(session));
}

#[test]
fn a_life_without_end_is_no_trouble_and_one_of_nothing_is_none() {
    let (mut server, session) = server();
    server.advance(SECOND);
    server.world().insert_resource(TicketLife(Duration::MAX));
    let ticket = issue(&mut server, session);
    assert_eq!(ticket.seconds, u32::MAX);
    server.advance(1_000_000_000 * SECOND);
    assert_eq!(redeem(&mut server, &ticket.token), Ok(session));
    server.world().insert_resource(TicketLife(Duration::ZERO));
    let ticket = issue(&mut server, session);
    assert_eq!(redeem(&mut server, &ticket.token), Err(TicketFault::Expired));
}

#[test]
fn a_session_that_is_over_or_ending_has_no_tickets() {
    #[derive(Resource, Default)]
    struct Outcomes(Vec<(Option<Ticket>, Result<Entity, TicketFault>)>);
    let (mut server, session) = server();
    let ticket = issue(&mut server, session);
    let token = ticket.token.clone();
    server.app.init_resource::<Outcomes>().add_observer(
        move |event: On<LoggedOut>, mut commands: Commands| {
            let (session, token) = (event.session, token.clone());
            commands.queue(move |world: &mut World| {
                assert!(world.get::<Session>(session).is_some(), "it is still there");
                let outcome = (issue_ticket(world, session), redeem_ticket(world, &token));
                world.resource_mut::<Outcomes>().0.push(outcome);
            });
        },
    );
    server.world().trigger(Logout { session });
    server.run();
    assert_eq!(server.app.world().resource::<Outcomes>().0, [(None, Err(TicketFault::NoSession))]);
    assert_eq!(redeem(&mut server, &ticket.token), Err(TicketFault::NoSession));
    let thing = server.world().spawn_empty().id();
    assert_eq!(issue_ticket(server.world(), session), None);
    assert_eq!(issue_ticket(server.world(), thing), None);
}

#[test]
fn a_later_session_in_the_same_place_is_not_meant() {
    let (mut server, old) = server();
    let ticket = issue(&mut server, old);
    server.world().trigger(Logout { session: old });
    server.run();
    // Places are given again: soon one of the same user is in that of the old.
    let new = (0..10_000).find_map(|_| {
        let session = server.begin("ann", "arena", Duration::MAX).unwrap();
        if session.index() == old.index() {
            return Some(session);
        }
        server.world().trigger(Logout { session });
        server.world().flush();
        None
    });
    let new = new.unwrap();
    issue(&mut server, new);
    server.told();
    let before = state(&mut server, new);
    assert_eq!(redeem(&mut server, &ticket.token), Err(TicketFault::NoSession));
    assert_eq!(state(&mut server, new), before);
}

#[test]
fn another_run_of_the_server_has_another_key() {
    let ((mut one, session), (mut other, same)) = (server(), server());
    assert_eq!(session, same, "all else is equal");
    let ticket = issue(&mut one, session);
    issue(&mut other, session);
    assert_eq!(redeem(&mut other, &ticket.token), Err(TicketFault::Forged));
    // A test that is to be repeated brings its own randomness.
    let repeat = || {
        let (mut server, session) = server();
        server.world().insert_resource(Random::seeded(7));
        issue(&mut server, session).token
    };
    assert_eq!(repeat(), repeat());
}

#[test]
fn the_same_ticket_is_good_again_until_a_later_one_was_used() {
    let (mut server, session) = server();
    let tickets: Vec<Ticket> = (0..4).map(|_| issue(&mut server, session)).collect();
    for _ in 0..3 {
        assert_eq!(redeem(&mut server, &tickets[1].token), Ok(session));
    }
    assert_eq!(redeem(&mut server, &tickets[0].token), Err(TicketFault::Replaced));
    assert_eq!(redeem(&mut server, &tickets[2].token), Ok(session));
    let before = state(&mut server, session);
    for replaced in &tickets[..2] {
        assert_eq!(redeem(&mut server, &replaced.token), Err(TicketFault::Replaced));
    }
    assert_eq!(state(&mut server, session), before);
    // A fault voids nothing: neither that which was used, nor the later one.
    assert_eq!(redeem(&mut server, &tickets[2].token), Ok(session));
    assert_eq!(redeem(&mut server, &tickets[3].token), Ok(session));
}

#[test]
fn a_wrong_ticket_does_not_let_the_session_wait_any_longer_nor_disturb_who_is_bound() {
    let mut server = Server::new(SessionPlugin::default());
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let (old, good) = (issue(&mut server, session), issue(&mut server, session));
    let socket = server.connect();
    assert_eq!(redeem(&mut server, &good.token), Ok(session));
    server.resume(&socket, session).unwrap();
    server.told();
    let bound = state(&mut server, session);
    assert_eq!(redeem(&mut server, &old.token), Err(TicketFault::Replaced));
    assert_eq!(state(&mut server, session), bound);
    server.close(&socket);
    server.advance(20 * SECOND);
    server.told();
    let waiting = state(&mut server, session);
    assert_eq!(redeem(&mut server, &old.token), Err(TicketFault::Replaced));
    assert_eq!(redeem(&mut server, "no ticket"), Err(TicketFault::Malformed));
    assert_eq!(state(&mut server, session), waiting);
    server.advance(10 * SECOND);
    assert_eq!(server.told(), ["ann out"]);
}

#[test]
fn a_ticket_that_was_good_for_one_who_is_then_refused_stays_good() {
    let multi_login = MultiLogin::Refuse;
    let mut server = Server::new(SessionPlugin { multi_login, ..SessionPlugin::default() });
    let session = server.begin("ann", "arena", 30 * SECOND).unwrap();
    let ticket = issue(&mut server, session);
    let (old, new) = (server.connect(), server.connect());
    server.resume(&old, session).unwrap();
    let found = redeem(&mut server, &ticket.token).unwrap();
    assert_eq!(server.resume(&new, found), Err(LoginRefusal::InUse));
    server.close(&old);
    let found = redeem(&mut server, &ticket.token).unwrap();
    assert_eq!(server.resume(&new, found), Ok(()));
}

#[test]
fn nothing_shows_a_secret() {
    let (mut server, session) = server();
    let ticket = issue(&mut server, session);
    assert_eq!(format!("{ticket:?}"), "Ticket { seconds: 600, .. }");
    let secret = Secret::new(*b"hushhush");
    assert_eq!(format!("{secret:?}"), "Secret");
    server.world().entity_mut(session).insert(secret);
    // What an inspection of the entity finds is its components' Debug.
    let world = server.app.world();
    let shown = format!("{:?} {:?}", world.get::<Session>(session), world.get::<Secret>(session));
    assert!(!shown.contains("hush") && !shown.contains("104"));
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn no_log_shows_a_secret() {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    // As long as there is but one, tracing asks that of whichever thread comes first, and other tests have none.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let token = tracing::subscriber::with_default(subscriber, || {
        let (mut server, session) = server();
        server.world().entity_mut(session).insert(Secret::new(*b"hushhush"));
        let ticket = issue(&mut server, session);
        let socket = server.connect();
        server.resume(&socket, session).unwrap();
        let other = server.connect();
        assert!(redeem(&mut server, &ticket.token).is_ok());
        assert!(redeem(&mut server, &format!("{}A", ticket.token)).is_err());
        assert!(server.bind(&other, "ann").is_ok());
        assert!(server.resume(&other, session).is_err());
        server.world().trigger(Logout { session });
        server.run();
        ticket.token
    });
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("login refused"), "something was logged: {log}");
    assert!(!log.contains(&token[..20]) && !log.contains("hushhush"));
}

#[test]
fn a_secret_is_itself_and_nothing_else() {
    let secret = Secret::new(b"12345678".to_vec());
    assert_eq!(secret.expose(), b"12345678");
    assert!(secret.is(b"12345678"));
    for other in [&b"12345679"[..], b"1234567", b"123456789", b""] {
        assert!(!secret.is(other));
    }
    assert!(Secret::new([]).is(b""));
}
