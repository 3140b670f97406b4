//! Bodies as JSON, as forgiving as Pomelo is: what is no JSON at all is an empty object.

use crate::wire::text;
use portcullis_dispatch::BodyError;
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, Visitor},
};
use std::borrow::Cow;

/// Gives `read` a deserializer over the body.
///
/// An empty or unparsable body is `{}`, as in Pomelo. One that is JSON and no object is an error: there, an array was
/// spread over the handler's arguments, so that a client could pass itself off as somebody else.
pub(crate) fn read(
    body: &[u8],
    read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
) -> Result<(), BodyError> {
    let is_object = is_object(body);
    if is_object && parse(body, read).is_ok() {
        return Ok(());
    }
    // Rare: now there is time to find out what is wrong.
    let lenient = text::lenient(body);
    match serde_json::from_str::<IgnoredAny>(&lenient) {
        Ok(_) if !is_object => Err(BodyError::new("a body must be a JSON object")),
        Ok(_) => match lenient {
            // Nothing was mended: the object does not hold what is wanted.
            Cow::Borrowed(text) => parse(text.as_bytes(), read),
            Cow::Owned(text) => parse(text.as_bytes(), read),
        },
        Err(_) => parse(b"{}", read),
    }
}

/// Whether a body that is JSON is an object.
pub(crate) fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().first() == Some(&b'{')
}

/// Any JSON value; an empty body is `null`.
pub(crate) fn read_any(
    body: &[u8],
    read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
) -> Result<(), BodyError> {
    parse(if body.is_empty() { b"null" } else { body }, read)
}

fn parse(
    json: &[u8],
    read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
) -> Result<(), BodyError> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    read(&mut <dyn erased_serde::Deserializer>::erase(Json(&mut deserializer))).map_err(BodyError::new)?;
    deserializer.end().map_err(BodyError::new)
}

/// JSON that is taken for nothing where nothing is wanted: a handler of `Request<()>` does not look at its body.
struct Json<D>(D);

/// Calls that go on as they are.
macro_rules! forward {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* visitor)
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Json<D> {
    type Error = D::Error;

    forward! {
        deserialize_any() deserialize_bool()
        deserialize_i8() deserialize_i16() deserialize_i32() deserialize_i64() deserialize_i128()
        deserialize_u8() deserialize_u16() deserialize_u32() deserialize_u64() deserialize_u128()
        deserialize_f32() deserialize_f64() deserialize_char() deserialize_str() deserialize_string()
        deserialize_bytes() deserialize_byte_buf() deserialize_identifier() deserialize_ignored_any()
        deserialize_option() deserialize_seq() deserialize_map() deserialize_tuple(len: usize)
        deserialize_newtype_struct(name: &'static str)
        deserialize_tuple_struct(name: &'static str, len: usize)
        deserialize_struct(name: &'static str, fields: &'static [&'static str])
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        IgnoredAny::deserialize(self.0)?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.deserialize_unit(visitor)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        protocol::PomeloProtocol,
        service::{Manners, Service},
        wire::handshake::Family,
    };
    use portcullis_dispatch::{FromBody, IntoBody, Outgoing, Protocol, RouteId, Routes};
    use serde::{Deserialize, Serialize};
    use std::sync::Arc;

    #[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
    #[serde(default)]
    struct Said {
        text: String,
        times: u8,
    }

    fn said(text: &str, times: u8) -> Said {
        Said { text: text.to_owned(), times }
    }

    fn protocol() -> (PomeloProtocol, RouteId) {
        let mut routes = Routes::default();
        let route = routes.intern("chat.handler.say");
        let manners = Manners { heartbeat: None, error_texts: false, compress: false, check_client: None };
        let service = Arc::new(Service::new(&mut routes, manners, None, None).unwrap());
        (PomeloProtocol { service, family: Family::Pomelo }, route)
    }

    fn read<T: FromBody>(body: &[u8]) -> Result<T, String> {
        let (protocol, route) = protocol();
        T::from_body(&protocol, route, &body.to_vec().into(), (0, body.len())).map_err(|error| error.0)
    }

    #[test]
    fn bodies_are_read_as_forgivingly_straight_as_through_the_codec() {
        for (body, expected) in [
            (&br#"{"text":"hi","times":2,"more":[{}]}"#[..], said("hi", 2)),
            (b" \t{\"times\":1} ", said("", 1)),
            (b"{\"text\":\"\xed\xa0\xbd\xed\xb8\x80\"}", said("\u{1f600}", 0)),
            (br#"{"text":"\ud83d\ude00"}"#, said("\u{1f600}", 0)),
            (b"{\"text\":\"\xff\"}", said("\u{fffd}", 0)),
            (b"", said("", 0)),
            (b"{\"times\":1", said("", 0)),
            (b"{\"times\":1}{}", said("", 0)),
            (b"undefined", said("", 0)),
        ] {
            assert_eq!(read(body), Ok(expected), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn what_is_no_object_or_holds_something_else_is_refused() {
        for body in ["[]", r#"["a",1]"#, "7", "null", "true", r#""text""#] {
            assert_eq!(
                read::<Said>(body.as_bytes()),
                Err("a body must be a JSON object".to_owned()),
                "{body}"
            );
        }
        let error = read::<Said>(br#"{"times":"two"}"#).unwrap_err();
        assert!(error.contains("expected u8"), "{error}");
    }

    #[test]
    fn a_handler_that_wants_nothing_takes_any_object() {
        for body in [r#"{"text":"hi"}"#, "{}", "", "{"] {
            assert_eq!(read::<()>(body.as_bytes()), Ok(()), "{body}");
        }
    }

    #[test]
    fn answers_escape_what_old_clients_cannot_read_and_are_objects() {
        let (protocol, route) = protocol();
        let body = |body: &dyn IntoBody| {
            let mut out = Vec::new();
            protocol.write(&mut out, Outgoing::Reply { route, id: 1, body: body.content() }).unwrap();
            String::from_utf8(out.split_off(6)).unwrap()
        };
        assert_eq!(
            body(&said("\u{e9}\u{1f600}\u{ffff}\"", 1)),
            "{\"text\":\"\u{e9}\\ud83d\\ude00\u{ffff}\\\"\",\"times\":1}"
        );
        assert_eq!(body(&()), "{}");
    }
}
