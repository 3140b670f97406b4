//! JSON bodies, which types are read from and written to without a protocol's codec.

use bevy_app::App;
use bevy_ecs::prelude::*;
use portcullis_dispatch::{
    AppDispatchExt, BodyError, Content, Outgoing, Protocol, Protocols, Request, RouteId,
};
use serde::{Deserialize, Serialize};

use crate::plain::{app, ask, connection, said};

/// Bodies are JSON where they begin with a brace; what its codec is asked for is 7, and answers are JSON.
struct Json;

impl Protocol for Json {
    fn name(&self) -> &'static str {
        "json"
    }

    fn is_json(&self, _: RouteId, body: &[u8]) -> bool {
        body.starts_with(b"{")
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        let mut codec = serde_json::Deserializer::from_str(r#"{"number":7}"#);
        read(&mut <dyn erased_serde::Deserializer>::erase(&mut codec)).map_err(BodyError::new)
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { body: Content::Value(value), .. } => value.write_json(out),
            _ => Err(BodyError::new("there are answers only")),
        }
    }
}

#[derive(Deserialize, Serialize)]
struct Body {
    number: u32,
}

fn world() -> (App, Entity) {
    let mut app = app();
    app.add_handler("echo", |request: Request<Body>| request.body);
    let speaks = app.world_mut().resource_mut::<Protocols>().add(Json);
    let connection = connection(&mut app, speaks);
    (app, connection)
}

#[test]
fn json_is_read_where_it_lies() {
    let (mut app, connection) = world();
    ask(&mut app, connection, "echo", br#"{"number":1}"#);
    assert_eq!(said(&app, connection), r#"{"number":1}"#);
}

#[test]
fn what_does_not_parse_is_left_to_the_codec() {
    for body in [&br#"{"number":"one"}"#[..], br#"{"number":1"#, br#"{"number":1} 2"#, b"{\"\xff\":1}", b"1"]
    {
        let (mut app, connection) = world();
        ask(&mut app, connection, "echo", body);
        assert_eq!(said(&app, connection), r#"{"number":7}"#, "{}", String::from_utf8_lossy(body));
    }
}
