//! The certificate of encrypted servers: made for one run, kept in a file so that the server can read it.

use std::{
    env, fs,
    io::{self, Error},
    path::{Path, PathBuf},
    process,
    sync::Arc,
};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::CertificateDer};

/// A certificate for 127.0.0.1; its files are gone when this is dropped.
pub struct Certificate {
    folder: PathBuf,
    certificate: CertificateDer<'static>,
}

impl Certificate {
    /// Makes one.
    pub fn make() -> io::Result<Self> {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["127.0.0.1".to_owned()]).map_err(Error::other)?;
        let folder = env::temp_dir().join(format!("portcullis-bench-{}", process::id()));
        fs::create_dir_all(&folder)?;
        let made = Self { folder, certificate: cert.der().clone() };
        let [certificate, key] = files(&made.folder);
        fs::write(certificate, cert.pem())?;
        fs::write(key, signing_key.serialize_pem())?;
        Ok(made)
    }

    /// The folder of its files.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a client needs that trusts it.
    pub fn client(&self) -> io::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).map_err(Error::other)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Arc::new(config))
    }
}

/// The files of a certificate and its key in a folder.
pub fn files(folder: &Path) -> [PathBuf; 2] {
    ["certificate.pem", "key.pem"].map(|name| folder.join(name))
}

impl Drop for Certificate {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).ok();
    }
}
