//! The handlers that Pomelo's recorded conversations were made with: something for every client to try itself on.
//!
//! Routes are `connector.entryHandler.*`, in a server of the type `connector`, and `chat.chatHandler.*`:
//!
//! | route | answers |
//! | --- | --- |
//! | `entry` | `{"code":200,"msg":"game server is ok."}` |
//! | `enter {uid, room}` | binds the connection to the user, puts the user into the room, `{"code":200,"uid":uid}` |
//! | `leave` | unbinds the user |
//! | `echo` | what it was asked |
//! | `fail`, `failWith`, `failText`, `throwing` | errors: without a body, with a code, with a text, by a panic |
//! | `silent`, `empty`, `slow {ms, n}` | nothing at all, `{}`, and `{"code":200,"n":n}` after a while |
//! | `note {n}` | a notify: pushes `onNote {"got":n}` |
//! | `pushMe {route, body}`, `pushMany {n}` | pushes to all connections of the user |
//! | `say {text}` | pushes `onChat {"from":uid,"msg":text}` to the user's room |
//! | `bcast {text, bound}` | pushes `onAll {"text":text}` to all connections, or to all users |
//! | `pushUids {uids}` | pushes to users, and tells who of them is offline |
//! | `kickMe {reason}`, `kickMeNoReason`, `kickUid {uid, reason}` | shows a connection out, or all of a user's |
//! | `stats`, `getRoom` | who is here, and in which room the user is |

mod bodies;
mod chat;
mod entry;
mod later;

use crate::{prelude::*, room::RoomPlugin};
use std::sync::Arc;

/// The pushes that have a number, as Pomelo's `config/dictionary.json`.
pub const DICTIONARY: &str = include_str!("../../assets/pomelo/dictionary.json");
/// The schemas of what clients send, as Pomelo's `config/clientProtos.json`.
pub const CLIENT_PROTOS: &str = include_str!("../../assets/pomelo/clientProtos.json");
/// The schemas of what they are sent, as Pomelo's `config/serverProtos.json`.
pub const SERVER_PROTOS: &str = include_str!("../../assets/pomelo/serverProtos.json");

/// The longest name of a user or a room, in bytes.
pub const LONGEST_NAME: usize = 64;
/// The most pushes that one request may ask for.
pub const MOST_PUSHES: usize = 100;

/// Serves these handlers.
///
/// ```
/// use portcullis::{demo::connector::*, prelude::*};
///
/// let pomelo = PomeloPlugin::default().dictionary_json(DICTIONARY).unwrap();
/// App::new().add_plugins((ServerPlugins, ConnectorPlugin::default(), pomelo));
/// ```
#[derive(Clone, Debug)]
pub struct ConnectorPlugin {
    /// What the routes begin with, a server type and a handler as Pomelo has them. Default `connector.entryHandler` alone.
    pub handlers: Vec<String>,
}

impl Default for ConnectorPlugin {
    fn default() -> Self {
        Self { handlers: vec!["connector.entryHandler".to_owned()] }
    }
}

/// What the demo calls the server it runs in: its first server type, and a number as Pomelo's configurations have it.
#[derive(Resource, Clone, Debug)]
pub(crate) struct ServerId(Arc<str>);

impl Plugin for ConnectorPlugin {
    fn build(&self, app: &mut App) {
        if !app.is_plugin_added::<RoomPlugin>() {
            app.add_plugins(RoomPlugin::default());
        }
        let first =
            self.handlers.first().and_then(|handler| handler.split('.').next()).unwrap_or("connector");
        app.insert_resource(ServerId(format!("{first}-1").into()));
        later::build(app);
        chat::build(app);
        for handler in &self.handlers {
            entry::build(app, handler);
        }
        for push in ["onNote", "onMsg", "onChat", "onAll", "onOther"] {
            app.add_push::<serde_json::Value>(push);
        }
    }
}
