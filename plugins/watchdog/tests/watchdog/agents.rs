use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{Agent, BelongsTo, Cause, Close, Closed, Forwarded, ForwardedTo};
use portcullis_watchdog::{AgentTemplate, DefaultAgent};

#[derive(Component)]
struct Lives(u8);

fn agents(server: &mut Server) -> usize {
    let world = server.world();
    world.query_filtered::<(), With<Agent>>().iter(world).count()
}

#[test]
fn each_connection_gets_an_agent_of_the_listeners_template() {
    let mut server = Server::new();
    server.record::<Forwarded>();
    let listener = server.world().spawn(AgentTemplate::new(|| Lives(3))).id();
    let sockets = [server.connect(listener), server.connect(listener)];
    for (socket, told) in sockets.iter().zip(server.told::<Forwarded>()) {
        let world = server.app.world();
        let agent = world.get::<ForwardedTo>(socket.connection()).unwrap().0;
        assert_eq!((told.entity, told.agent), (socket.connection(), agent));
        assert_eq!(world.get::<Lives>(agent).unwrap().0, 3);
        assert_eq!(world.get::<BelongsTo>(agent).unwrap().0, socket.connection());
    }
    assert_eq!(agents(&mut server), 2);
}

#[test]
fn without_a_template_nobody_is_forwarded() {
    let mut server = Server::new();
    let listener = server.world().spawn_empty().id();
    let socket = server.connect(listener);
    assert!(server.app.world().get::<ForwardedTo>(socket.connection()).is_none());
    assert_eq!(agents(&mut server), 0);
}

#[test]
fn the_default_agent_plays_where_the_listener_has_none() {
    let mut server = Server::new();
    server.app.insert_resource(DefaultAgent(AgentTemplate::build(|connection, agent| {
        agent.insert(Name::new(connection.to_string()));
    })));
    let plain = server.world().spawn_empty().id();
    let own = server.world().spawn(AgentTemplate::new(|| Lives(1))).id();
    let sockets = [server.connect(plain), server.connect(own)];
    let [by_default, by_listener] = sockets
        .each_ref()
        .map(|socket| server.app.world().get::<ForwardedTo>(socket.connection()).unwrap().0);
    let name = server.app.world().get::<Name>(by_default).unwrap().as_str();
    assert_eq!(name, sockets[0].connection().to_string());
    assert!(server.app.world().get::<Lives>(by_listener).is_some());
    assert!(server.app.world().get::<Name>(by_listener).is_none());
}

#[test]
fn an_agent_can_still_be_asked_when_its_connection_closes_and_is_gone_afterwards() {
    #[derive(Resource, Default)]
    struct Saved(Vec<u8>);
    let mut server = Server::new();
    server.app.init_resource::<Saved>().add_observer(
        |closed: On<Closed>,
         forwarded: Query<&ForwardedTo>,
         lives: Query<&Lives>,
         mut saved: ResMut<Saved>| {
            saved.0.push(lives.get(forwarded.get(closed.entity).unwrap().0).unwrap().0);
        },
    );
    let listener = server.world().spawn(AgentTemplate::new(|| Lives(7))).id();
    let entities = server.count_entities();
    for round in 0..20 {
        let sockets: Vec<_> = (0..10).map(|_| server.connect(listener)).collect();
        assert_eq!(agents(&mut server), 10);
        for (i, socket) in sockets.iter().enumerate() {
            match (i + round) % 3 {
                0 => socket.close(),
                1 => socket.reset(),
                _ => server.world().trigger(Close::new(socket.connection(), Cause::Requested)),
            }
        }
        server.run();
        server.run();
        assert_eq!(agents(&mut server), 0);
    }
    assert_eq!(server.app.world().resource::<Saved>().0, [7; 200]);
    assert_eq!(server.count_entities(), entities, "nothing leaks");
    assert_eq!(server.causes().len(), 200);
}
