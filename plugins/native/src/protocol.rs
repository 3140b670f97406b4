//! What dispatch needs of this protocol.

use crate::{
    Manifest, body,
    tables::Tables,
    wire::{Identity, ServerFrame},
};
use portcullis_dispatch::{BodyError, Content, Outgoing, Protocol, RouteId};
use std::{sync::Arc, time::Duration};

/// What one plugin serves.
#[derive(Debug)]
pub(crate) struct Service {
    manifest: Manifest,
    hash: u64,
    pub(crate) tables: Tables,
    pub(crate) heartbeat: Duration,
}

impl Service {
    pub(crate) fn new(manifest: Manifest, tables: Tables, heartbeat: Duration) -> Self {
        Self { hash: manifest.hash(), manifest, tables, heartbeat }
    }

    /// Hashed once, not with each handshake.
    pub(crate) fn identity(&self) -> Identity<'_> {
        self.manifest.identity_with(self.hash)
    }
}

/// The codec of one [`Service`].
pub(crate) struct NativeProtocol(pub(crate) Arc<Service>);

impl Protocol for NativeProtocol {
    fn name(&self) -> &'static str {
        "native"
    }

    fn read(
        &self,
        _: RouteId,
        body: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>,
    ) -> Result<(), BodyError> {
        body::read(body, read)
    }

    fn write(&self, out: &mut Vec<u8>, message: Outgoing<'_>) -> Result<(), BodyError> {
        match message {
            Outgoing::Reply { id, body, .. } => {
                ServerFrame::Reply { id: wire_id(id)?, body: &[] }.write_with(out, |out| write(out, body))
            }
            Outgoing::Refusal { id, refusal, .. } => {
                let (id, message) = (wire_id(id)?, &*refusal.message);
                Ok(ServerFrame::Refusal { id, code: refusal.code, message }.write(out)?)
            }
            Outgoing::Push { route, body } => match self.0.tables.push(route) {
                Some(route) => ServerFrame::Push { route, body: &[] }.write_with(out, |out| write(out, body)),
                None => {
                    if self.0.tables.tell(route) {
                        tracing::warn!(
                            route = route.index(),
                            manifest = %self.0.manifest,
                            "clients are not told of a push that is not in the manifest: declare it by `add_push`"
                        );
                    }
                    Ok(())
                }
            },
        }
    }
}

fn write(out: &mut Vec<u8>, content: Content<'_>) -> Result<(), BodyError> {
    match content {
        Content::Value(value) => body::encode(out, value),
        Content::Raw(bytes) => {
            out.extend_from_slice(bytes);
            Ok(())
        }
    }
}

/// Ids came from the wire, so they fit.
fn wire_id(id: u64) -> Result<u32, BodyError> {
    u32::try_from(id).map_err(BodyError::new)
}
