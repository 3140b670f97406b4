use crate::server::Server;
use portcullis_core::{Cause, Closed};
use portcullis_gate::{Deny, DenyList, GatePlugin, Refusal, Refusals, parse_network};

#[test]
fn networks_are_denied_and_let_in_again_at_run_time() {
    let deny: DenyList = "192.0.2.0/24".parse().unwrap();
    let mut server = Server::new(GatePlugin { deny, ..GatePlugin::default() });
    let listener = server.world().spawn_empty().id();
    let denied = server.connect(listener, "192.0.2.77:7");
    let mapped = server.connect(listener, "[::ffff:192.0.2.78]:7");
    let other = server.connect(listener, "198.51.100.1:7");
    server.run();
    assert!(denied.is_closed() && mapped.is_closed() && server.is_there(&other));
    assert_eq!(server.app.world().resource::<Refusals>().count(Refusal::Denied), 2);

    let mut list = server.world().resource_mut::<DenyList>();
    assert!(list.remove(parse_network("192.0.2.0/24").unwrap()));
    assert!(list.add(parse_network("198.51.100.1").unwrap()));
    let welcome = server.connect(listener, "192.0.2.77:8");
    let unwelcome = server.connect(listener, "198.51.100.1:8");
    server.run();
    assert!(server.is_there(&welcome) && unwelcome.is_closed());
    assert!(server.is_there(&other), "the list alone closes nobody");
}

#[test]
fn a_deny_closes_who_is_in_already() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn_empty().id();
    let inside = server.connect(listener, "[::ffff:203.0.113.5]:7");
    let other = server.connect(listener, "203.0.114.5:7");
    server.run();
    server.world().trigger(Deny { network: parse_network("203.0.113.0/24").unwrap() });
    server.run();
    assert!(inside.is_closed() && server.is_there(&other));
    assert_eq!(server.told::<Closed>()[0].cause, Cause::Refused);
    let again = server.connect(listener, "203.0.113.6:7");
    server.run();
    assert!(again.is_closed());
    assert_eq!(server.told::<Closed>().len(), 1);
}
