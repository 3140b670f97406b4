use crate::server::Server;
use portcullis_core::Closed;
use portcullis_gate::{AdmitOnly, DenyList, GatePlugin, Refusal, Refusals};

#[test]
fn a_listener_that_is_not_ready_lets_only_its_own_people_in() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn_empty().id();
    let ready = server.world().spawn_empty().id();
    let early = server.connect(listener, "198.51.100.1:7");
    server.run();
    let own = AdmitOnly("192.0.2.7\n2001:db8::/32".parse().unwrap());
    server.world().entity_mut(listener).insert(own);
    let people = ["[::ffff:192.0.2.7]:7", "[2001:db8::1]:7"].map(|address| server.connect(listener, address));
    let others = ["192.0.2.8:7", "127.0.0.1:7"].map(|address| server.connect(listener, address));
    let elsewhere = server.connect(ready, "192.0.2.8:7");
    server.run();
    assert!(people.iter().chain([&elsewhere, &early]).all(|socket| server.is_there(socket)));
    assert!(others.iter().all(|socket| socket.is_closed() && !server.is_there(socket)));
    assert_eq!(server.app.world().resource::<Refusals>().count(Refusal::NotReady), 2);
    assert!(server.told::<Closed>().is_empty(), "who is in already stays");

    server.world().entity_mut(listener).remove::<AdmitOnly>();
    let welcome = server.connect(listener, "192.0.2.8:8");
    server.run();
    assert!(server.is_there(&welcome));
}

#[test]
fn whoever_is_denied_is_not_let_in_by_a_listener_that_is_not_ready_either() {
    let deny: DenyList = "192.0.2.0/24".parse().unwrap();
    let mut server = Server::new(GatePlugin { deny, ..GatePlugin::default() });
    let listener = server.world().spawn(AdmitOnly("192.0.2.7".parse().unwrap())).id();
    let socket = server.connect(listener, "192.0.2.7:7");
    server.run();
    assert!(socket.is_closed());
    assert_eq!(server.app.world().resource::<Refusals>().count(Refusal::Denied), 1);
}
