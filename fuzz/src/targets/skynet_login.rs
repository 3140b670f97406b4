//! The six lines of skynet's login server, from both ends.

use crate::bytes::first;
use portcullis::skynet::login::wire::{Client, Server, Status, Step, Token};

const CHALLENGE: [u8; 8] = *b"nonsense";
const SERVERS: [u8; 8] = [3, 1, 4, 1, 5, 9, 2, 6];
const CLIENTS: [u8; 8] = [2, 7, 1, 8, 2, 8, 1, 8];

/// Lines to a server: all of them strange, or behind as many good ones as the first byte says.
pub fn lines(data: &[u8]) {
    let (good, strange) = first(data);
    let mut server = Server::new(CHALLENGE, SERVERS);
    if good % 3 > 0 {
        begin(&mut server, strange, good % 3 > 1);
    }
    let (mut over, mut said) = (false, Vec::new());
    for line in strange.split(|&byte| byte == b'\n') {
        let before = said.len();
        match server.line(line, &mut said) {
            Step::Wait => assert!(!over),
            Step::Ignored => assert!(over && said.len() == before),
            Step::Unauthorized(_) => {
                assert!(!over);
                over = true;
            }
            Step::Token(presented) => {
                assert!(!over && presented.token.len() <= line.len());
                over = true;
                token(&presented.token);
            }
        }
        client(line, strange);
        token(line);
        if let Some(status) = Status::parse(line) {
            let mut again = Vec::new();
            status.write(&mut again);
            assert_eq!(Status::parse(again.strip_suffix(b"\n").unwrap()), Some(status));
        }
    }
    assert!(said.len() <= 13, "the server's key is said once, and no more");
}

/// Good lines up to the proof, or with a token too: then it is the strange bytes.
fn begin(server: &mut Server, strange: &[u8], with_token: bool) {
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    server.write_challenge(&mut to_client);
    let challenge = to_client.strip_suffix(b"\n").unwrap();
    let client = Client::new(CLIENTS).challenge(challenge, &mut to_server).unwrap();
    to_client.clear();
    assert!(matches!(server.line(to_server.strip_suffix(b"\n").unwrap(), &mut to_client), Step::Wait));
    to_server.clear();
    client.prove(to_client.strip_suffix(b"\n").unwrap(), strange, &mut to_server).unwrap();
    let mut lines = to_server.strip_suffix(b"\n").unwrap().split(|&byte| byte == b'\n');
    assert!(matches!(server.line(lines.next().unwrap(), &mut to_client), Step::Wait));
    if with_token {
        let Step::Token(presented) = server.line(lines.next().unwrap(), &mut to_client) else {
            panic!("a good line brings a token");
        };
        assert_eq!(*presented.token, strange, "what a client encrypts is what the server reads");
        token(&presented.token);
        *server = Server::new(CHALLENGE, SERVERS);
    }
}

fn client(line: &[u8], token: &[u8]) {
    let mut said = Vec::new();
    if let Ok(challenged) = Client::new(CLIENTS).challenge(line, &mut said) {
        let before = said.len();
        if challenged.prove(line, token, &mut said).is_err() {
            assert_eq!(said.len(), before);
        }
    }
}

fn token(bytes: &[u8]) {
    let Some(token) = Token::parse(bytes) else { return };
    if !token.user.is_empty() && !token.server.is_empty() && !token.password.is_empty() {
        assert_eq!(Token::parse(&token.encode()), Some(token));
    }
}
