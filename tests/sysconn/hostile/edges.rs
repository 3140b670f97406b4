//! Connectors behind proxies, and several of them.

use crate::sysconn::{
    UPGRADE, frame,
    peer::{Peer, account_body},
    request, response,
    server::{seconds, with, with_game},
};
use portcullis::{
    core::{Clock, Handshaking},
    net::{ListenerHandle, Proxies},
    prelude::*,
    sysconn::{GameReady, Offences, Pushes, Record, SysconnListener},
};
use portcullis_testkit::{TestServer, Transport};
use std::{
    io::{ErrorKind, Read, Write},
    net::{IpAddr, TcpStream},
    time::Instant,
};

/// A client whose address a proxy tells, by its header and by that of HTTP.
struct Proxied {
    stream: TcpStream,
    inbox: Vec<u8>,
    over: bool,
}

impl Proxied {
    fn connect(server: &mut TestServer, header: &str, forwarded: &str) -> Self {
        let listener = server.listeners::<SysconnListener>()[0];
        let address = server.world().get::<ListenerHandle>(listener).unwrap().address();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_nonblocking(true).unwrap();
        let upgrade = String::from_utf8(UPGRADE.to_vec()).unwrap();
        let upgrade = upgrade.replace("\r\n\r\n", &format!("\r\nX-Forwarded-For: {forwarded}\r\n\r\n"));
        stream.write_all(format!("{header}{upgrade}").as_bytes()).unwrap();
        Self { stream, inbox: Vec::new(), over: false }
    }

    fn say(&mut self, flag: u32, command: u16, body: &[u8]) {
        self.stream.write_all(&frame(&request(flag, command, body))).unwrap();
    }

    /// Until this has come, or the end.
    fn wait(&mut self, server: &mut TestServer, wanted: impl Fn(&[u8]) -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < seconds(5) && !self.over && !wanted(&self.inbox) {
            server.settle();
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer) {
                Ok(0) => self.over = true,
                Ok(count) => self.inbox.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => self.over = true,
            }
        }
        wanted(&self.inbox)
    }

    #[track_caller]
    fn expect(&mut self, server: &mut TestServer, part: &[u8]) {
        let came = self.wait(server, |inbox| inbox.windows(part.len()).any(|window| window == part));
        assert!(came, "{}", self.inbox.escape_ascii());
    }
}

#[test]
fn a_client_behind_proxies_is_told_what_any_other_is() {
    const HEADER: &str = "PROXY TCP4 127.0.0.2 10.0.0.1 5000 80\r\n";
    for transport in [Transport::ALL[1], Transport::ALL[2]] {
        for (proxy_protocol, forwarded_for) in [(true, false), (false, true), (true, true)] {
            let proxies =
                Proxies { networks: ["127.0.0.0/8".parse().unwrap()].into(), proxy_protocol, forwarded_for };
            let builder = TestServer::builder().transport(transport);
            let mut server = with(builder, |plugin| {
                plugin.offences(1).with(move |listener| {
                    let settings = SysconnPlugin::listener(([127, 0, 0, 1], 0).into());
                    listener.insert(settings.proxies(proxies.clone()));
                })
            });
            let header = if proxy_protocol { HEADER } else { "" };
            let mut ann = Proxied::connect(&mut server, header, "192.0.2.7");
            ann.expect(&mut server, b"HTTP/1.1 101 ");
            ann.say(7, 1002, &account_body("ann"));
            ann.expect(&mut server, &7_u32.to_be_bytes());
            let waits =
                server.run_system_once(|handshaking: Query<(), With<Handshaking>>| handshaking.iter().len());
            assert_eq!(waits, 0);
            let ip: IpAddr = if forwarded_for { [192, 0, 2, 7].into() } else { [127, 0, 0, 2].into() };
            let told = server.run_system_once(move |records: Query<Record>, mut pushes: Pushes| {
                let record = records.single().unwrap();
                assert_eq!(record.ip(), ip);
                pushes.notice(record.entity, "welcome")
            });
            assert_eq!(told, 1);
            ann.expect(&mut server, b"welcome");
            ann.say(8, 1190, b"\x0a\x05ab");
            ann.expect(&mut server, &1007_u16.to_be_bytes());
            ann.wait(&mut server, |_| false);
            let now = server.world().resource::<Clock>().now();
            assert_eq!(server.world().resource::<Offences>().of(ip, now), 1);
            let mut bob = Proxied::connect(&mut server, header, "192.0.2.8");
            bob.expect(&mut server, b"HTTP/1.1 101 ");
            bob.say(9, 1098, &[]);
            bob.expect(&mut server, &response(0, 9, 1098, &[]));
        }
    }
}

#[test]
fn what_is_said_of_the_game_while_plugins_are_built_holds() {
    let other = IpAddr::from([198, 51, 100, 7]);
    for is_ready in [false, true] {
        // The plugin says the opposite.
        let change = |plugin: SysconnPlugin| if is_ready { plugin.not_ready() } else { plugin };
        let mut server = with_game(TestServer::builder(), change, move |app| {
            app.world_mut().trigger(GameReady(is_ready));
        });
        let mut peer = Peer::from(&mut server, other);
        if is_ready {
            peer.beat();
        } else {
            assert_eq!(peer.raw.expect_refused(), portcullis::gate::Refusal::NotReady);
        }
    }
}
