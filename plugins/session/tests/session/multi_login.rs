use crate::server::Server;
use portcullis_core::{Cause, Close, Closing};
use portcullis_net::memory::MemorySocket;
use portcullis_session::{DefaultMultiLogin, LoginRefusal, MultiLogin, REPLACED, SessionPlugin};

const ANY: MultiLogin = MultiLogin::Allow(usize::MAX);

fn server(multi_login: MultiLogin) -> Server {
    Server::new(SessionPlugin { multi_login, ..SessionPlugin::default() })
}

#[test]
fn a_listeners_policy_goes_before_the_servers_and_a_connections_own_before_both() {
    let mut server = server(MultiLogin::Refuse);
    let listener = server.listen(ANY);
    let here = server.login("ann");
    let [plain, listed, own] = [server.connect(), server.connect_to(listener), server.connect_to(listener)];
    assert_eq!(server.bind(&plain, "ann"), Err(LoginRefusal::InUse));
    assert!(server.bind(&listed, "ann").is_ok() && !here.is_closed());
    server.world().entity_mut(own.connection()).insert(MultiLogin::Replace);
    assert!(server.bind(&own, "ann").is_ok());
    server.run();
    assert!(here.is_closed() && listed.is_closed() && !own.is_closed());
}

#[test]
fn the_newcomers_policy_decides_about_connections_of_all_listeners() {
    let mut server = server(ANY);
    let (phones, browsers) = (server.listen(MultiLogin::Replace), server.listen(MultiLogin::Refuse));
    let browser = server.connect_to(browsers);
    let session = server.bind(&browser, "ann").unwrap();
    let phone = server.connect_to(phones);
    assert_eq!(server.bind(&phone, "ann"), Ok(session), "a phone takes the place of a browser");
    server.run();
    assert!(browser.is_closed() && !phone.is_closed());
    let browser = server.connect_to(browsers);
    assert_eq!(server.bind(&browser, "ann"), Err(LoginRefusal::InUse), "a browser never that of a phone");
}

#[test]
fn a_policy_that_changes_holds_from_the_next_login_on() {
    let mut server = server(ANY);
    let listener = server.listen(ANY);
    let sockets: Vec<MemorySocket> = (0..5).map(|_| server.connect_to(listener)).collect();
    assert!(server.bind(&sockets[0], "ann").is_ok() && server.bind(&sockets[1], "ann").is_ok());
    server.world().entity_mut(listener).insert(MultiLogin::Refuse);
    assert_eq!(server.bind(&sockets[2], "ann"), Err(LoginRefusal::InUse));
    server.world().entity_mut(listener).remove::<MultiLogin>();
    assert!(server.bind(&sockets[3], "ann").is_ok(), "the server's own holds again");
    server.world().insert_resource(DefaultMultiLogin(MultiLogin::Refuse));
    assert_eq!(server.bind(&sockets[4], "ann"), Err(LoginRefusal::InUse));
    assert!(sockets.iter().all(|socket| !socket.is_closed()), "nobody is turned out by a change");
}

#[test]
fn as_many_as_are_allowed_come_in_and_one_more_does_not() {
    let mut server = server(MultiLogin::Allow(3));
    let sockets: Vec<MemorySocket> = (0..5).map(|_| server.connect()).collect();
    let outcomes: Vec<bool> = sockets.iter().map(|socket| server.bind(socket, "ann").is_ok()).collect();
    assert_eq!(outcomes, [true, true, true, false, false]);
    let bob = server.connect();
    assert!(server.bind(&bob, "bob").is_ok(), "each user is counted alone");
    assert!(server.bind(&sockets[0], "ann").is_ok(), "who is in is not counted twice");
    server.unbind(&sockets[1]);
    assert!(server.bind(&sockets[3], "ann").is_ok());
    assert_eq!(server.bind(&sockets[4], "ann"), Err(LoginRefusal::InUse));
    // A place is free as soon as somebody is on the way out.
    server.world().trigger(Close::new(sockets[0].connection(), Cause::Requested));
    server.world().flush();
    assert!(server.bind(&sockets[4], "ann").is_ok());
    assert_eq!(server.bind(&sockets[1], "ann"), Err(LoginRefusal::InUse));
}

#[test]
fn to_allow_one_is_to_refuse_and_to_allow_none_lets_nobody_in() {
    let mut server = server(MultiLogin::Allow(1));
    let sockets = [server.connect(), server.connect()];
    assert!(server.bind(&sockets[0], "ann").is_ok());
    assert_eq!(server.bind(&sockets[1], "ann"), Err(LoginRefusal::InUse));
    server.world().insert_resource(DefaultMultiLogin(MultiLogin::Allow(0)));
    assert_eq!(server.bind(&sockets[1], "bob"), Err(LoginRefusal::InUse));
    assert_eq!(server.session("bob"), None);
}

#[test]
fn who_joins_beyond_the_number_by_a_stricter_listener_is_refused_and_the_others_stay() {
    let mut server = server(ANY);
    let strict = server.listen(MultiLogin::Allow(2));
    let sockets = [server.login("ann"), server.login("ann"), server.login("ann")];
    let more = server.connect_to(strict);
    assert_eq!(server.bind(&more, "ann"), Err(LoginRefusal::InUse));
    assert!(sockets.iter().all(|socket| !socket.is_closed()));
}

#[test]
fn who_is_replaced_is_told_why() {
    let mut server = server(MultiLogin::Replace);
    let (old, new) = (server.login("ann"), server.connect());
    server.bind(&new, "ann").unwrap();
    let closing = server.app.world().get::<Closing>(old.connection()).unwrap();
    assert_eq!((closing.cause, closing.reason.as_deref()), (Cause::Replaced, Some(REPLACED)));
}
