//! Logging in by phone and password, against the account store.

use crate::sysconn::{
    peer::{LOGIN_FLAG, Peer, who},
    server::with_game,
};
use portcullis::{
    accounts::{AccountSettings, Accounts, AccountsPlugin, Hashing, Lockout},
    prelude::*,
    sysconn::{
        Entrance, PhoneLoginPlugin,
        prost::Message,
        wire::messages::{PhoneLogin, RoleInfo},
    },
};
use portcullis_testkit::{TestServer, TestServerBuilder, on_every_transport};
use std::time::{Duration, Instant};

const PHONE: &str = "13800000000";

fn accounts(app: &mut App) {
    let hashing = Hashing { memory: 64, passes: 1, lanes: 1, threads: 1, queue: 128 };
    let lockout = Some(Lockout { after: 3, ..Lockout::default() });
    let settings = AccountSettings { hashing, lockout, ..AccountSettings::default() };
    let roles = PhoneLoginPlugin::new(|_, account| {
        let info = RoleInfo { role_id: 2_000_000 + account.id as u32, ..RoleInfo::default() };
        Ok(Entrance::new(account.name.clone(), info))
    });
    app.add_plugins((AccountsPlugin::new(settings), roles));
}

#[derive(Resource)]
struct Registered;

fn serve(server: TestServerBuilder) -> TestServer {
    let mut server = with_game(server, |plugin| plugin, accounts);
    server.world().resource::<Accounts>().register(PHONE, "correct horse", |world, account| {
        assert!(account.is_ok());
        world.insert_resource(Registered);
    });
    until(&mut server, |server| server.world().contains_resource::<Registered>());
    server
}

/// Passwords are hashed elsewhere, and that takes as long as it takes.
#[track_caller]
fn until(server: &mut TestServer, mut holds: impl FnMut(&mut TestServer) -> bool) {
    let begun = Instant::now();
    while !holds(server) {
        assert!(begun.elapsed() < Duration::from_secs(10), "it takes too long");
        server.settle();
    }
}

fn body(phone: Option<&str>, password: Option<&str>) -> Vec<u8> {
    PhoneLogin { phone: phone.map(Into::into), password: password.map(Into::into) }.encode_to_vec()
}

/// The error that a login is answered with, or 0.
#[track_caller]
fn outcome(server: &mut TestServer, peer: &mut Peer, phone: Option<&str>, password: Option<&str>) -> u16 {
    peer.say(LOGIN_FLAG, 1004, &body(phone, password));
    let mut heard = None;
    until(server, |_| {
        heard = peer.hear();
        heard.is_some()
    });
    let heard = heard.unwrap();
    assert_eq!((heard.flag, heard.command), (LOGIN_FLAG, 1004));
    heard.error
}

on_every_transport! {
    fn each_way_to_fail_has_its_number(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut peer = Peer::connect(&mut server);
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("wrong horse")), 31);
        assert_eq!(outcome(&mut server, &mut peer, Some("13800000001"), Some("correct horse")), 31);
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("")), 32);
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), None), 5);
        assert_eq!(outcome(&mut server, &mut peer, None, Some("correct horse")), 5);
        assert_eq!(outcome(&mut server, &mut peer, None, None), 5);
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("correct horse")), 0);
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("correct horse")), 6);
        peer.expect_echo(1);
    }

    fn too_many_wrong_passwords_lock_the_phone_for_a_while(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut peer = Peer::connect(&mut server);
        for _ in 0..3 {
            assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("wrong horse")), 31);
        }
        assert_eq!(outcome(&mut server, &mut peer, Some(PHONE), Some("correct horse")), 1);
    }

    fn commands_behind_a_phone_login_wait_for_the_hash(server: TestServerBuilder) {
        let mut server = serve(server);
        let mut peer = Peer::connect(&mut server);
        server.together(|| {
            peer.say(LOGIN_FLAG, 1004, &body(Some(PHONE), Some("correct horse")));
            peer.say(2, 1190, b"\x0a\x01x");
        });
        let mut heard = Vec::new();
        until(&mut server, |_| {
            heard.extend(peer.hear());
            heard.len() == 2
        });
        assert_eq!((heard[0].error, heard[0].command), (0, 1004));
        assert_eq!((heard[1].flag, heard[1].command), (2, 1190));
        let known = who(&heard[0].body);
        let mut back = Peer::connect(&mut server);
        assert_eq!(back.reconnect(known.role, known.secret).unwrap().secret, known.secret);
    }
}
