//! How connections end.

use crate::{
    over_sockets,
    sysconn::{
        Answer, Client, frame, request, response,
        server::{demo, strict},
    },
};
use portcullis::{
    core::{Cause, Kick, Shutdown},
    prelude::*,
    sysconn::{BanRole, KickCode, Role, wire::Response},
};
use portcullis_testkit::{TestServer, TestServerBuilder, Transport};

fn role(server: &mut TestServer) -> u32 {
    server.run_system_once(|roles: Query<&Role>| roles.single().unwrap().id)
}

over_sockets! {
    /// (23) The original says no close, so that browsers report 1006. The message stays before it.
    fn whoever_is_shown_out_hears_the_message_and_then_a_close(server: TestServerBuilder) {
        let mut server = strict(server);
        let mut client = Client::logged_in(&mut server, "ann");
        let mut newer = Client::logged_in(&mut server, "ann");
        assert_eq!(client.expect_message(&mut server), response(0, 0, 1099, b"\x08\x0b"));
        client.expect_close(&mut server, 4011, "logged in elsewhere");
        client.expect_cause(&mut server, Cause::Replaced);

        let entity = newer.entity.unwrap();
        server.world_mut().entity_mut(entity).insert(KickCode(12));
        server.trigger(Kick::new(entity, "time to go"));
        assert_eq!(newer.expect_message(&mut server), response(0, 0, 1099, b"\x08\x0c"));
        newer.expect_close(&mut server, 4012, "a code of the game's");
        newer.expect_cause(&mut server, Cause::Kicked);

        let mut client = Client::logged_in(&mut server, "ann");
        let role = role(&mut server);
        server.trigger(BanRole(role));
        let notice = client.expect_message(&mut server);
        assert_eq!(Response::read(&notice).unwrap().command, 1149);
        client.expect_close(&mut server, 4045, "banned");
    }

    /// Part of 23: a role that has died says nothing, as in the original; the close says that it is not the client's fault.
    fn a_connection_whose_role_has_died_is_closed_for_a_failure_of_ours(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        let agent = server.run_system_once(|roles: Query<Entity, With<Role>>| roles.single().unwrap());
        server.world_mut().despawn(agent);
        client.expect_close(&mut server, 1011, "it is lost");
        client.expect_cause(&mut server, Cause::AgentLost);
    }

    /// (25) The original ends without a word.
    fn a_shutdown_is_told(server: TestServerBuilder) {
        let mut server = demo(server);
        let (mut ann, mut stranger) = (Client::logged_in(&mut server, "ann"), Client::upgraded(&mut server));
        // What was asked before is answered before.
        ann.ask(&mut server, 1, 1190, b"\x0a\x01x", Answer::Body(b"\x0a\x01x"));
        server.trigger(Shutdown);
        for client in [&mut ann, &mut stranger] {
            let message = client.expect_message(&mut server);
            let notice = Response::read(&message).unwrap();
            assert_eq!((notice.error, notice.flag, notice.command), (0, 0, 1148));
            assert!(!notice.body.is_empty());
            client.expect_close(&mut server, 1001, "going away");
            client.expect_cause(&mut server, Cause::Shutdown);
        }
    }

    /// Part of 23: no farewell comes between frames that were cut, and none before the upgrade.
    fn a_farewell_is_a_whole_frame_of_its_own(server: TestServerBuilder) {
        let mut server = demo(server);
        let mut client = Client::logged_in(&mut server, "ann");
        client.send(&mut server, &frame(&request(1, 1190, b"\x0a\x01x"))[..7]);
        let mut raw = Client::connect(&mut server);
        server.trigger(Shutdown);
        let notice = client.expect_message(&mut server);
        assert_eq!(Response::read(&notice).unwrap().command, 1148);
        client.expect_close(&mut server, 1001, "going away");
        assert!(raw.expect_head(&mut server).starts_with("HTTP/1.1 503 "));
        raw.expect_end(&mut server, "no message before the upgrade");
    }
}
