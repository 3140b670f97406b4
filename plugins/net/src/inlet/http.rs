//! The HTTP of the edge: the request that asks for a WebSocket, and short answers to all others.

use tungstenite::handshake::derive_accept_key;

/// The longest request head, in bytes: what browsers send with cookies is half of that.
const MAX_HEAD: usize = 8 * 1024;
/// The most header lines.
const MAX_HEADERS: usize = 64;
/// A key is 16 bytes in base64.
const KEY_LENGTH: usize = 24;

const BAD_REQUEST: &str = "400 Bad Request";
const UPGRADE_REQUIRED: &str = "426 Upgrade Required";

/// To a peer that has been closed before it could ask for anything: there may be room again soon.
pub(crate) const UNAVAILABLE: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nRetry-After: 5\r\nContent-Length: 0\r\n\r\n";
/// To one that took too long to ask.
pub(crate) const TIMED_OUT: &[u8] =
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// A request head as it comes.
#[derive(Debug, Default)]
pub(crate) struct Head {
    bytes: Vec<u8>,
}

/// What is to be said to a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// The whole response.
    pub response: Vec<u8>,
    /// The connection is a WebSocket from here on; otherwise it is over.
    pub upgraded: bool,
    /// What the proxies before us say about the client, as one list.
    pub forwarded: String,
}

impl Head {
    /// Bytes of memory that an incomplete head takes.
    pub(crate) fn allocated(&self) -> usize {
        self.bytes.capacity()
    }

    /// Takes bytes up to the end of the head, and gives how many it took, and the reply when the head is complete.
    pub(crate) fn feed(&mut self, input: &[u8], health_path: &str) -> (usize, Option<Reply>) {
        let before = self.bytes.len();
        self.bytes.extend_from_slice(&input[..input.len().min(MAX_HEAD - before)]);
        // Looked at only when its end is there, so that a head in single bytes costs no more than one at once.
        match end_of_head(&self.bytes, before.saturating_sub(3)) {
            Some(end) => {
                let reply = answer(&self.bytes[..end], health_path);
                self.bytes = Vec::new();
                (end - before, Some(reply))
            }
            None if self.bytes.len() == MAX_HEAD => {
                self.bytes = Vec::new();
                (input.len(), Some(Reply::refusal("431 Request Header Fields Too Large", "", "")))
            }
            None => (input.len(), None),
        }
    }
}

impl Reply {
    /// To what is no request at all.
    pub(crate) fn nonsense() -> Self {
        Self::refusal(BAD_REQUEST, "", "this is no HTTP request\n")
    }

    fn refusal(status: &str, headers: &str, body: &str) -> Self {
        let length = body.len();
        let response = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{headers}Content-Type: text/plain\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        Self { response: response.into_bytes(), upgraded: false, forwarded: String::new() }
    }
}

/// Just behind the empty line.
fn end_of_head(bytes: &[u8], from: usize) -> Option<usize> {
    let newlines = bytes.iter().enumerate().skip(from).filter(|&(_, &byte)| byte == b'\n');
    newlines
        .map(|(at, _)| at + 1)
        .find(|&end| bytes[..end].ends_with(b"\n\r\n") || bytes[..end].ends_with(b"\n\n"))
}

fn answer(head: &[u8], health_path: &str) -> Reply {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(_)) = request.parse(head) else {
        return Reply::nonsense();
    };
    let (method, target) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    let lines = Lines(request.headers);
    let reply = if lines.names("upgrade", "websocket") {
        match accept(method, request.version, &lines) {
            Ok(response) => Reply { response, upgraded: true, forwarded: String::new() },
            // A client that knows several versions tries the one it is told. 426 would do for that too (RFC 6455, 4.4);
            // 400 is what the servers say whose clients come here.
            Err(why) => Reply::refusal(BAD_REQUEST, "Sec-WebSocket-Version: 13\r\n", why),
        }
    } else {
        let path = target.split(['?', '#']).next().unwrap_or_default();
        match (path == health_path, method) {
            (true, "GET") => Reply::refusal("200 OK", "", "ok"),
            (true, "HEAD") => Reply {
                response: b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n".to_vec(),
                upgraded: false,
                forwarded: String::new(),
            },
            (_, "HEAD") => Reply::refusal(UPGRADE_REQUIRED, "Upgrade: websocket\r\n", ""),
            _ => Reply::refusal(UPGRADE_REQUIRED, "Upgrade: websocket\r\n", "this is a WebSocket server\n"),
        }
    };
    Reply { forwarded: lines.all("x-forwarded-for"), ..reply }
}

/// The response that makes a connection a WebSocket (RFC 6455, 4.2.2), or what is wrong with the request. Any path and
/// any origin will do; extensions are declined by silence.
fn accept(method: &str, version: Option<u8>, lines: &Lines) -> Result<Vec<u8>, &'static str> {
    if method != "GET" || version != Some(1) {
        return Err("a WebSocket begins with a GET of HTTP/1.1\n");
    }
    if !lines.names("connection", "upgrade") {
        return Err("there is no `Connection: Upgrade`\n");
    }
    if lines.one("sec-websocket-version") != Some("13") {
        return Err("this is not version 13 of WebSocket\n");
    }
    let key = lines.one("sec-websocket-key").filter(|key| is_key(key)).ok_or("there is no good key\n")?;
    let accept = derive_accept_key(key.as_bytes());
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n"
    );
    let offered = lines.one("sec-websocket-protocol").unwrap_or_default();
    let first = offered.split(',').next().unwrap_or_default().trim();
    if !first.is_empty() && first.bytes().all(|byte| byte.is_ascii_graphic()) {
        response.push_str(&format!("Sec-WebSocket-Protocol: {first}\r\n"));
    }
    response.push_str("\r\n");
    Ok(response.into_bytes())
}

fn is_key(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else { return false };
    key.len() == KEY_LENGTH
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

struct Lines<'a>(&'a [httparse::Header<'a>]);

impl Lines<'_> {
    fn values<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b str> {
        let of_name = self.0.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
        of_name.filter_map(|header| std::str::from_utf8(header.value).ok()).map(str::trim)
    }

    /// The value of a header that is there.
    fn one<'b>(&'b self, name: &'b str) -> Option<&'b str> {
        self.values(name).next()
    }

    /// Whether a header that is a list holds this word.
    fn names(&self, name: &str, word: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(','))
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    }

    /// All values of a header that may come more than once, as one list. Bytes that are no text must not hide those
    /// beside them: a proxy adds its word to whatever a client has sent.
    fn all(&self, name: &str) -> String {
        let of_name = self.0.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
        of_name.map(|header| String::from_utf8_lossy(header.value)).collect::<Vec<_>>().join(",")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UPGRADE: &str = "GET /chat?x HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Protocol: pomelo, other\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

    fn reply(head: &str) -> (String, bool) {
        let (used, reply) = Head::default().feed(head.as_bytes(), "/health");
        assert_eq!(used, head.len());
        let reply = reply.unwrap();
        (String::from_utf8(reply.response).unwrap(), reply.upgraded)
    }

    #[track_caller]
    fn status(head: &str, expected: &str) {
        let (response, upgraded) = reply(head);
        assert!(!upgraded && response.starts_with(&format!("HTTP/1.1 {expected} ")), "{response}");
        assert!(response.contains("Connection: close\r\n"), "{response}");
    }

    #[test]
    fn an_upgrade_is_accepted_with_the_first_subprotocol_and_no_extension() {
        let (response, upgraded) = reply(UPGRADE);
        assert!(upgraded && response.starts_with("HTTP/1.1 101 ") && response.ends_with("\r\n\r\n"));
        assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
        assert!(response.contains("Sec-WebSocket-Protocol: pomelo\r\n"));
        assert!(!response.contains("Extensions"));
    }

    #[test]
    fn an_upgrade_that_lacks_something_is_a_bad_request() {
        for (part, instead) in [
            ("GET", "POST"),
            ("HTTP/1.1", "HTTP/1.0"),
            ("Sec-WebSocket-Version", "X-Version"),
            ("Key: dGhlIHNhbXBsZSBub25jZQ==", "Key: dGhlIHNhbXBsZSBub25jZQ"),
            ("Sec-WebSocket-Key", "X-Key"),
            ("keep-alive, Upgrade", "close"),
        ] {
            status(&UPGRADE.replace(part, instead), "400");
        }
    }

    #[test]
    fn another_version_is_told_which_is_spoken() {
        for version in ["8", "14", "13, 8", ""] {
            let head = UPGRADE.replace("Version: 13", &format!("Version: {version}"));
            status(&head, "400");
            assert!(reply(&head).0.contains("Sec-WebSocket-Version: 13\r\n"));
        }
    }

    #[test]
    fn names_are_of_any_case_and_values_are_trimmed() {
        let head = UPGRADE.replace("Sec-WebSocket-Key: ", "sec-websocket-KEY:\t ").replace("==", "== ");
        let head =
            head.replace("Upgrade: WebSocket", "UPGRADE:websocket\t").replace("Version: 13", "VERSION:  13 ");
        let head = head.replace("Connection: keep-alive, Upgrade", "cONNECTION: keep-alive , upgrade ");
        assert_eq!(reply(&head), reply(UPGRADE));
    }

    #[test]
    fn plain_requests_are_told_what_this_is() {
        status("GET /health HTTP/1.1\r\n\r\n", "200");
        status("GET /health?probe HTTP/1.0\n\n", "200");
        status("HEAD /health HTTP/1.1\r\n\r\n", "200");
        status("POST /health HTTP/1.1\r\n\r\n", "426");
        status("GET / HTTP/1.1\r\n\r\n", "426");
        status("GARBAGE\r\n\r\n", "400");
        assert!(reply("GET / HTTP/1.1\r\n\r\n").0.contains("Upgrade: websocket\r\n"));
        assert!(reply("GET /health HTTP/1.1\r\n\r\n").0.ends_with("\r\n\r\nok"));
    }

    #[test]
    fn any_cut_of_a_head_gives_the_same_reply() {
        let whole = Head::default().feed(UPGRADE.as_bytes(), "");
        for piece in [1, 2, 3, 7, 100] {
            let mut head = Head::default();
            let mut given = None;
            for bytes in UPGRADE.as_bytes().chunks(piece) {
                let (used, reply) = head.feed(bytes, "");
                assert_eq!(used, bytes.len());
                given = reply;
            }
            assert_eq!(given, whole.1, "pieces of {piece}");
        }
    }

    #[test]
    fn what_follows_the_head_is_left() {
        let (used, reply) = Head::default().feed(format!("{UPGRADE}more").as_bytes(), "");
        assert_eq!((used, reply.unwrap().upgraded), (UPGRADE.len(), true));
    }

    #[test]
    fn a_head_has_an_end() {
        let mut head = Head::default();
        let line = format!("X: {}\r\n", "x".repeat(MAX_HEAD / 2));
        assert_eq!(head.feed(line.as_bytes(), "").1, None);
        let (_, reply) = head.feed(line.as_bytes(), "");
        assert!(reply.unwrap().response.starts_with(b"HTTP/1.1 431 "));
    }

    #[test]
    fn all_that_proxies_say_is_one_list() {
        let head = UPGRADE.replace("Host: a", "X-Forwarded-For: a, b\r\nx-forwarded-for: c");
        assert_eq!(Head::default().feed(head.as_bytes(), "").1.unwrap().forwarded, "a, b,c");
    }
}
