use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Agent, BelongsTo, ForwardedTo};
use portcullis_net::memory::MemorySocket;
use portcullis_session::{LoggedOut, Login, Logout, MultiLogin, SessionPlugin, Sessions};

#[test]
fn a_logout_takes_connections_and_agents_with_it() {
    let mut server =
        Server::new(SessionPlugin { multi_login: MultiLogin::Allow(usize::MAX), ..SessionPlugin::default() });
    let sockets = [server.login("ann"), server.login("ann")];
    let bystander = server.login("bob");
    let session = server.session("ann").unwrap();
    let agent = server.world().spawn(BelongsTo(session)).id();
    server.world().entity_mut(sockets[0].connection()).insert(ForwardedTo(agent));
    server.told();
    server.world().trigger(Logout { session });
    server.world().trigger(Logout { session });
    server.run();
    assert!(sockets.iter().all(MemorySocket::is_closed) && !bystander.is_closed());
    assert_eq!(server.told(), ["unbound", "unbound", "ann out", "requested", "requested"]);
    assert!([session, agent].iter().all(|&entity| server.app.world().get_entity(entity).is_err()));
}

#[test]
fn the_session_can_still_be_asked_when_it_is_over() {
    #[derive(Resource, Default)]
    struct Saved(usize);
    let mut server = Server::new(SessionPlugin::default());
    server.app.init_resource::<Saved>().add_observer(
        |event: On<LoggedOut>, agents: Query<&BelongsTo, With<Agent>>, mut saved: ResMut<Saved>| {
            saved.0 += agents.iter().filter(|belongs| belongs.0 == event.session).count();
        },
    );
    let socket = server.login("ann");
    let session = server.session("ann").unwrap();
    server.world().spawn(BelongsTo(session));
    server.close(&socket);
    assert_eq!(server.app.world().resource::<Saved>().0, 1);
}

#[test]
fn a_login_while_the_user_is_logged_out_begins_a_new_session() {
    let mut server = Server::new(SessionPlugin::default());
    let _old = server.login("ann");
    let new = server.connect();
    let (session, connection) = (server.session("ann").unwrap(), new.connection());
    server.app.add_observer(move |event: On<LoggedOut>, mut commands: Commands| {
        commands.trigger(Logout { session: event.session });
        commands.trigger(Login::new(connection, "ann"));
    });
    server.world().trigger(Logout { session });
    server.run();
    let after = server.session("ann").unwrap();
    assert_ne!(after, session);
    assert_eq!(server.bound_to(&new), Some(after));
}

#[test]
fn nothing_is_left_of_those_who_came_and_went() {
    let mut server = Server::new(SessionPlugin::default());
    let entities = server.count_entities();
    for round in 0..40 {
        let sockets: Vec<_> = (0..6).map(|i| server.login(&format!("user {}", (round + i) % 4))).collect();
        let sessions: Vec<Entity> = sockets.iter().filter_map(|socket| server.bound_to(socket)).collect();
        for (i, &session) in sessions.iter().enumerate() {
            server.world().spawn(BelongsTo(session));
            if i % 3 == 0 {
                server.world().trigger(Logout { session });
            }
        }
        for socket in sockets {
            server.close(&socket);
        }
        server.run();
        assert!(server.app.world().resource::<Sessions>().is_empty());
    }
    assert_eq!(server.count_entities(), entities);
}
