use crate::plain::{Plain, add, app, ask, connection, said};
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, Traffic};
use portcullis_dispatch::{
    Answer, AppDispatchExt, Counters, Inspect, NoReply, OnBad, Raw, RawRequest, Refusal, Request,
};

#[test]
fn a_protocol_chooses_the_code_of_its_answer_to_what_is_bad() {
    let mut app = app();
    app.add_handler("number", |_: Request<u32>| ());
    let usual = add(&mut app, Plain::default());
    let own = add(&mut app, Plain { on_bad: Some(OnBad::Refuse(500)), ..Plain::default() });
    let (usual, own) = (connection(&mut app, usual), connection(&mut app, own));
    for peer in [usual, own] {
        ask(&mut app, peer, "nowhere", b"");
        ask(&mut app, peer, "number", b"three");
    }
    // Nothing is flushed without a link, so both lines are still there.
    assert_eq!((said(&app, usual), said(&app, own)), ("404\n400\n".into(), "500\n500\n".into()));
    let counters = app.world().resource::<Counters>();
    assert_eq!((counters.unknown, counters.undecodable), (2, 2));
}

#[test]
fn what_cannot_be_encoded_is_counted() {
    let mut app = app();
    app.add_handler("echo", |request: Request<Raw>| request.body)
        .add_raw_handler("raw", |request: RawRequest| request.reply.push(b'x'));
    let speaks = add(&mut app, Plain { broken: true, ..Plain::default() });
    let peer = connection(&mut app, speaks);
    ask(&mut app, peer, "echo", b"hello");
    assert_eq!(said(&app, peer), "");
    // The reply, and the refusal in its place.
    assert_eq!(app.world().get::<Traffic>(peer).unwrap().send_errors, 2);
    let counters = app.world().resource::<Counters>();
    assert_eq!((counters.handled, counters.failed), (0, 1), "that is no success");
}

#[test]
fn a_raw_handler_that_closed_says_nothing_more() {
    let mut app = app();
    app.add_raw_handler("bye", |request: RawRequest, world: &mut World| {
        world.trigger(Close::new(request.connection, Cause::Requested));
        world.flush();
        request.reply.extend_from_slice(b"late");
    });
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    ask(&mut app, peer, "bye", b"");
    assert_eq!(said(&app, peer), "");
}

#[test]
fn a_filter_that_closed_says_nothing_more() {
    let mut app = app();
    app.add_filter("bye", |packet: Inspect, world: &mut World| -> Result<(), Refusal> {
        world.trigger(Close::new(packet.connection, Cause::Requested));
        world.flush();
        Err(Refusal::new(Refusal::FORBIDDEN, "no"))
    });
    app.add_raw_handler("bye", |_: RawRequest| ());
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    ask(&mut app, peer, "bye", b"");
    assert_eq!(said(&app, peer), "");
}

#[test]
fn a_handler_may_answer_refuse_or_say_nothing() {
    let mut app = app();
    app.add_handler("whole", |request: Request<Raw>| -> Result<Answer<Raw>, Refusal> {
        match &*request.body.0 {
            b"" => Ok(Answer::Silent),
            b"no" => Err(Refusal::new(28, "no")),
            b"never" => Ok(Answer::Refused(Refusal::new(29, "never"))),
            _ => Ok(Answer::Reply(request.body)),
        }
    })
    .add_handler("answer", |request: Request<Raw>| match request.body.0.is_empty() {
        true => Answer::Silent,
        false => Answer::Reply(request.body),
    })
    .add_handler("quit", |request: Request<Raw>| match request.body.0.is_empty() {
        true => Ok(NoReply),
        false => Err(Refusal::new(30, "stay")),
    });
    let speaks = add(&mut app, Plain::default());
    let peer = connection(&mut app, speaks);
    for (route, body) in [
        ("whole", "yes"),
        ("whole", ""),
        ("whole", "no"),
        ("whole", "never"),
        ("answer", "too"),
        ("answer", ""),
        ("quit", ""),
        ("quit", "now"),
    ] {
        ask(&mut app, peer, route, body.as_bytes());
    }
    assert_eq!(said(&app, peer), "yes\n28\n29\ntoo\n30\n");
    let counters = app.world().resource::<Counters>();
    assert_eq!((counters.handled, counters.refused), (5, 3));
}
