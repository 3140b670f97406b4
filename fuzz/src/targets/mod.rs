//! The targets, by name.

pub mod edge;
pub mod frames;
pub mod msgserver;
pub mod native;
pub mod pomelo;
pub mod server;
pub mod skynet_login;
pub mod sproto;
pub mod sysconn;

use crate::seeds;

/// One thing that reads what strangers send.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is its program's and its corpus's.
    pub name: &'static str,
    /// Takes any bytes.
    pub run: fn(&[u8]),
    /// Of how many cases the first byte chooses one, modulo that; 0 where it is a byte like others.
    cases: u8,
    /// What it begins with, without that byte.
    samples: fn() -> Vec<Vec<u8>>,
}

impl Target {
    /// Bytes to begin with.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let samples = (self.samples)();
        if self.cases == 0 {
            return samples;
        }
        let cases = (0..self.cases).cycle().zip(samples);
        cases.map(|(case, sample)| [&[case][..], &sample].concat()).collect()
    }
}

const fn of(name: &'static str, run: fn(&[u8]), cases: u8, samples: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, run, cases, samples }
}

/// All of them.
pub const TARGETS: &[Target] = &[
    of("be16", frames::be16, 5, seeds::frames),
    of("le32", frames::le32, 5, seeds::frames),
    of("line", frames::line, 5, seeds::login),
    of("whole", frames::whole, 5, seeds::sysconn),
    of("pomelo_framing", frames::pomelo, 5, seeds::pomelo),
    of("inlet", edge::inlet, 90, seeds::edge),
    of("proxy_header", edge::proxy_header, 0, seeds::proxies),
    of("sproto_unpack", sproto::unpacking, 255, seeds::sproto),
    of("sproto_decode", sproto::decoding, 3, seeds::sproto),
    of("sproto_schema", sproto::schemas, 0, seeds::schemas),
    of("sproto_rpc", sproto::rpc, 0, seeds::sproto),
    of("login_lines", skynet_login::lines, 3, seeds::login),
    of("msgserver_handshake", msgserver::handshake, 5, seeds::msgserver),
    of("msgserver_message", msgserver::message, 0, seeds::msgserver),
    of("pomelo_package", pomelo::package, 0, seeds::pomelo),
    of("pomelo_message", pomelo::message, 0, seeds::pomelo),
    of("pomelo_protobuf", pomelo::protobuf, 8, seeds::pomelo),
    of("pomelo_schema", pomelo::schema, 0, seeds::pomelo_files),
    of("pomelo_dictionary", pomelo::dictionary, 0, seeds::pomelo_files),
    of("pomelo_handshake", pomelo::handshake, 0, seeds::pomelo),
    of("pomelo_inflate", pomelo::inflate, 255, seeds::compressed),
    of("sysconn_message", sysconn::message, 0, seeds::sysconn),
    of("sysconn_body", sysconn::body, 0, seeds::sysconn),
    of("sysconn_inflate", sysconn::inflate, 255, seeds::compressed),
    of("native_frame", native::frame, 0, seeds::native),
    of("native_body", native::body, 0, seeds::native),
    of("native_client", native::client, 9, seeds::native),
    of("cuts", server::cuts, 0, server::seeds_of_cuts),
    of("whole_server", server::program, 0, server::seeds),
    of("sockets", server::sockets, 0, server::seeds_of_sockets),
];

/// The one of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}
