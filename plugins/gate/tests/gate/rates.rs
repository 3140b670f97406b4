use crate::server::Server;
use portcullis_core::{Budget, Closed};
use portcullis_gate::{AcceptRate, AcceptRates, GatePlugin, MaxClients, Refusal, Refusals};
use std::time::Duration;

fn refused(server: &Server, why: Refusal) -> u64 {
    server.app.world().resource::<Refusals>().count(why)
}

#[test]
fn one_machine_that_only_connects_is_let_in_so_often_and_no_more() {
    let mut server = Server::new(GatePlugin::default());
    server.record::<Closed>();
    let listener = server.world().spawn_empty().id();
    for port in 1..=200 {
        // Each is gone before the next comes: no cap on their number helps.
        let socket = server.connect(listener, &format!("192.0.2.1:{port}"));
        server.run();
        drop(socket);
        server.run();
    }
    assert_eq!(refused(&server, Refusal::TooFast), 150);
    let other = server.connect(listener, "192.0.2.2:7");
    server.run();
    assert!(server.is_there(&other));

    server.time.advance(Duration::from_secs(1));
    let sockets: Vec<_> =
        (0..20).map(|port| server.connect(listener, &format!("192.0.2.1:{port}"))).collect();
    server.run();
    assert_eq!(sockets.iter().filter(|socket| server.is_there(socket)).count(), 10);
}

#[test]
fn a_network_of_many_addresses_is_no_way_around_it() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn_empty().id();
    let sockets: Vec<_> =
        (0..256).map(|host| server.connect(listener, &format!("203.0.113.{host}:7"))).collect();
    server.run();
    assert_eq!(sockets.iter().filter(|socket| server.is_there(socket)).count(), 250);
    assert_eq!(refused(&server, Refusal::TooFast), 6);
}

#[test]
fn rates_change_at_run_time_and_count_only_whom_nothing_else_keeps_out() {
    let mut server = Server::new(GatePlugin::default());
    let listener = server.world().spawn(MaxClients(0)).id();
    let rate = AcceptRate { per_second: 1.0, burst: 1 };
    server.world().insert_resource(AcceptRates { address: Some(rate), ..AcceptRates::UNLIMITED });
    let _refused: Vec<_> =
        (0..5).map(|port| server.connect(listener, &format!("192.0.2.1:{port}"))).collect();
    server.run();
    assert_eq!(refused(&server, Refusal::ListenerFull), 5);
    server.world().entity_mut(listener).remove::<MaxClients>();
    let sockets = [1, 2].map(|port| server.connect(listener, &format!("192.0.2.1:{port}")));
    server.run();
    assert_eq!(sockets.map(|socket| server.is_there(&socket)), [true, false]);
    assert_eq!(refused(&server, Refusal::TooFast), 1);
}

#[test]
fn the_gate_sets_the_budget_of_all_peers_together() {
    let server = Server::new(GatePlugin { budget: Some(64 << 20), ..GatePlugin::default() });
    assert_eq!(server.funnel.budget().limit(), 64 << 20);
    let server = Server::new(GatePlugin::default());
    assert_eq!(server.funnel.budget().limit(), Budget::DEFAULT_LIMIT);
}
