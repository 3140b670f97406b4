//! Thousands of connections in one test.

use bevy_app::App;
use portcullis_core::Cause;
use portcullis_dispatch::{AppDispatchExt, Request};
use portcullis_testkit::TestServer;
use std::time::Duration;

fn double(request: Request<u32>) -> u64 {
    u64::from(request.body) * 2
}

#[test]
fn five_thousand_clients_each_ask_and_are_closed_when_idle() {
    let mut server = TestServer::new(|app: &mut App| {
        app.add_handler("double", double);
    });
    let mut clients: Vec<_> = (0..5000).map(|_| server.connect()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let reply: u64 = client.request("double", &(number as u32)).expect_reply();
        assert_eq!(reply, number as u64 * 2);
    }
    server.check_invariants();
    server.advance(Duration::from_secs(61));
    let causes = server.causes();
    assert_eq!(causes.len(), 5000);
    assert!(causes.iter().all(|(_, cause)| *cause == Cause::Idle));
}

#[test]
fn a_crowd_arrives_together() {
    let mut server = TestServer::new(|app: &mut App| {
        app.add_handler("double", double);
    });
    let mut clients = server.connect_many(5000);
    let replies: Vec<_> =
        server.together(|| clients.iter_mut().map(|client| client.request("double", &21u32)).collect());
    assert!(replies.into_iter().all(|reply| reply.expect_reply::<u64>() == 42));
    assert!(server.now().is_zero());
}
