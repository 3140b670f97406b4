//! Rooms of Portcullis: groups of whom to tell, as entities.
//!
//! **Where it stands in the flow.** Beside the pipeline, above dispatch: handlers and systems put members into rooms, and
//! tell a room, some users, or everybody. A message is encoded once for each protocol it meets, however many are told.
//!
//! **What it adds**
//! - [`Room`], an entity with a name, which [`Rooms`] finds. It has [`Members`]; a member is [`MemberOf`] rooms. Members
//!   are connections, agents or sessions: whatever [`Pusher`](portcullis_dispatch::Pusher) can push to, over any protocol.
//! - Requests ([`Join`], [`Leave`]) and facts ([`Joined`], [`JoinRefused`], [`Left`]); and [`open`], [`close`],
//!   [`join`] and [`leave`] for those who have the world and need the outcome.
//! - [`Teller`], which tells a room, users by their uid, those of a query, or all.
//! - Policies: [`MaxMembers`] and [`AutoClose`] on a room, [`MaxRooms`] on a member; [`RoomLimits`] are the defaults.
//!
//! **What it promises.** Membership ends with either side: nobody is in a room after a close, a logout or a despawn,
//! and [`Left`] is told once. Who joins twice is a member once. Nobody is told a message twice. Joining and leaving take
//! constant time, whatever the number of members.
//!
//! **What it refuses to do.** It keeps no history of messages, and no room outlives the process.
//!
//! ```
//! use bevy_app::App;
//! use bevy_ecs::prelude::*;
//! use portcullis_core::CorePlugin;
//! use portcullis_dispatch::{AppDispatchExt, DispatchPlugin, Request};
//! use portcullis_room::{Join, Joined, Left, Members, RoomPlugin, Rooms, Teller};
//! use portcullis_session::SessionPlugin;
//!
//! fn enter(request: Request<String>, mut commands: Commands) {
//!     commands.trigger(Join::new(request.connection, request.body.as_str()));
//! }
//!
//! fn say(request: Request<(String, String)>, rooms: Res<Rooms>, mut teller: Teller) -> usize {
//!     let (room, line) = &request.body;
//!     rooms.get(room).map_or(0, |room| teller.to_room(room, "chat.line", line).connections)
//! }
//!
//! fn came(event: On<Joined>, mut teller: Teller) {
//!     teller.to_others(event.room, event.member, "chat.line", &"somebody came");
//! }
//!
//! fn went(event: On<Left>, mut teller: Teller) {
//!     teller.to_room(event.room, "chat.line", &"somebody went");
//! }
//!
//! let mut app = App::new();
//! app.add_plugins((CorePlugin::default(), SessionPlugin::default(), DispatchPlugin, RoomPlugin::default()))
//!     .add_handler("chat.enter", enter)
//!     .add_handler("chat.say", say)
//!     .add_push::<String>("chat.line")
//!     .add_observer(came)
//!     .add_observer(went);
//! ```

mod error;
mod events;
mod members;
mod requests;
mod room;
mod teller;

pub use error::RoomError;
pub use events::{Departure, Join, JoinRefused, Joined, Leave, Left, RoomKey};
pub use members::{MaxMembers, MaxRooms, MemberOf, Members, close, join, leave};
pub use room::{AutoClose, Room, RoomLimits, Rooms, open};
pub use teller::{Teller, ToldUids};

use bevy_app::{App, Plugin};

/// Adds rooms. Its field becomes a resource, which can be changed while the server runs.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoomPlugin {
    /// What rooms and members are allowed that have no policy of their own.
    pub limits: RoomLimits,
}

impl Plugin for RoomPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(self.limits)
            .init_resource::<Rooms>()
            .add_observer(requests::join)
            .add_observer(requests::leave)
            .add_observer(requests::on_closing)
            .add_observer(requests::on_logged_out);
    }
}
