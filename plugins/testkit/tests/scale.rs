//! Thousands of connections in one test.

use bevy_app::App;
use portcullis_dispatch::{AppDispatchExt, Request};
use portcullis_testkit::TestServer;
use std::time::Duration;

fn double(request: Request<u32>) -> u64 {
    u64::from(request.body) * 2
}

#[test]
fn five_thousand_clients_each_ask() {
    let mut server = TestServer::new(|app: &mut App| {
        app.add_handler("double", double);
    });
    let t = std::time::Instant::now();
    let mut clients: Vec<_> = (0..1000).map(|_| server.connect()).collect();
    eprintln!("connect {:?}", t.elapsed());
    for (number, client) in clients.iter_mut().enumerate() {
        let reply: u64 = client.request("double", &(number as u32)).expect_reply();
        assert_eq!(reply, number as u64 * 2);
    }
    eprintln!("ask {:?}", t.elapsed());
    server.check_invariants();
    eprintln!("check {:?}", t.elapsed());
    server.advance(Duration::from_secs(11));
    eprintln!("advance {:?}", t.elapsed());
    assert_eq!(server.causes().len(), 1000);
    drop(clients);
    eprintln!("drop {:?}", t.elapsed());
    drop(server);
    eprintln!("drop {:?}", t.elapsed());
}
