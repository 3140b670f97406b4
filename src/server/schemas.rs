//! The sproto schemas of a skynet listener: those of its files, or the demo's.

use super::config::{Listener, Speaks};
use portcullis::{demo::simpledb, skynet::SkynetPlugin};
use std::fs;

/// The texts of a listener's schemas.
#[derive(Clone, Debug)]
pub struct Schemas {
    client_to_server: String,
    server_to_client: String,
}

/// A schema that cannot be used.
#[derive(Debug)]
pub struct SchemaFault {
    /// The key that names its file.
    pub key: &'static str,
    /// The file.
    pub file: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

impl Schemas {
    /// Reads and tries the schemas of a listener; others than skynet's have none.
    pub fn of(listener: &Listener) -> Result<Option<SkynetPlugin>, SchemaFault> {
        if listener.protocol != Speaks::Skynet {
            return Ok(None);
        }
        let schemas = Self {
            client_to_server: read("schema_c2s", &listener.schema_c2s, simpledb::CLIENT_TO_SERVER)?,
            server_to_client: read("schema_s2c", &listener.schema_s2c, simpledb::SERVER_TO_CLIENT)?,
        };
        schemas.gate(listener).map(Some)
    }

    fn gate(&self, listener: &Listener) -> Result<SkynetPlugin, SchemaFault> {
        SkynetPlugin::sproto(&self.client_to_server, &self.server_to_client).map_err(|error| {
            // Each text alone beside a sound one tells which it is.
            let second = SkynetPlugin::sproto(&self.client_to_server, simpledb::SERVER_TO_CLIENT).is_ok();
            let (key, file) = match second {
                true => ("schema_s2c", &listener.schema_s2c),
                false => ("schema_c2s", &listener.schema_c2s),
            };
            SchemaFault {
                key,
                file: file.clone(),
                problem: format!("holds no usable sproto schema: {error}"),
            }
        })
    }
}

fn read(key: &'static str, file: &str, embedded: &str) -> Result<String, SchemaFault> {
    if file.is_empty() {
        return Ok(embedded.to_owned());
    }
    fs::read_to_string(file).map_err(|error| SchemaFault {
        key,
        file: file.to_owned(),
        problem: format!("cannot be read ({error}): name a file that exists, or \"\" for the demo's schema"),
    })
}
