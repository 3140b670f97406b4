use crate::server::Server;
use bevy_ecs::prelude::*;
use portcullis_core::{
    BelongsTo, Cause, Close, Closing, Connection, Forward, ForwardedTo, Kick, Opened, Start,
};
use portcullis_net::memory::MemorySocket;
use portcullis_watchdog::{AgentTemplate, EndWithAgent};

#[derive(Component)]
struct Player;

fn server() -> (Server, Entity) {
    let mut server = Server::new();
    let listener = server.world().spawn((AgentTemplate::new(|| Player), EndWithAgent)).id();
    (server, listener)
}

fn agent(server: &Server, socket: &MemorySocket) -> Entity {
    server.app.world().get::<ForwardedTo>(socket.connection()).unwrap().0
}

#[test]
fn a_connection_ends_with_its_agent() {
    let (mut server, listener) = server();
    let sockets = [server.connect(listener), server.connect(listener)];
    let lost = agent(&server, &sockets[0]);
    server.world().despawn(lost);
    server.run();
    assert_eq!(sockets.each_ref().map(MemorySocket::is_closed), [true, false]);
    assert_eq!(server.causes(), [Cause::AgentLost]);
}

#[test]
fn all_connections_of_an_agent_end_with_it_that_are_to() {
    let mut server = Server::new();
    let listener = server.world().spawn_empty().id();
    let sockets = [server.connect(listener), server.connect(listener), server.connect(listener)];
    let shared = server.world().spawn(Player).id();
    for socket in &sockets {
        server.world().trigger(Forward { entity: socket.connection(), agent: shared });
    }
    for socket in &sockets[..2] {
        server.world().entity_mut(socket.connection()).insert(EndWithAgent);
    }
    server.run();
    server.world().despawn(shared);
    server.run();
    assert_eq!(sockets.each_ref().map(MemorySocket::is_closed), [true, true, false]);
    assert_eq!(server.causes(), [Cause::AgentLost; 2]);
}

#[test]
fn whoever_has_another_agent_or_none_by_then_stays() {
    let (mut server, listener) = server();
    let sockets = [server.connect(listener), server.connect(listener)];
    let [first, second] = sockets.each_ref().map(|socket| agent(&server, socket));
    let other = server.world().spawn(Player).id();
    // In one go, as a system asks for it.
    let mut commands = server.world().commands();
    commands.trigger(Forward { entity: sockets[0].connection(), agent: other });
    commands.entity(first).despawn();
    commands.trigger(Start { entity: sockets[1].connection() });
    commands.entity(second).despawn();
    server.run();
    assert!(!sockets[0].is_closed() && !sockets[1].is_closed());
    assert_eq!(agent(&server, &sockets[0]), other);
    server.world().despawn(other);
    server.run();
    assert_eq!(server.causes(), [Cause::AgentLost], "it ends with the agent it has now");
}

#[test]
fn whoever_is_closing_already_keeps_its_cause() {
    let (mut server, listener) = server();
    let sockets = [server.connect(listener), server.connect(listener), server.connect(listener)];
    let agents = sockets.each_ref().map(|socket| agent(&server, socket));
    let mut commands = server.world().commands();
    // As a logout does: the connections are closed, then what was theirs goes.
    commands.trigger(Close::new(sockets[0].connection(), Cause::Requested));
    commands.entity(agents[0]).despawn();
    commands.trigger(Kick::new(sockets[1].connection(), "afk"));
    commands.entity(agents[1]).despawn();
    server.run();
    sockets[2].close();
    server.run();
    assert_eq!(server.causes(), [Cause::Requested, Cause::Kicked, Cause::PeerClosed]);
}

#[test]
fn an_agent_that_goes_with_its_connection_closes_nothing() {
    let (mut server, listener) = server();
    let sockets = [server.connect(listener), server.connect(listener)];
    // The second agent belongs to the first connection, and goes with it.
    let shared = server.world().spawn((Player, BelongsTo(sockets[0].connection()))).id();
    server.world().trigger(Forward { entity: sockets[0].connection(), agent: shared });
    server.world().flush();
    server.world().despawn(sockets[0].connection());
    server.run();
    assert!(server.causes().is_empty(), "nobody closes what is not there any more");
    assert!(!sockets[1].is_closed());
}

#[test]
fn what_is_asked_for_when_an_agents_components_go_finds_the_connection_closing() {
    #[derive(Resource, Default)]
    struct Found(Vec<Option<Cause>>);
    fn note(commands: &mut Commands) {
        commands.queue(|world: &mut World| {
            let cause = world.query::<(&Connection, Option<&Closing>)>().single(world).unwrap().1;
            let cause = cause.map(|closing| closing.cause);
            world.resource_mut::<Found>().0.push(cause);
        });
    }
    let (mut server, listener) = server();
    server.app.init_resource::<Found>();
    server.app.add_observer(|_: On<Discard<Player>>, mut commands: Commands| note(&mut commands));
    server.app.add_observer(|_: On<Remove<Player>>, mut commands: Commands| note(&mut commands));
    let socket = server.connect(listener);
    let lost = agent(&server, &socket);
    server.world().commands().entity(lost).despawn();
    server.world().flush();
    assert_eq!(server.app.world().resource::<Found>().0, [Some(Cause::AgentLost); 2]);
}

#[test]
fn a_connection_is_told_at_its_opening_whether_it_ends_so() {
    let (mut server, listener) = server();
    let plain = server.world().spawn_empty().id();
    server.record::<Opened>();
    let sockets = [server.connect(listener), server.connect(plain)];
    let ends = |socket: &MemorySocket| server.app.world().get::<EndWithAgent>(socket.connection()).is_some();
    assert_eq!(sockets.each_ref().map(ends), [true, false]);
}
