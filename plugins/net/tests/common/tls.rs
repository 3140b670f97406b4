//! Certificates made for a test, and a client that believes them.

#![allow(dead_code, reason = "each test file uses its part of it")]

use portcullis_net::Tls;
use rcgen::{CertifiedKey, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, crypto::ring, pki_types::CertificateDer,
};
use std::{
    fs::{create_dir_all, write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

/// The files of a server's certificate and key.
pub struct Files {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Files {
    /// Of this name, which no other test uses.
    pub fn new(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        create_dir_all(&folder).unwrap();
        Self {
            certificate: folder.join(format!("{name}-certificate.pem")),
            key: folder.join(format!("{name}-key.pem")),
        }
    }

    /// Writes a new certificate, and gives it for clients to believe.
    pub fn renew(&self) -> CertificateDer<'static> {
        let CertifiedKey { cert, signing_key } = generate();
        write(&self.certificate, cert.pem()).unwrap();
        write(&self.key, signing_key.serialize_pem()).unwrap();
        cert.der().clone()
    }

    pub fn tls(&self) -> Tls {
        Tls::from_pem_files(&self.certificate, &self.key).unwrap()
    }
}

pub fn generate() -> CertifiedKey<KeyPair> {
    rcgen::generate_simple_self_signed(vec!["localhost".into()]).unwrap()
}

/// What a client takes for the server's.
pub type Believed = CertificateDer<'static>;

pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// A client's stream that believes this certificate alone. The handshake comes with the first read or write.
pub fn connect(address: SocketAddr, believed: &CertificateDer<'static>) -> TlsStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    over(socket, believed)
}

/// As [`connect`], over a socket that is connected.
pub fn over(socket: TcpStream, believed: &CertificateDer<'static>) -> TlsStream {
    let mut roots = RootCertStore::empty();
    roots.add(believed.clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    StreamOwned::new(session, socket)
}
