//! Whether the game is ready.

use crate::sysconn::{
    Client, UPGRADE,
    peer::Peer,
    server::{demo, with},
};
use portcullis::{
    gate::{Networks, Refusal},
    sysconn::GameReady,
};
use portcullis_testkit::{TestServer, Transport};
use std::net::Ipv4Addr;

const TRUSTED: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
const OTHER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

fn networks(networks: &str) -> Networks {
    networks.parse().unwrap()
}

#[test]
fn while_the_game_is_not_ready_only_trusted_addresses_come_in() {
    let mut server =
        with(TestServer::builder(), |plugin| plugin.not_ready().trusted(networks("192.0.2.0/24")));
    Peer::from(&mut server, OTHER).raw.expect_refused();
    let mut tester = Peer::from(&mut server, TRUSTED);
    tester.log_in("tester").unwrap();
    server.trigger(GameReady(true));
    let mut ann = Peer::from(&mut server, OTHER);
    ann.log_in("ann").unwrap();

    server.trigger(GameReady(false));
    assert_eq!(Peer::from(&mut server, OTHER).raw.expect_refused(), Refusal::NotReady);
    Peer::from(&mut server, TRUSTED).beat();
    // Who is in stays.
    ann.expect_echo(1);
    tester.expect_echo(2);
}

#[test]
fn without_trusted_addresses_nobody_comes_in() {
    let mut server = demo(TestServer::builder());
    server.trigger(GameReady(false));
    server.trigger(GameReady(false));
    for address in [TRUSTED, OTHER, Ipv4Addr::LOCALHOST] {
        assert_eq!(Peer::from(&mut server, address).raw.expect_refused(), Refusal::NotReady);
    }
    server.trigger(GameReady(true));
    Peer::from(&mut server, OTHER).beat();
}

#[test]
fn whoever_is_not_let_in_is_told_503_and_trusted_addresses_upgrade() {
    for transport in [Transport::ALL[1], Transport::ALL[2]] {
        let server = TestServer::builder().transport(transport);
        let mut server = with(server, |plugin| plugin.not_ready().trusted(networks("127.0.0.0/8")));
        Client::logged_in(&mut server, "tester");

        let mut server = with(TestServer::builder().transport(transport), |plugin| {
            plugin.not_ready().trusted(networks("192.0.2.0/24"))
        });
        let mut client = Client::connect(&mut server);
        client.send(&mut server, UPGRADE);
        let head = client.expect_head(&mut server);
        assert!(head.starts_with("HTTP/1.1 503 "), "{head}");
        client.expect_end(&mut server, "told, and closed");
    }
}
