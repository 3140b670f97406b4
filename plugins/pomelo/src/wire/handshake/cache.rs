//! Responses, rendered once.

use super::response;
use super::{Dict, Family, Protobuf, Request, Response};
use crate::wire::dictionary::Dictionary;
use crate::wire::protobuf::{self, Protos};
use serde_json::Value;

/// What stands under `sys` for every kind of client, as bytes.
///
/// The dictionary crosses three times in a response, and 91 routes make 11 kB: it is rendered when the server starts, not
/// when a client comes.
#[derive(Clone, Debug)]
pub struct Cache {
    minimal: Box<[u8]>,
    pitaya: Box<[u8]>,
    /// By what the client knows: nothing, the dictionary, the schemas, both.
    pomelo: [Box<[u8]>; 4],
    dict_version: String,
    proto_version: String,
}

/// What a client has kept from another time, by the versions it names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// The dictionary.
    pub dictionary: bool,
    /// The schemas.
    pub protos: bool,
}

impl Cache {
    /// Renders all variants.
    ///
    /// `heartbeat` is in seconds; `protos` are the client's schemas, then the server's; `serializer` is for Pitaya's
    /// clients. What is `None` is not offered.
    pub fn new(
        heartbeat: Option<u32>,
        dictionary: Option<&Dictionary>,
        protos: Option<(&Protos, &Protos)>,
        serializer: Option<&str>,
    ) -> Self {
        let proto_version =
            protos.map(|(client, server)| protobuf::version(client, server)).unwrap_or_default();
        let pomelo = |dict_known, protos_known| {
            sys(&Response {
                heartbeat,
                dictionary: dictionary.map(|dictionary| Dict { dictionary, known: dict_known }),
                protos: protos.map(|(client, server)| Protobuf {
                    client,
                    server,
                    version: &proto_version,
                    known: protos_known,
                }),
                ..Response::default()
            })
        };
        let pomelo = [pomelo(false, false), pomelo(true, false), pomelo(false, true), pomelo(true, true)];
        Self {
            minimal: sys(&Response { heartbeat, ..Response::default() }),
            pitaya: sys(&Response { heartbeat, serializer, ..Response::default() }),
            pomelo,
            dict_version: dictionary.map(Dictionary::version).unwrap_or_default().to_owned(),
            proto_version,
        }
    }

    /// What of ours the client has kept.
    pub fn kept(&self, request: &Request) -> Kept {
        let knows = |said: &Option<String>, version: &str| said.as_deref() == Some(version);
        Kept {
            dictionary: knows(&request.sys.dict_version, &self.dict_version),
            protos: knows(&request.sys.proto_version, &self.proto_version),
        }
    }

    /// What stands under `sys` in the response to a client of this family that has kept this.
    pub fn sys(&self, family: Family, kept: Kept) -> &[u8] {
        let [nothing, dict, protos, both] = &self.pomelo;
        match (family, kept.dictionary, kept.protos) {
            (Family::Minimal, ..) => &self.minimal,
            (Family::Pitaya, ..) => &self.pitaya,
            (Family::Pomelo, false, false) => nothing,
            (Family::Pomelo, true, false) => dict,
            (Family::Pomelo, false, true) => protos,
            (Family::Pomelo, true, true) => both,
        }
    }

    /// Appends the response to this client.
    pub fn write(&self, request: &Request, user: Option<&Value>, out: &mut Vec<u8>) {
        response::write(self.sys(request.family(), self.kept(request)), user, out);
    }
}

fn sys(response: &Response<'_>) -> Box<[u8]> {
    let mut out = Vec::new();
    response.write_sys(&mut out);
    out.into_boxed_slice()
}
