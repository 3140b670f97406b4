//! The agents of skynet's example, and of the variant that some conversations were recorded with.

use portcullis::{
    bytes::Bytes,
    dispatch::{Answer, IntoAnswer},
    prelude::*,
    session::Logout,
};
use std::{collections::HashMap, time::Duration};

/// What answers at the moment it has to.
#[derive(Resource, Default)]
pub struct Sleeping(Vec<(Duration, Responder<Raw>, Bytes)>);

/// How many requests were handled, by session.
#[derive(Resource, Default)]
pub struct Executed(pub HashMap<Entity, u64>);

/// What an agent says to a request.
pub enum Said {
    Now(Vec<u8>),
    Failed,
    Later,
    Never,
}

impl IntoAnswer<Said> for Said {
    type Reply = Raw;

    fn into_answer(self) -> Answer<Raw> {
        match self {
            Self::Now(content) => Answer::Reply(Raw(content.into())),
            Self::Failed => Answer::Refused("it failed".into()),
            Self::Later => Answer::Deferred,
            Self::Never => Answer::Silent,
        }
    }
}

/// Adds both: `example` and `variant` are their routes.
pub fn agents(app: &mut App) {
    app.init_resource::<Sleeping>()
        .init_resource::<Executed>()
        .add_handler("example", example)
        .add_handler("variant", variant)
        .add_systems(Update, wake);
}

fn wake(clock: Res<Clock>, mut sleeping: ResMut<Sleeping>) {
    for (_, responder, content) in sleeping.0.extract_if(.., |(due, ..)| *due <= clock.now()) {
        responder.reply(Raw(content));
    }
}

/// Answers with what was asked, 100 ms later.
fn example(
    request: Request<Raw>,
    mut defer: Defer,
    clock: Res<Clock>,
    mut sleeping: ResMut<Sleeping>,
) -> Result<Deferred<Raw>, Refusal> {
    let (deferred, responder) = defer.begin(&request)?;
    sleeping.0.push((clock.now() + Duration::from_millis(100), responder, request.body.0));
    Ok(deferred)
}

/// `err` fails, `count` tells how many requests were handled, `sleep:N:text` answers in N hundredths of a second,
/// `logout` logs out; anything else is an echo.
fn variant(
    request: Request<Raw>,
    mut defer: Defer,
    clock: Res<Clock>,
    bound: Query<&BoundTo>,
    mut sleeping: ResMut<Sleeping>,
    mut executed: ResMut<Executed>,
    mut commands: Commands,
) -> Said {
    let session = bound.get(request.connection).unwrap().0;
    let count = executed.0.entry(session).or_default();
    *count += 1;
    match &request.body.0[..] {
        b"err" => Said::Failed,
        b"count" => Said::Now(count.to_string().into_bytes()),
        b"logout" => {
            commands.trigger(Logout { session });
            Said::Never
        }
        content if content.starts_with(b"sleep:") => {
            let text = str::from_utf8(content).unwrap();
            let (hundredths, text) = text["sleep:".len()..].split_once(':').unwrap();
            let due = clock.now() + Duration::from_millis(10) * hundredths.parse().unwrap();
            match defer.begin(&request) {
                Ok::<(Deferred<Raw>, _), _>((_, responder)) => {
                    sleeping.0.push((due, responder, Bytes::copy_from_slice(text.as_bytes())));
                    Said::Later
                }
                Err(_) => Said::Failed,
            }
        }
        content => Said::Now(content.to_vec()),
    }
}
