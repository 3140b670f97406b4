//! The PROXY protocol: a header before everything else, by which a proxy tells whom it speaks for (`HAProxy`'s
//! `proxy-protocol.txt`, versions 1 and 2).

use super::End;
use portcullis_core::Cause;
use ppp::{PartialResult, v1, v2};
use std::net::SocketAddr;

/// The longest header of version 1, line end included.
const MAX_LINE: usize = 107;
/// The longest header of version 2 that is taken: addresses, and a page of what proxies like to add.
const MAX_BINARY: usize = 4 * 1024;

/// A header as it comes.
#[derive(Debug, Default)]
pub(crate) struct ProxyHeader {
    bytes: Vec<u8>,
}

/// A header that is complete.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// How many bytes of the last input belonged to it.
    pub used: usize,
    /// The client; none when the proxy speaks for itself, or does not know.
    pub client: Option<SocketAddr>,
}

impl ProxyHeader {
    /// Bytes of memory that an incomplete header takes.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes bytes up to the end of the header.
    pub(crate) fn feed(&mut self, input: &[u8]) -> Result<Option<Proxied>, End> {
        let before = self.bytes.len();
        let room = MAX_BINARY.saturating_sub(before);
        self.bytes.extend_from_slice(input.get(..room).unwrap_or(input));
        let parsed =
            if self.bytes.first() == Some(&b'P') { line(&self.bytes)? } else { binary(&self.bytes)? };
        match parsed {
            Some((length, client)) => {
                self.bytes = Vec::new();
                Ok(Some(Proxied { used: length.saturating_sub(before), client }))
            }
            None if self.bytes.len() >= MAX_BINARY => Err(broken()),
            None => Ok(None),
        }
    }
}

fn broken() -> End {
    End { cause: Cause::Malformed, code: None }
}

/// Length and client of a header of version 1, once its line is complete.
fn line(bytes: &[u8]) -> Result<Option<(usize, Option<SocketAddr>)>, End> {
    let prefix = v1::PROTOCOL_PREFIX.as_bytes();
    let known = bytes.len().min(prefix.len());
    if bytes.get(..known) != prefix.get(..known) {
        return Err(broken());
    }
    let Some(end) = bytes.iter().take(MAX_LINE).position(|&byte| byte == b'\n') else {
        return if bytes.len() >= MAX_LINE { Err(broken()) } else { Ok(None) };
    };
    let line = bytes.get(..=end).unwrap_or_default();
    let header = v1::Header::try_from(line).map_err(|_| broken())?;
    let client = match header.addresses {
        v1::Addresses::Unknown => None,
        v1::Addresses::Tcp4(it) => Some(SocketAddr::from((it.source_address, it.source_port))),
        v1::Addresses::Tcp6(it) => Some(SocketAddr::from((it.source_address, it.source_port))),
    };
    Ok(Some((line.len(), client)))
}

/// Length and client of a header of version 2, once it is complete.
fn binary(bytes: &[u8]) -> Result<Option<(usize, Option<SocketAddr>)>, End> {
    let header = match v2::Header::try_from(bytes) {
        Ok(header) => header,
        Err(error) if error.is_incomplete() => return Ok(None),
        Err(_) => return Err(broken()),
    };
    let client = match (header.command, header.protocol, header.addresses) {
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv4(it)) => {
            Some(SocketAddr::from((it.source_address, it.source_port)))
        }
        (v2::Command::Proxy, v2::Protocol::Stream, v2::Addresses::IPv6(it)) => {
            Some(SocketAddr::from((it.source_address, it.source_port)))
        }
        _ => None,
    };
    Ok(Some((header.len(), client)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v2(command: v2::Command, addresses: impl Into<v2::Addresses>) -> Vec<u8> {
        let builder =
            v2::Builder::with_addresses(v2::Version::Two | command, v2::Protocol::Stream, addresses);
        builder.write_tlv(v2::Type::NetworkNamespace, b"some").unwrap().build().unwrap()
    }

    #[track_caller]
    fn reads(header: &[u8], client: Option<&str>) {
        let client = client.map(|client| client.parse().unwrap());
        let stream = [header, b"\x01rest"].concat();
        for piece in [1, 2, 5, 13, 40, stream.len()] {
            let mut reader = ProxyHeader::default();
            let mut read = 0;
            let proxied = loop {
                let end = (read + piece).min(stream.len());
                match reader.feed(&stream[read..end]).unwrap() {
                    Some(proxied) => break proxied,
                    None => read = end,
                }
            };
            assert_eq!((read + proxied.used, proxied.client), (header.len(), client), "pieces of {piece}");
        }
    }

    #[test]
    fn both_versions_tell_the_client_however_they_are_cut() {
        reads(b"PROXY TCP4 192.0.2.1 10.0.0.1 5000 80\r\n", Some("192.0.2.1:5000"));
        reads(b"PROXY TCP6 2001:db8::1 ::1 5000 80\r\n", Some("[2001:db8::1]:5000"));
        let ipv4 = v2::IPv4::new([192, 0, 2, 9], [10, 0, 0, 1], 7, 80);
        reads(&v2(v2::Command::Proxy, ipv4), Some("192.0.2.9:7"));
        let source = [0x2001, 0xdb8, 0, 0, 0, 0, 0, 2];
        reads(&v2(v2::Command::Proxy, v2::IPv6::new(source, [0; 8], 8, 80)), Some("[2001:db8::2]:8"));
    }

    #[test]
    fn a_proxy_may_speak_for_itself_or_not_know() {
        reads(b"PROXY UNKNOWN\r\n", None);
        reads(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None);
        reads(&v2(v2::Command::Local, v2::IPv4::new([192, 0, 2, 9], [10, 0, 0, 1], 7, 80)), None);
        reads(&v2(v2::Command::Proxy, v2::Addresses::Unspecified), None);
    }

    #[test]
    fn what_is_no_header_is_an_end() {
        let long = [b"PROXY TCP4 ", &[b'1'; 100][..]].concat();
        let mut large = v2(v2::Command::Local, v2::Addresses::Unspecified);
        large[14..16].copy_from_slice(&[0xff; 2]);
        large.resize(MAX_BINARY, 0);
        for bytes in
            [&b"\x01"[..], b"GET / HTTP/1.1", b"POST", b"PROXY TCP4 a b c d\r\n", b"PROXY\n", &long, &large]
        {
            assert_eq!(ProxyHeader::default().feed(bytes), Err(broken()), "{bytes:?}");
        }
    }
}
