//! msgserver's answers as frames.

use super::wire::{MAX_ANSWER, Reply, Response};
use crate::frame::write_frame;
use bevy_ecs::prelude::*;
use portcullis_core::{Cause, Close, write_outbox};
use portcullis_dispatch::{Bad, BodyError, Content, OnBad, Outgoing, Protocol, RouteId};
use std::borrow::Cow;

/// Requests and responses of bytes, and the handshake before them.
pub(crate) struct MsgProtocol {
    pub(crate) handshakes: RouteId,
}

impl Protocol for MsgProtocol {
    fn name(&self) -> &'static str {
        "skynet-msgserver"
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        Err(BodyError::new("requests are bytes: handle them as Request<Raw>"))
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { id, body: Content::Raw(content), .. } => respond(out, id, true, content),
            Outgoing::Reply { .. } => Err(BodyError::new("responses are bytes: answer with Raw")),
            Outgoing::Refusal { id, .. } => respond(out, id, false, &[]),
            // The protocol has no words for what nobody asked.
            Outgoing::Push { .. } => Ok(()),
        }
    }

    /// A handshake's answer is a text, and all but one of them are the last.
    fn take_answer(&self, world: &mut World, connection: Entity, answer: &Outgoing<'_>) -> bool {
        let (text, refused): (Cow<'_, str>, bool) = match answer {
            Outgoing::Reply { route, .. } if *route == self.handshakes => (Reply::Ok.text().into(), false),
            Outgoing::Refusal { route, refusal, .. } if *route == self.handshakes => {
                let ours = Reply::parse(refusal.message.as_bytes()).map(|reply| reply.text().into());
                // Else it is of somebody who keeps others out: busy, too often.
                (ours.unwrap_or_else(|| Cow::Owned(refusal.to_string())), true)
            }
            _ => return false,
        };
        let _ = write_outbox(world, connection, |out| {
            write_frame(out, |out| {
                out.extend_from_slice(text.as_bytes());
                Ok(())
            })
        });
        if refused {
            world.trigger(Close::new(connection, Cause::Incompatible));
            world.flush();
        }
        true
    }

    /// A session that is asked a third time while it is not answered ends the connection, as in the original.
    fn on_bad(&self, bad: Bad) -> OnBad {
        match bad {
            Bad::IdInUse => OnBad::Close(Cause::Malformed),
            Bad::UnknownRoute | Bad::Undecodable => OnBad::Answer,
        }
    }
}

fn respond(out: &mut Vec<u8>, id: u64, ok: bool, content: &[u8]) -> Result<(), BodyError> {
    if content.len() > MAX_ANSWER {
        let length = content.len();
        return Err(BodyError::new(format_args!("an answer has at most {MAX_ANSWER} bytes, not {length}")));
    }
    write_frame(out, |out| {
        out.extend_from_slice(content);
        // Ids came from the wire, where they have four bytes.
        out.extend_from_slice(&Response::trailer(ok, id as u32));
        Ok(())
    })
}
