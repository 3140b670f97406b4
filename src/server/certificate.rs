//! A certificate to develop with: nobody trusts it but whoever is told to.

use super::Failure;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::Path,
};

/// What it is for: this machine, by its names.
const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Makes a certificate and its key in this folder, and says how to use them. What is there already is left alone.
pub fn write(folder: &Path) -> Result<String, Failure> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(NAMES.map(str::to_owned))
        .map_err(|error| Failure::Internal(format!("no certificate could be made: {error}")))?;
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    create(&key, &signing_key.serialize_pem(), true)?;
    create(&certificate, &cert.pem(), false)?;
    Ok(format!(
        "A certificate for {}, to develop with: clients must be told to trust it. In a [listener.NAME]:\n\
         tls_certificate = {:?}\n\
         tls_key = {:?}\n",
        NAMES.join(", "),
        certificate.display().to_string(),
        key.display().to_string()
    ))
}

fn create(path: &Path, text: &str, secret: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if secret {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = secret;
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| Failure::Folder { path: path.to_path_buf(), error })
}

/// What to do about it.
pub fn mend(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AlreadyExists => "move it away, or choose another folder",
        io::ErrorKind::NotFound => "make the folder first",
        _ => "choose a folder that this user may write to",
    }
}
