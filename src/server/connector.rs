//! A Pomelo listener, with the dictionary and the schemas of its files.

use super::config::{DEMO, Listener, Speaks};
use portcullis::{demo::connector, pomelo::PomeloPlugin};
use std::fs;

/// A file that cannot be used.
#[derive(Debug)]
pub struct FileFault {
    /// The key that names it.
    pub key: &'static str,
    /// The file.
    pub file: String,
    /// What is wrong, and what to do.
    pub problem: String,
}

/// The plugin that a listener's settings describe; those of other protocols have none.
pub fn plugin(listener: &Listener) -> Result<Option<PomeloPlugin>, FileFault> {
    if listener.protocol != Speaks::Pomelo {
        return Ok(None);
    }
    let mut plugin = PomeloPlugin::default().heartbeat(listener.heartbeat_seconds.limit());
    if let Some(timeout) = listener.heartbeat_timeout_seconds.limit() {
        plugin = plugin.heartbeat_timeout(timeout);
    }
    if listener.strict_heartbeats {
        plugin = plugin.strict_heartbeats();
    }
    if listener.error_texts {
        plugin = plugin.error_texts();
    }
    if let Some(text) = read("dictionary", &listener.dictionary, connector::DICTIONARY)? {
        plugin = plugin
            .dictionary_json(&text)
            .map_err(|error| unusable("dictionary", &listener.dictionary, &error.to_string()))?;
    }
    let client = read("client_protos", &listener.client_protos, connector::CLIENT_PROTOS)?;
    let server = read("server_protos", &listener.server_protos, connector::SERVER_PROTOS)?;
    if client.is_none() && server.is_none() {
        return Ok(Some(plugin));
    }
    let (client, server) = (client.unwrap_or_else(|| "{}".into()), server.unwrap_or_else(|| "{}".into()));
    // Each alone, to tell which it is.
    for (key, file, client, server) in [
        ("client_protos", &listener.client_protos, &*client, "{}"),
        ("server_protos", &listener.server_protos, "{}", &*server),
    ] {
        plugin.clone().protos(client, server).map_err(|error| unusable(key, file, &error.to_string()))?;
    }
    let both = plugin.protos(&client, &server);
    both.map(Some).map_err(|error| unusable("server_protos", &listener.server_protos, &error.to_string()))
}

fn unusable(key: &'static str, file: &str, error: &str) -> FileFault {
    FileFault { key, file: file.to_owned(), problem: format!("holds nothing that can be used: {error}") }
}

/// A file's text, the demo's, or none.
fn read(key: &'static str, file: &str, demo: &str) -> Result<Option<String>, FileFault> {
    match file {
        "" => Ok(None),
        DEMO => Ok(Some(demo.to_owned())),
        file => fs::read_to_string(file).map(Some).map_err(|error| FileFault {
            key,
            file: file.to_owned(),
            problem: format!(
                "cannot be read ({error}): name a file that exists, \"demo\" for the demo's, or \"\" for none"
            ),
        }),
    }
}
