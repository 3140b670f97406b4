//! The gate without sproto: each frame is a message of the game's own format.

use crate::frame::write_frame;
use bevy_ecs::prelude::*;
use portcullis_core::Arrivals;
use portcullis_dispatch::{BodyError, Content, Outgoing, PacketKind, Packets, Protocol, RouteId, Speaks};

/// Frames are neither packed nor parsed. Each is a request to one route; what its handler returns as
/// [`Raw`](portcullis_dispatch::Raw) goes back as a frame.
pub(crate) struct RawProtocol;

impl Protocol for RawProtocol {
    fn name(&self) -> &'static str {
        "skynet-raw"
    }

    fn read(
        &self,
        _: RouteId,
        _: &[u8],
        _: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        Err(BodyError::new("raw frames have no codec: handle them as Request<Raw>"))
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { body: Content::Raw(bytes), .. }
            | Outgoing::Push { body: Content::Raw(bytes), .. } => write_frame(out, |out| {
                out.extend_from_slice(bytes);
                Ok(())
            }),
            // Nothing can be said of an error, or of nothing.
            Outgoing::Refusal { .. } => Ok(()),
            Outgoing::Reply { .. } | Outgoing::Push { .. } => {
                Err(BodyError::new("raw frames have no codec: answer with Raw"))
            }
        }
    }
}

/// Which route the frames of a listener's connections go to.
#[derive(Component, Clone, Copy, Debug)]
pub(crate) struct RawRoute(pub(crate) RouteId);

/// What raw connections speak.
#[derive(Resource, Clone, Copy, Debug)]
pub(crate) struct RawSpeaks(pub(crate) Speaks);

pub(crate) fn decode(
    mut arrivals: ResMut<Arrivals>,
    mut packets: ResMut<Packets>,
    speaks: Res<RawSpeaks>,
    connections: Query<(&Speaks, &RawRoute)>,
) {
    arrivals.take_if(
        |connection| connections.get(connection).is_ok_and(|(spoken, _)| *spoken == speaks.0),
        |arrival| {
            let Ok((_, route)) = connections.get(arrival.connection) else { return };
            let (data, spans) = arrival.frames.into_parts();
            let buffer = packets.buffer(data, arrival.received);
            for span in spans {
                let kind = PacketKind::Request(0);
                packets.push(arrival.connection, route.0, kind, buffer, span);
            }
        },
    );
}
