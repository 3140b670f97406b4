//! The conversation of `examples/client.lua` with a gate.

use std::{path::Path, thread, time::Duration};

use super::{Error, client::Client};

/// The example server promises a heartbeat every 5 s: long enough for one.
const ONE_HEARTBEAT: Duration = Duration::from_secs(6);

/// Plays one conversation: two questions, a wait for a heartbeat, `quit`.
pub fn talk(checkout: &Path) -> Result<(), Error> {
    let mut client = Client::start(checkout, "examples/client.lua")?;
    client.say("hello\nnosuchkey\n")?;
    // The client prints into a buffer that it empties only at its end, so there is no line to wait for.
    thread::sleep(ONE_HEARTBEAT);
    client.say("quit\n")?;
    let left = client.end()?;
    let missing = not_seen(&left.out, &left.err);
    if missing.is_empty() {
        return Ok(());
    }
    println!("{}{}", left.out, left.err);
    Err(Error::NotSeen(missing))
}

/// What of the conversation is missing in what the client printed. It prints the name of a package, then its fields.
fn not_seen(out: &str, err: &str) -> Vec<&'static str> {
    let lines: Vec<_> = out.lines().collect();
    let after = |name: &str| {
        let position = lines.iter().position(|line| *line == name)?;
        Some(lines.get(position + 1).copied().unwrap_or_default())
    };
    let seen = [
        (
            "the welcome (RESPONSE 1)",
            after("RESPONSE\t1").is_some_and(|line| line.starts_with("msg\tWelcome to skynet")),
        ),
        ("what was set for `hello` (RESPONSE 3)", after("RESPONSE\t3") == Some("result\tworld")),
        (
            "an answer without a value for `nosuchkey` (RESPONSE 4)",
            after("RESPONSE\t4").is_some_and(|line| !line.starts_with("result")),
        ),
        ("a heartbeat", lines.contains(&"REQUEST\theartbeat")),
        ("the server closing after `quit`", err.contains("Server closed")),
    ];
    seen.iter().filter(|(_, seen)| !seen).map(|(what, _)| *what).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client printed against skynet's own server.
    const CONTENT: &str = "Request:\t1\nRequest:\t2\nRequest:\t3\nRequest:\t4\nRESPONSE\t1\n\
        msg\tWelcome to skynet, I will send heartbeat every 5 sec.\nRESPONSE\t2\nRESPONSE\t3\nresult\tworld\n\
        RESPONSE\t4\nREQUEST\theartbeat\nRequest:\t5\n";
    const CLOSED: &str = "3rd/lua/lua: examples/client.lua:46: Server closed\n";

    #[test]
    fn skynets_own_server_makes_the_client_content() {
        assert_eq!(not_seen(CONTENT, CLOSED), [] as [&str; 0]);
    }

    #[test]
    fn each_missing_part_is_named() {
        for (from, to, part) in [
            ("Welcome to skynet", "Hi", "welcome"),
            ("result\tworld", "result\tmoon", "`hello`"),
            ("RESPONSE\t4\n", "RESPONSE\t4\nresult\tworld\n", "`nosuchkey`"),
            ("RESPONSE\t4\n", "", "`nosuchkey`"),
            ("REQUEST\theartbeat\n", "", "heartbeat"),
        ] {
            let missing = not_seen(&CONTENT.replace(from, to), CLOSED);
            assert!(matches!(missing[..], [what] if what.contains(part)), "{part}: {missing:?}");
        }
        assert_eq!(not_seen(CONTENT, ""), ["the server closing after `quit`"]);
        assert_eq!(not_seen("", "").len(), 5);
    }
}
