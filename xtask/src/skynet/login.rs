//! The conversation of `examples/login/client.lua` with a login server and a msgserver, reconnects and all.

use std::path::Path;

use super::{
    Error,
    client::{Client, Left},
};

/// How often it is played: what is right by luck alone is not right so often. Each login but the first meets a session of
/// the same user.
const TIMES: usize = 20;

/// What the client prints, with what is another each time where the braces are.
const SCRIPT: [&str; 14] = [
    "sceret is \t{}",
    "200 {}",
    "login ok, subid=\t{}",
    "connect",
    "200 OK",
    "===>\techo\t0",
    "disconnect",
    "connect again",
    "200 OK",
    "===>\tfake\t0",
    "===>\tagain\t1",
    // Asked before the connection was lost, and not what was asked under its number later.
    "<===\ttrue\techo\t0",
    "<===\ttrue\tagain\t1",
    "disconnect",
];

/// Plays the conversation, again and again, and prints the last one.
pub fn talk(checkout: &Path) -> Result<(), Error> {
    let mut last = String::new();
    for time in 1..=TIMES {
        let Left { status, out, err } = Client::start(checkout, "examples/login/client.lua")?.end()?;
        let seen = check(&out).and_then(|()| match status.success() {
            true => Ok(()),
            false => Err(format!("the client ended with {status}")),
        });
        if let Err(what) = seen {
            println!("{out}{err}");
            return Err(Error::OtherLogin { time, what });
        }
        last = out;
    }
    println!("==> {TIMES} logins; the last one:\n{last}");
    Ok(())
}

/// Compares what the client printed with the script, and says where they part.
fn check(out: &str) -> Result<(), String> {
    let mut lines = out.lines();
    for expected in SCRIPT {
        let line = lines.next().ok_or_else(|| format!("the client did not come to {expected:?}"))?;
        let same = match expected.strip_suffix("{}") {
            Some(start) => line.strip_prefix(start).is_some_and(|rest| !rest.is_empty()),
            None => line == expected,
        };
        if !same {
            return Err(format!("the client printed {line:?} in the place of {expected:?}"));
        }
    }
    match lines.next() {
        Some(line) => Err(format!("the client printed {line:?} after its end")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the client printed against skynet's own servers.
    const CONTENT: &str = "sceret is \t5c4b55725d4f0221\n200 MQ==\nlogin ok, subid=\t1\nconnect\n200 OK\n===>\techo\t0\n\
        disconnect\nconnect again\n200 OK\n===>\tfake\t0\n===>\tagain\t1\n<===\ttrue\techo\t0\n<===\ttrue\tagain\t1\n\
        disconnect\n";

    #[test]
    fn skynets_own_servers_make_the_client_content() {
        assert_eq!(check(CONTENT), Ok(()));
    }

    #[test]
    fn where_the_client_leaves_its_script_is_told() {
        let fake = CONTENT.replace("<===\ttrue\techo", "<===\ttrue\tfake");
        assert!(check(&fake).unwrap_err().contains(r"true\tfake"));
        let failed = CONTENT.replace("true\tagain", "false\tagain");
        assert!(check(&failed).unwrap_err().contains(r"false\tagain"));
        let refused = "sceret is \t5c4b55725d4f0221\n403 Forbidden\n";
        assert!(check(refused).unwrap_err().contains("403 Forbidden"));
        let cut = CONTENT.replace("connect again\n200 OK\n", "connect again\n");
        assert!(check(&cut).is_err());
        assert!(check("").unwrap_err().contains("sceret is"));
        assert!(check(&format!("{CONTENT}more\n")).unwrap_err().contains("more"));
    }
}
