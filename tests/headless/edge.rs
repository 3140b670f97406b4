//! Health checks, certificates, and reading them again.

use crate::running::{Running, connect, portcullis};
use std::{
    fs,
    io::{Read, Write},
    net::SocketAddr,
    path::PathBuf,
};

/// A new folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn get(address: SocketAddr, path: &str) -> String {
    let mut socket = connect(address);
    write!(socket, "GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_load_balancer_is_told_that_the_server_is_well() {
    let server = Running::start(&[]);
    assert!(get(server.address("pomelo"), "/health").starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(get(server.address("pomelo"), "/").starts_with("HTTP/1.1 426 Upgrade Required\r\n"));
}

#[test]
fn a_certificate_is_made_on_request_and_never_over_another() {
    let folder = folder("certificate");
    let make = || portcullis().arg("--write-certificate").arg(&folder).output().unwrap();
    let made = make();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(said.contains("tls_certificate = ") && said.contains("tls_key = "), "{said}");
    let key = fs::read_to_string(folder.join("key.pem")).unwrap();
    let again = make();
    assert_eq!(again.status.code(), Some(2));
    assert!(String::from_utf8(again.stderr).unwrap().contains("move it away"));
    assert_eq!(fs::read_to_string(folder.join("key.pem")).unwrap(), key);
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_the_key_that_is_made() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("key");
    assert!(portcullis().arg("--write-certificate").arg(&folder).status().unwrap().success());
    let mode = fs::metadata(folder.join("key.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_hangup_reads_certificates_again_and_a_broken_one_ends_nothing() {
    let folder = folder("reload");
    assert!(portcullis().arg("--write-certificate").arg(&folder).status().unwrap().success());
    let path = |name: &str| folder.join(name).display().to_string();
    let server = Running::start(&[
        ("PORTCULLIS_LISTENER_ECHO_TLS_CERTIFICATE", &path("certificate.pem")),
        ("PORTCULLIS_LISTENER_ECHO_TLS_KEY", &path("key.pem")),
    ]);
    fs::write(folder.join("certificate.pem"), "no certificate").unwrap();
    server.signal("-HUP");
    // A signal is handled before what comes after it.
    assert!(get(server.address("pomelo"), "/health").starts_with("HTTP/1.1 200 OK\r\n"));
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
}
