//! Logins over whatever carries them, where the server speaks first.

use super::skynet::{PRIVATE, agent::agents, servers::authenticate, token};
use portcullis::{
    core::Framing,
    net::{Accepts, Listener, Tls},
    prelude::*,
    skynet::{
        login::{LOGIN_ROUTE, LoginListener, LoginServerPlugin, wire},
        msgserver::{MsgServerListener, MsgServerPlugin, wire as frames},
    },
};
use portcullis_testkit::{Carrier, RawClient, TestServer, Transport};
use std::{env, fs, process};

/// A certificate made for this test, in files of its own.
fn certificate(carrier: Carrier) -> Tls {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let file = |kind: &str| {
        env::temp_dir().join(format!("portcullis-login-{}-{carrier:?}-{kind}.pem", process::id()))
    };
    let (certificate, key) = (file("certificate"), file("key"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    Tls::from_pem_files(&certificate, &key).unwrap()
}

/// With listeners for this carrier in place of those that the plugins would have.
fn serve(carrier: Carrier, transport: Transport) -> TestServer {
    let tls = matches!(carrier, Carrier::Tls | Carrier::WebSocketTls).then(|| certificate(carrier));
    let web = matches!(carrier, Carrier::WebSocket | Carrier::WebSocketTls);
    let accepts = if web { Accepts::WebSocket } else { Accepts::Tcp };
    let listener = |framing| {
        let listener =
            Listener { accepts, tls: tls.clone(), ..Listener::new(([127, 0, 0, 1], 0).into(), framing) };
        move |entity: &mut EntityWorldMut| {
            entity.insert(listener.clone());
        }
    };
    let login = LoginServerPlugin::default().listen("127.0.0.1:0").with(listener(Framing::LINE));
    let game = MsgServerPlugin::new("sample", "example").listen("127.0.0.1:0").with(listener(Framing::BE16));
    let handlers = |app: &mut App| {
        app.add_handler(LOGIN_ROUTE, authenticate);
    };
    TestServer::builder().transport(transport).plugin((agents, login, game, handlers)).build()
}

/// All that has come is this line.
#[track_caller]
fn line(client: &mut RawClient) -> Vec<u8> {
    let read = client.read();
    let end = read.iter().position(|&byte| byte == b'\n').map(|at| at + 1);
    assert_eq!(end, Some(read.len()), "one line, and not {:?}", read.escape_ascii().to_string());
    read.trim_ascii_end().to_vec()
}

#[test]
fn the_challenge_comes_once_whatever_carries_it_and_the_login_goes_through() {
    for (carrier, &transport) in Carrier::ALL
        .iter()
        .flat_map(|&carrier| Transport::ALL[1..].iter().map(move |transport| (carrier, transport)))
    {
        let mut server = serve(carrier, transport);
        let listener = server.listeners::<LoginListener>()[0];
        let mut client = server.connect_over(listener, carrier);
        let mut said = Vec::new();
        let challenged = wire::Client::new(PRIVATE).challenge(&line(&mut client), &mut said).unwrap();
        client.send_bytes(&said);
        said.clear();
        let secret = challenged.prove(&line(&mut client), &token("ann", "sample"), &mut said).unwrap();
        // One line is one message.
        for line in said.split_inclusive(|&byte| byte == b'\n') {
            client.send_bytes(line);
        }
        assert_eq!(line(&mut client), b"200 MQ==", "{carrier:?}");

        let listener = server.listeners::<MsgServerListener>()[0];
        let mut client = server.connect_over(listener, carrier);
        let user = frames::Username { uid: "ann".into(), server: "sample".into(), subid: 1 };
        let mut said = Vec::new();
        frames::Handshake::write(&user.encode(), 1, &secret, &mut said).unwrap();
        client.send_bytes(&said);
        assert_eq!(client.read(), b"\0\x06200 OK", "{carrier:?}");
    }
}
