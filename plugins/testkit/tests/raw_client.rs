//! What a client of bytes can do, on every transport.

use bevy_app::App;
use portcullis_core::{Cause, MaxFrame, Outboxes, Traffic};
use portcullis_dispatch::{AppDispatchExt, Raw, Request};
use portcullis_gate::{DenyList, MaxClients, Refusal};
use portcullis_net::DriverKind;
use portcullis_skynet::{SkynetListener, SkynetPlugin};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport, on_every_transport};

fn echo(request: Request<Raw>) -> Raw {
    request.body
}

fn gate(app: &mut App) {
    app.add_plugins(SkynetPlugin::raw("echo").with(|listener| {
        listener.insert((MaxClients(2), MaxFrame(4096)));
    }))
    .add_handler("echo", echo);
}

on_every_transport! {
    fn frames_are_cut_anyhow(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let mut peer = server.connect_raw(gate);
        peer.send_frame(b"hello");
        assert_eq!(peer.expect_frame(), b"hello");
        peer.send_bytes(&[0, 2, b'o']);
        peer.expect_silence();
        peer.send_bytes(&[b'k', 0, 0, 0, 1]);
        peer.expect_bytes(&[0, 2, b'o', b'k', 0, 0]);
        peer.send_bytes(b"!");
        assert_eq!(peer.expect_frame(), b"!");
        peer.close();
        peer.expect_closed(Cause::PeerClosed);
    }

    fn a_gate_that_is_full_refuses(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let first = server.connect_raw(gate);
        let second = server.connect_raw(gate);
        let mut third = server.connect_raw(gate);
        assert_eq!(third.expect_refused(), Refusal::ListenerFull);
        third.expect_closed(Cause::Refused);
        assert!(first.is_open() && second.is_open());
        assert_eq!(server.history().opened().count(), 2);
        drop(first);
        server.settle();
        assert!(server.connect_raw(gate).is_open());
    }

    fn a_frame_that_is_too_large_closes(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let mut peer = server.connect_raw(gate);
        peer.send_frame(&[7; 4096]);
        assert_eq!(peer.expect_frame(), [7; 4096]);
        peer.send_frame(&[7; 4097]);
        peer.expect_closed(Cause::FrameTooLarge);
    }

    fn who_does_not_read_is_closed_as_a_slow_consumer(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let (mut slow, mut quick) = (server.connect_raw(gate), server.connect_raw(gate));
        slow.stop_reading();
        let connections = [slow.entity(), quick.entity()];
        for _ in 0..12 {
            // A kernel holds some megabytes before it stops to take more.
            server.run_system_once(move |mut outboxes: Outboxes| {
                for connection in connections {
                    let _ = outboxes.write(connection, |out| out.extend_from_slice(&[0; 1_000_000]));
                }
            });
        }
        slow.expect_closed(Cause::SlowConsumer);
        assert!(quick.is_open());
        assert_eq!(quick.read().len(), 12_000_000);
    }

    fn who_reads_again_gets_everything(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let mut peer = server.connect_raw(gate);
        peer.stop_reading();
        for number in 0..100u8 {
            peer.send_frame(&[number; 2000]);
        }
        assert_eq!(server.world().get::<Traffic>(peer.entity()).map(|traffic| traffic.sent), Some(100));
        peer.resume_reading();
        for number in 0..100u8 {
            assert_eq!(peer.expect_frame(), [number; 2000]);
        }
        peer.expect_silence();
    }

    fn a_reset_is_told_from_a_close(server: TestServerBuilder) {
        let mut server = server.plugin(gate).build();
        let gate = server.listeners::<SkynetListener>()[0];
        let mut peer = server.connect_raw(gate);
        peer.send_bytes(&[0, 9, 1]);
        peer.reset();
        peer.expect_closed(Cause::Reset);
    }
}

#[test]
fn in_memory_a_client_may_come_from_anywhere() {
    let mut server = TestServer::new(gate);
    server.world_mut().resource_mut::<DenyList>().add("203.0.113.0/24".parse().unwrap());
    let gate = server.listeners::<SkynetListener>()[0];
    let mut denied = server.connect_raw_from(gate, "203.0.113.9".parse().ok());
    assert_eq!(denied.expect_refused(), Refusal::Denied);
    assert!(server.connect_from("192.0.2.1".parse().unwrap()).is_open());
}

#[test]
fn a_stranger_to_the_protocol_is_malformed() {
    let mut server = TestServer::builder().transport(Transport::Tcp(DriverKind::Inline)).build();
    let listener = server.listener();
    let mut peer = server.connect_raw(listener);
    peer.send_bytes(&[1, 0, 0, 0, 99]);
    peer.expect_closed(Cause::Malformed);
}
