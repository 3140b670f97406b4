//! Listeners whose clients have to log in, beside others of the same server.

use crate::{
    core::AcceptedBy,
    dispatch::{RouteSet, Routes},
    native::login::{LOGIN, LOGOUT, REGISTER, RESUME},
    prelude::*,
};

/// Beside a listener: its clients log in, and are served nothing before.
#[derive(Component, Clone, Copy, Debug, Default)]
pub struct MembersOnly;

/// Keeps a server's listeners apart. At those that are for [`MembersOnly`], who has not logged in may ask for nothing but
/// the routes to log in by; at all others those routes are not there. Add it beside `AccountLoginPlugin`, whose routes are
/// the whole app's. It looks at each packet of the server, which costs a system's call.
#[derive(Clone, Copy, Debug, Default)]
pub struct MembersPlugin;

#[derive(Resource, Clone, Copy, Debug)]
struct Door(RouteSet);

impl Plugin for MembersPlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Routes>();
        let routes = [REGISTER, LOGIN, RESUME, LOGOUT].join(" | ");
        let door = Door(app.world_mut().resource_mut::<Routes>().set(&routes));
        app.insert_resource(door).add_filter("*", guard);
    }
}

fn guard(
    packet: Inspect,
    accepted: Query<(&AcceptedBy, Has<BoundTo>)>,
    listeners: Query<(), With<MembersOnly>>,
    routes: Res<Routes>,
    door: Res<Door>,
) -> Result<(), Refusal> {
    let (listener, logged_in) = accepted.get(packet.connection)?;
    let at_the_door = routes.contains(door.0, packet.route);
    match (listeners.contains(listener.0), at_the_door) {
        (false, true) => Err(Refusal::new(Refusal::NOT_FOUND, "nobody logs in here")),
        // What a protocol asks for itself comes before any login.
        (true, false) if !logged_in && !routes.info(packet.route).is_some_and(|info| info.reserved) => {
            Err(Refusal::new(Refusal::UNAUTHORIZED, "log in first"))
        }
        _ => Ok(()),
    }
}
