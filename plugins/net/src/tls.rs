//! TLS for listeners: certificates from files, and one session a connection.

use rustls::{
    ConfigBuilder, ServerConfig, ServerConnection, WantsVerifier,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::ProducesTickets,
};
use std::{
    fmt,
    fs::read,
    io::{self, BufRead, Write},
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};
use thiserror::Error;

/// A certificate and its key, for [`Listener::tls`](crate::Listener::tls). TLS 1.2 and 1.3. Clones share both, and a
/// [reload](Tls::reload).
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    certificate: PathBuf,
    key: PathBuf,
    /// Sessions are resumed by tickets that the clients keep: nothing is stored here for those who are gone.
    tickets: Arc<dyn ProducesTickets>,
    config: RwLock<Arc<ServerConfig>>,
}

/// Why a certificate or its key cannot be used.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// A file holds something else, or nothing.
    #[error("{} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file holds something else, or nothing.
    #[error("{} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// The key is another certificate's.
    #[error("the key in {} is not the key of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
    /// The key is of a kind that cannot be used, or the certificate is broken.
    #[error("the certificate in {} cannot be used with the key in {}: {error}", certificate.display(), key.display())]
    Unusable {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
        /// What the library said.
        error: rustls::Error,
    },
    /// There is no randomness.
    #[error("TLS cannot begin: {0}")]
    Unavailable(rustls::Error),
}

impl Tls {
    /// Reads a certificate, with the chain that leads to it, and its key.
    ///
    /// # Errors
    /// When a file cannot be read, holds something else, or the two do not belong together.
    pub fn from_pem_files(
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, TlsError> {
        let (certificate, key) = (certificate.into(), key.into());
        let tickets = ring::Ticketer::new().map_err(TlsError::Unavailable)?;
        let config = RwLock::new(load(&certificate, &key, &tickets)?);
        Ok(Self(Arc::new(Inner { certificate, key, tickets, config })))
    }

    /// Reads the files again. New connections get what is there now; open ones stay as they are.
    ///
    /// # Errors
    /// As [`Tls::from_pem_files`]. What was read before stays in use then.
    pub fn reload(&self) -> Result<(), TlsError> {
        let config = load(&self.0.certificate, &self.0.key, &self.0.tickets)?;
        *self.0.config.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The file of the certificate.
    pub fn certificate(&self) -> &Path {
        &self.0.certificate
    }

    /// The server's side of a new session.
    pub(crate) fn session(&self) -> Result<Box<Session>, rustls::Error> {
        let config = Arc::clone(&self.0.config.read().unwrap_or_else(PoisonError::into_inner));
        let mut connection = ServerConnection::new(config)?;
        // What is encrypted goes to the backlog at once, where it is bounded.
        connection.set_buffer_limit(None);
        Ok(Box::new(Session { connection, waiting: Vec::new() }))
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("certificate", &self.0.certificate)
            .field("key", &self.0.key)
            .finish_non_exhaustive()
    }
}

fn load(
    certificate: &Path,
    key: &Path,
    tickets: &Arc<dyn ProducesTickets>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let text =
        |path: &Path| read(path).map_err(|error| TlsError::Unreadable { path: path.to_owned(), error });
    let chain = CertificateDer::pem_slice_iter(&text(certificate)?).collect::<Result<Vec<_>, _>>();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::NoCertificate { path: certificate.to_owned() })?;
    let secret = PrivateKeyDer::from_pem_slice(&text(key)?);
    let secret = secret.map_err(|_| TlsError::NoKey { path: key.to_owned() })?;
    let refused = |error| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        match error {
            rustls::Error::InconsistentKeys(_) => TlsError::Mismatch { certificate, key },
            error => TlsError::Unusable { certificate, key, error },
        }
    };
    let mut config = builder()
        .map_err(TlsError::Unavailable)?
        .with_no_client_auth()
        .with_single_cert(chain, secret)
        .map_err(refused)?;
    // Asked for by browsers; other clients need not name a protocol.
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = Arc::clone(tickets);
    // One is enough to come back with.
    config.send_tls13_tickets = 1;
    Ok(Arc::new(config))
}

fn builder() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, rustls::Error> {
    ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
}

/// One connection's session: plaintext and ciphertext, in memory.
pub(crate) struct Session {
    connection: ServerConnection,
    /// What the world said before the handshake was over.
    waiting: Vec<u8>,
}

/// What ciphertext came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Opened {
    /// The peer has said that this was all.
    pub ended: bool,
    /// The handshake is over.
    pub greeted: bool,
}

impl Session {
    /// Bytes that wait for the end of the handshake.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Bytes of memory that they take.
    pub(crate) fn allocated(&self) -> usize {
        self.waiting.capacity()
    }

    /// Nothing of it is sent.
    pub(crate) fn forget(&mut self) {
        self.waiting = Vec::new();
    }

    /// Decrypts what came, and appends what the session itself has to say. An alert is appended in case of an error.
    pub(crate) fn open(
        &mut self,
        mut cipher: &[u8],
        plain: &mut Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Opened, rustls::Error> {
        let mut opened = Opened::default();
        while !cipher.is_empty() && !opened.ended {
            // Reading from memory fails only when the session can take no more; then it has said why.
            let read = self.connection.read_tls(&mut cipher).unwrap_or(0);
            let state = self.connection.process_new_packets();
            self.take_plain(plain);
            self.put_cipher(out);
            opened.ended = state?.peer_has_closed() || read == 0;
        }
        opened.greeted = !self.connection.is_handshaking();
        if opened.greeted && !self.waiting.is_empty() {
            let mut waiting = std::mem::take(&mut self.waiting);
            self.seal(&mut waiting, out);
        }
        Ok(opened)
    }

    fn take_plain(&mut self, plain: &mut Vec<u8>) {
        let mut reader = self.connection.reader();
        while let Ok(chunk) = reader.fill_buf() {
            if chunk.is_empty() {
                break;
            }
            plain.extend_from_slice(chunk);
            let taken = chunk.len();
            reader.consume(taken);
        }
    }

    /// Encrypts all of `plain`, leaving it empty.
    pub(crate) fn seal(&mut self, plain: &mut Vec<u8>, out: &mut Vec<u8>) {
        if self.connection.is_handshaking() {
            self.waiting.append(plain);
            return;
        }
        // To memory, without a limit: it cannot fail.
        let _ = self.connection.writer().write_all(plain);
        plain.clear();
        self.put_cipher(out);
    }

    /// Says that this was all.
    pub(crate) fn close(&mut self, out: &mut Vec<u8>) {
        self.connection.send_close_notify();
        self.put_cipher(out);
    }

    fn put_cipher(&mut self, out: &mut Vec<u8>) {
        while self.connection.wants_write() {
            if self.connection.write_tls(out).is_err() {
                break;
            }
        }
    }
}
