//! skynet's example server: handshake, get, set and quit over a key-value store that all agents share, and a heartbeat.

use crate::{prelude::*, watchdog::HeartbeatDue, watchdog::Kick};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The schema of what clients ask.
pub const CLIENT_TO_SERVER: &str = include_str!("../../assets/skynet/c2s.sproto");
/// The schema of what the server says without being asked.
pub const SERVER_TO_CLIENT: &str = include_str!("../../assets/skynet/s2c.sproto");

/// Serves the store on connections that speak these schemas. Connections need an agent, and a
/// [`HeartbeatInterval`](crate::watchdog::HeartbeatInterval) for the heartbeat.
///
/// ```
/// use portcullis::{demo::simpledb::*, prelude::*};
///
/// let gate = SkynetPlugin::sproto(CLIENT_TO_SERVER, SERVER_TO_CLIENT).unwrap().agent(|| ());
/// App::new().add_plugins((ServerPlugins, SimpleDbPlugin::default(), gate));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SimpleDbPlugin {
    /// Keys that are kept. Default 10,000.
    pub max_keys: usize,
    /// Bytes of keys and values that are kept. Default 16 MiB.
    pub max_bytes: usize,
}

impl Default for SimpleDbPlugin {
    fn default() -> Self {
        Self { max_keys: 10_000, max_bytes: 16 * 1024 * 1024 }
    }
}

impl Plugin for SimpleDbPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(SimpleDb { limits: *self, values: HashMap::new(), bytes: 0 })
            .add_handler("handshake", handshake)
            .add_handler("get", get)
            .add_handler("set", set)
            .add_handler("quit", quit)
            .add_observer(heartbeat);
    }
}

/// The store: a service of its own in skynet, a resource here. Strangers write to it, so it is bounded.
#[derive(Resource, Debug)]
pub struct SimpleDb {
    limits: SimpleDbPlugin,
    values: HashMap<String, String>,
    bytes: usize,
}

impl SimpleDb {
    /// Sets a key, or forgets it.
    fn set(&mut self, key: String, value: Option<String>) -> Result<(), Refusal> {
        let before = self.values.get(&key).map_or(0, |old| key.len() + old.len());
        let Some(value) = value else {
            self.values.remove(&key);
            self.bytes -= before;
            return Ok(());
        };
        let bytes = self.bytes - before + key.len() + value.len();
        let keys = self.values.len() + usize::from(before == 0 && !self.values.contains_key(&key));
        if bytes > self.limits.max_bytes || keys > self.limits.max_keys {
            return Err(Refusal::new(Refusal::FORBIDDEN, "the store is full"));
        }
        self.bytes = bytes;
        self.values.insert(key, value);
        Ok(())
    }
}

#[derive(Serialize)]
struct Welcome {
    msg: &'static str,
}

#[derive(Deserialize)]
struct Get {
    what: Option<String>,
}

#[derive(Serialize)]
struct Got {
    result: Option<String>,
}

#[derive(Deserialize)]
struct Set {
    what: Option<String>,
    value: Option<String>,
}

fn handshake(_: Request<()>) -> Welcome {
    Welcome { msg: "Welcome to skynet, I will send heartbeat every 5 sec." }
}

/// A key that is not there, or not named, has no result.
fn get(request: Request<Get>, db: Res<SimpleDb>) -> Got {
    let result = request.body.what.and_then(|what| db.values.get(&what).cloned());
    Got { result }
}

/// Without a key it is an error, for which sproto has no words: it is not answered.
fn set(request: Request<Set>, mut db: ResMut<SimpleDb>) -> Result<(), Refusal> {
    let Set { what, value } = request.body;
    db.set(what.ok_or("set needs a key")?, value)
}

/// Is not answered: the client sees the end of the stream.
fn quit(request: Request<()>, mut commands: Commands) -> NoReply {
    commands.trigger(Kick::new(request.connection, "quit"));
    NoReply
}

fn heartbeat(event: On<HeartbeatDue>, speaks: Query<(), With<ForwardedTo>>, mut pusher: Pusher) {
    if speaks.contains(event.entity) {
        pusher.push(event.entity, "heartbeat", &());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_store_counts_what_it_keeps_and_refuses_more() {
        let limits = SimpleDbPlugin { max_keys: 2, max_bytes: 10 };
        let mut db = SimpleDb { limits, values: HashMap::new(), bytes: 0 };
        db.set("a".into(), Some("1234".into())).unwrap();
        assert!(db.set("b".into(), Some("123456".into())).is_err(), "too many bytes");
        db.set("a".into(), Some("1".into())).unwrap();
        db.set(String::new(), Some(String::new())).unwrap();
        assert!(db.set("c".into(), None).is_ok(), "nothing to forget");
        assert!(db.set("c".into(), Some("1".into())).is_err(), "too many keys");
        db.set("a".into(), None).unwrap();
        assert_eq!(db.bytes, 0);
    }
}
