//! Typed messages over the native protocol: an echo, and a room in which everyone hears everyone.

use crate::{
    native::{Manifest, NativeState},
    prelude::*,
};
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
    /// Who says it. Nobody checks.
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

/// Serves the chat on connections that speak its [manifest].
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

/// Everyone is who has shaken hands: before that, a client takes no push.
fn say(
    request: Request<Say>,
    everyone: Query<(Entity, &NativeState), Without<Closing>>,
    mut pusher: Pusher,
) -> Result<Heard, Refusal> {
    let Say { name, text } = request.body;
    if name.len() > LONGEST_NAME || text.len() > LONGEST_TEXT {
        return Err("a name has at most 32 bytes, a text 1024".into());
    }
    let said = Said { name, text };
    let ready = everyone.iter().filter(|(_, state)| **state == NativeState::Ready);
    let heard: usize = ready.map(|(connection, _)| pusher.push(connection, SAID, &said)).sum();
    Ok(Heard { by: u32::try_from(heard).unwrap_or(u32::MAX) })
}
