//! Typed messages over the native protocol: an echo, and a room in which everyone hears everyone.

use crate::{
    core::AcceptedBy,
    demo::members::MembersOnly,
    native::{Manifest, NativeState},
    prelude::*,
};
use bevy_ecs::system::SystemParam;
use serde::{Deserialize, Serialize};

/// Route: a text comes back.
pub const ECHO: &str = "echo";
/// Route: says something to everyone.
pub const SAY: &str = "chat.say";
/// Route of what everyone hears.
pub const SAID: &str = "chat.said";

/// The longest name, in bytes.
pub const LONGEST_NAME: usize = 32;
/// The longest text, in bytes.
pub const LONGEST_TEXT: usize = 1024;

/// Asked, and answered, on [`ECHO`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Echo {
    /// What comes back.
    pub text: String,
}

/// Asked on [`SAY`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Say {
    /// Who says it. Nobody checks; of who has logged in, nobody looks at it: the session has the name.
    pub name: String,
    /// What is said.
    pub text: String,
}

/// The answer to [`Say`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// How many connections it was sent to, the speaker's too.
    pub by: u32,
}

/// Pushed on [`SAID`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Who said it.
    pub name: String,
    /// What was said.
    pub text: String,
}

/// What server and client may say to each other.
pub fn manifest() -> Manifest {
    Manifest::new("chat", 1).request::<Echo, Echo>(ECHO).request::<Say, Heard>(SAY).push::<Said>(SAID)
}

/// Serves the chat on connections that speak its [manifest]. Who has logged in speaks under the name of the session.
///
/// ```
/// use portcullis::{demo::chat, prelude::*};
///
/// App::new().add_plugins((ServerPlugins, chat::ChatPlugin, NativePlugin::default().manifest(chat::manifest())));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ChatPlugin;

impl Plugin for ChatPlugin {
    fn build(&self, app: &mut App) {
        app.add_handler(ECHO, echo).add_handler(SAY, say).add_push::<Said>(SAID);
    }
}

fn echo(request: Request<Echo>) -> Echo {
    request.body
}

fn say(
    request: Request<Say>,
    bound: Query<&BoundTo>,
    sessions: Query<&Session>,
    everyone: Everyone,
    mut pusher: Pusher,
) -> Result<Heard, Refusal> {
    let Say { name, text } = request.body;
    if name.len() > LONGEST_NAME || text.len() > LONGEST_TEXT {
        return Err("a name has at most 32 bytes, a text 1024".into());
    }
    let session = bound.get(request.connection).and_then(|bound| sessions.get(bound.0));
    let said = Said { name: session.map_or(name, |session| session.uid().to_string()), text };
    let heard: usize = everyone.iter().map(|connection| pusher.push(connection, SAID, &said)).sum();
    Ok(Heard { by: u32::try_from(heard).unwrap_or(u32::MAX) })
}

/// Everyone is who has shaken hands, for before that a client takes no push; and who has logged in, where one has to.
#[derive(SystemParam)]
struct Everyone<'w, 's> {
    connections:
        Query<'w, 's, (Entity, &'static NativeState, &'static AcceptedBy, Has<BoundTo>), Without<Closing>>,
    listeners: Query<'w, 's, (), With<MembersOnly>>,
}

impl Everyone<'_, '_> {
    fn iter(&self) -> impl Iterator<Item = Entity> {
        let hears = |(_, state, listener, logged_in): &(Entity, &NativeState, &AcceptedBy, bool)| {
            **state == NativeState::Ready && (*logged_in || !self.listeners.contains(listener.0))
        };
        self.connections.iter().filter(hears).map(|(connection, ..)| connection)
    }
}
