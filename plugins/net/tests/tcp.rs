//! What peers do to sockets, and what the world sees of it. Each test runs under both drivers.

#![allow(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod common;

use common::{Edge, StartAtOnce, frame, under_both_drivers};
use portcullis_core::*;
use std::{
    io::{ErrorKind, Read, Write},
    net::Shutdown,
};

#[test]
fn frames_arrive_whole_however_they_are_cut() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        for byte in frame(b"slowly") {
            socket.write_all(&[byte]).unwrap();
            edge.run();
        }
        let many = [frame(b"one"), frame(b""), frame(&[7; 65_535]), frame(b"two")].concat();
        socket.write_all(&many).unwrap();
        edge.until(|seen| seen.frames.len() == 5);
        let payloads: Vec<&[u8]> = edge.seen().frames.iter().map(|(_, payload)| &payload[..]).collect();
        assert_eq!(payloads, [&b"slowly"[..], b"one", b"", &[7; 65_535], b"two"]);
        assert!(edge.seen().frames.iter().all(|&(from, _)| from == connection));
    });
}

#[test]
fn nothing_is_read_until_the_connection_is_started() {
    under_both_drivers(|mut edge| {
        edge.app.insert_resource(StartAtOnce(false));
        let (mut socket, connection) = edge.connect();
        socket.write_all(&frame(b"early")).unwrap();
        for _ in 0..20 {
            edge.run();
        }
        assert!(edge.seen().frames.is_empty());
        edge.app.world_mut().trigger(Start { entity: connection });
        edge.until(|seen| seen.frames == [(connection, b"early".to_vec())]);
    });
}

#[test]
fn a_peer_that_closes_is_closed_once_after_its_frames() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        socket.write_all(&frame(b"last words")).unwrap();
        drop(socket);
        edge.until(|seen| !seen.closed.is_empty());
        assert_eq!(edge.seen().frames, [(connection, b"last words".to_vec())]);
        for _ in 0..5 {
            edge.run();
        }
        assert_eq!(edge.seen().closed, [(connection, Cause::PeerClosed)]);
        assert!(edge.app.world().get_entity(connection).is_err());
    });
}

#[test]
fn a_half_closed_peer_still_gets_what_was_written() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        socket.write_all(&frame(b"question")).unwrap();
        socket.shutdown(Shutdown::Write).unwrap();
        edge.until(|seen| !seen.frames.is_empty());
        // The world may have begun to close already; what it says in the same run still leaves.
        if edge.app.world().get_entity(connection).is_ok() {
            edge.send(connection, b"answer");
        }
        edge.until(|seen| seen.closed == [(connection, Cause::PeerClosed)]);
        let mut rest = Vec::new();
        socket.read_to_end(&mut rest).unwrap();
    });
}

#[test]
fn a_reset_is_told_as_such() {
    under_both_drivers(|mut edge| {
        let (socket, connection) = edge.connect();
        socket2::SockRef::from(&socket).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(socket);
        edge.until(|seen| seen.closed == [(connection, Cause::Reset)]);
    });
}

#[test]
fn what_is_queued_is_flushed_before_the_close() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        // Unread input must not turn the close into a reset that destroys the last words.
        socket.write_all(&frame(b"never looked at")).unwrap();
        edge.send(connection, b"you are kicked");
        edge.close(connection, Cause::Kicked);
        edge.run();
        let mut said = Vec::new();
        socket.set_nonblocking(true).unwrap();
        loop {
            let mut bytes = [0; 64];
            match socket.read(&mut bytes) {
                Ok(0) => break,
                Ok(read) => said.extend_from_slice(&bytes[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => edge.run(),
                Err(error) => panic!("{error}"),
            }
        }
        assert_eq!(said, frame(b"you are kicked"));
        drop(socket);
        edge.until(|seen| seen.closed == [(connection, Cause::Kicked)]);
    });
}

#[test]
fn a_peer_that_never_closes_is_closed_all_the_same() {
    under_both_drivers(|mut edge| {
        let (_socket, connection) = edge.connect();
        edge.close(connection, Cause::Requested);
        edge.until(|seen| seen.closed == [(connection, Cause::Requested)]);
    });
}

#[test]
fn a_frame_too_large_ends_the_connection_and_no_other() {
    under_both_drivers(|mut edge| {
        let (mut bystander, other) = edge.connect();
        let (mut socket, connection) = edge.connect();
        edge.app.world_mut().entity_mut(connection).insert(MaxFrame(100));
        socket.write_all(&[frame(b"fine"), frame(&[0; 101])].concat()).unwrap();
        edge.until(|seen| seen.closed == [(connection, Cause::FrameTooLarge)]);
        bystander.write_all(&frame(b"still here")).unwrap();
        edge.until(|seen| seen.frames.len() == 2);
        assert_eq!(edge.seen().frames, [(connection, b"fine".to_vec()), (other, b"still here".to_vec())]);
    });
}

#[test]
fn a_world_that_lags_stops_the_sockets_being_read() {
    under_both_drivers(|mut edge| {
        let (mut socket, _) = edge.connect();
        socket.set_nonblocking(true).unwrap();
        let flood = frame(&[1; 1000]).repeat(64);
        let mut written = 0;
        // The client writes until the kernel's buffers are full and stay full: nobody reads any more.
        let mut stuck = 0;
        while stuck < 50 {
            match socket.write(&flood[written % flood.len()..]) {
                Ok(bytes) => (written, stuck) = (written + bytes, 0),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    stuck += 1;
                    edge.run_io_only(20);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                }
                Err(error) => panic!("{error}"),
            }
            assert!(written < 64 << 20, "the socket is read though the world takes nothing");
        }
        // The world catches up, and everything arrives.
        let whole = written / 1002;
        edge.until(|seen| seen.frames.len() == whole);
    });
}

#[test]
fn a_peer_that_does_not_read_is_warned_about_and_closed() {
    under_both_drivers(|mut edge| {
        let (_socket, connection) = edge.connect();
        while edge.seen().closed.is_empty() {
            if edge.app.world().get_entity(connection).is_ok() {
                edge.send(connection, &[9; 60_000]);
            }
            edge.run();
        }
        assert_eq!(edge.seen().closed, [(connection, Cause::SlowConsumer)]);
        let marks = &edge.seen().backlog;
        let doublings: Vec<u32> = marks.iter().map(|bytes| (bytes / FIRST_WARNING).ilog2()).collect();
        assert_eq!(doublings, [0, 1, 2, 3], "warned at 64, 128, 256 and 512 KiB: {marks:?}");
    });
}

#[test]
fn a_peer_that_catches_up_is_told_of_and_stays() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        let mut sent = 0;
        while edge.seen().backlog.is_empty() {
            edge.send(connection, &[9; 60_000]);
            sent += 60_002;
            edge.run();
        }
        socket.set_nonblocking(true).unwrap();
        let (mut read, mut bytes) = (0, vec![0; 1 << 20]);
        while read < sent || edge.seen().backlog.last() != Some(&0) {
            match socket.read(&mut bytes) {
                Ok(more) => read += more,
                Err(_) => edge.run(),
            }
        }
        assert_eq!(read, sent);
        assert!(edge.seen().closed.is_empty());
    });
}

#[test]
fn sockets_of_one_listener_are_told_apart() {
    under_both_drivers(|mut edge| {
        let mut clients: Vec<_> = (0..50).map(|_| edge.connect()).collect();
        for (index, (socket, _)) in clients.iter_mut().enumerate() {
            socket.write_all(&frame(&[index as u8])).unwrap();
        }
        edge.until(|seen| seen.frames.len() == 50);
        for (index, (_, connection)) in clients.iter().enumerate() {
            assert!(edge.seen().frames.contains(&(*connection, vec![index as u8])));
        }
        drop(clients);
        edge.until(|seen| seen.closed.len() == 50);
        let world = edge.app.world_mut();
        assert_eq!(world.query::<&Connection>().iter(world).count(), 0);
    });
}

#[test]
fn despawning_a_connection_closes_its_socket() {
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        edge.app.world_mut().despawn(connection);
        socket.set_nonblocking(true).unwrap();
        loop {
            match socket.read(&mut [0; 8]) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => edge.run(),
                end => break assert!(matches!(end, Ok(0) | Err(_))),
            }
        }
    });
}

#[test]
fn a_connection_that_is_despawned_while_it_closes_sends_nothing_more() {
    const MUCH: usize = 32 * 1024 * 1024;
    under_both_drivers(|mut edge| {
        let (mut socket, connection) = edge.connect();
        let world = edge.app.world_mut();
        world.entity_mut(connection).insert(OutboxLimit(2 * MUCH));
        write_outbox(world, connection, |out| out.resize(MUCH, 0)).unwrap();
        world.trigger(Close::new(connection, Cause::Requested));
        world.flush();
        edge.run();
        edge.app.world_mut().despawn(connection);
        let come = edge.serve(move |_| {
            let mut rest = Vec::new();
            let _ = socket.read_to_end(&mut rest);
            rest.len()
        });
        assert!(come < MUCH);
    });
}

/// Of much at once the kernel takes most, and the little that is left must not wait for the next word.
#[test]
fn the_end_of_much_arrives_without_more_being_said() {
    const MUCH: usize = 16 * 1024 * 1024;
    under_both_drivers(|mut edge| {
        let say = |edge: &mut Edge, much| {
            let (socket, connection) = edge.connect();
            let world = edge.app.world_mut();
            world.entity_mut(connection).insert(OutboxLimit(2 * MUCH));
            write_outbox(world, connection, |out| out.resize(much, 0)).unwrap();
            edge.run();
            socket
        };
        let unread = say(&mut edge, MUCH);
        let taken = MUCH - edge.seen().backlog[0];
        drop(unread);
        for left in [1, 20_000, 40_000] {
            let mut socket = say(&mut edge, taken + left);
            edge.serve(move |_| socket.read_exact(&mut vec![0; taken + left]).unwrap());
        }
    });
}
