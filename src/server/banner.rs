//! What listens where, and how to poke at it.

use super::config::{Accounts, Config, Listener, LogIn, Serve, Source, Speaks};
use portcullis::{net::ListenerHandle, prelude::*};
use std::{
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

/// Tells the operator. The addresses are the real ones, also where port 0 was asked for.
///
/// # Errors
/// When nobody takes it: no reason for a server not to run.
pub fn write(out: &mut impl Write, app: &mut App, config: &Config, source: &Source) -> io::Result<()> {
    let world = app.world_mut();
    let mut listeners: Vec<(String, SocketAddr)> = world
        .query::<(&Name, &ListenerHandle)>()
        .iter(world)
        .map(|(name, handle)| (name.to_string(), handle.address()))
        .collect();
    listeners.sort();
    writeln!(out, "portcullis {} runs {}", env!("CARGO_PKG_VERSION"), source.name())?;
    for (name, address) in listeners {
        let Some(settings) = config.listener.get(&name) else { continue };
        writeln!(
            out,
            "{name}: {address} speaks {}, serves {}",
            settings.protocol.word(),
            settings.serve.word()
        )?;
        for line in poke(settings, reachable(address)) {
            writeln!(out, "    {line}")?;
        }
        if settings.login == LogIn::Accounts {
            writeln!(out, "    clients log in by accounts {}", accounts(&config.accounts))?;
        }
    }
    writeln!(out, "Ctrl-C stops it; twice, at once")?;
    out.flush()
}

fn poke(settings: &Listener, address: SocketAddr) -> Vec<String> {
    let (host, port) = (address.ip(), address.port());
    let tls = !settings.tls_certificate.is_empty();
    match (settings.protocol, settings.serve) {
        (Speaks::Pomelo, Serve::Connector) => vec![
            match tls {
                true => format!("curl --insecure https://{address}/health"),
                false => format!("curl http://{address}/health"),
            },
            "or any client of Pomelo's, over TCP or WebSocket: cargo run --example pomelo_chat has a page"
                .into(),
        ],
        (Speaks::Sysconn, Serve::Roles) => vec![
            match tls {
                true => format!("curl --insecure https://{address}/health"),
                false => format!("curl http://{address}/health"),
            },
            format!(
                "or open assets/sysconn.html in a browser, and let it connect to {}://{address}",
                if tls { "wss" } else { "ws" }
            ),
        ],
        (_, Serve::SimpleDb | Serve::Login | Serve::MsgAgent | Serve::Echo | Serve::Chat) if tls => {
            vec![format!("openssl s_client -connect {address}")]
        }
        (Speaks::Skynet, Serve::SimpleDb) => vec![
            format!("printf '\\0\\004\\025\\002\\004\\004' | nc -q1 {host} {port} | xxd"),
            "or skynet's own client, unmodified: 3rd/lua/lua examples/client.lua (it connects to port 8888)"
                .into(),
        ],
        (Speaks::SkynetLogin, Serve::Login) => vec![
            format!("printf 'hello\\n' | nc -q1 {host} {port}"),
            "or skynet's own client, unmodified: 3rd/lua/lua examples/login/client.lua (it connects to ports 8001 and 8888)"
                .into(),
        ],
        (Speaks::MsgServer, Serve::MsgAgent) => vec![
            format!("printf '\\0\\003x::' | nc -q1 {host} {port} | xxd"),
            format!("users of {:?} log in at a login server first", settings.server),
        ],
        (Speaks::Raw, Serve::Echo) => vec![format!("printf '\\0\\005hello' | nc -q1 {host} {port} | xxd")],
        (Speaks::Native, Serve::Chat) => {
            let password = if settings.login == LogIn::Accounts { " \"correct horse\"" } else { "" };
            vec![format!("cargo run --example native_client -- ann hello {address}{password}")]
        }
        _ => vec!["nothing is served here: add a plugin that handles what it is asked".into()],
    }
}

/// Where they are, and whether there will be more of them.
fn accounts(accounts: &Accounts) -> String {
    let place = match accounts.file.as_str() {
        "" => "in memory: they are gone when the server stops".to_owned(),
        file => format!("in {file}"),
    };
    format!("{place}; registration is {}", if accounts.registration { "open" } else { "closed" })
}

/// Where to knock, from this machine, at what listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Listener {
        toml::from_str(&format!("address = \"0.0.0.0:0\"\n{text}")).unwrap()
    }

    #[test]
    fn commands_can_be_copied_as_they_are() {
        let everywhere = "0.0.0.0:8888".parse().unwrap();
        let skynet = settings("protocol = \"skynet\"\nserve = \"simpledb\"");
        let lines = poke(&skynet, reachable(everywhere));
        assert_eq!(lines[0], r"printf '\0\004\025\002\004\004' | nc -q1 127.0.0.1 8888 | xxd");
        assert_eq!(reachable("[::]:1".parse().unwrap()).to_string(), "[::1]:1");
        assert_eq!(reachable("192.0.2.1:1".parse().unwrap()).to_string(), "192.0.2.1:1");
    }

    #[test]
    fn a_login_server_and_its_game_server_say_what_they_can_be_asked() {
        let login = settings("protocol = \"skynet-login\"\nserve = \"login\"");
        let lines = poke(&login, "127.0.0.1:8001".parse().unwrap());
        assert_eq!(lines[0], r"printf 'hello\n' | nc -q1 127.0.0.1 8001");
        let game = settings("protocol = \"msgserver\"\nserve = \"msgagent\"");
        let lines = poke(&game, "127.0.0.1:8888".parse().unwrap());
        assert_eq!(lines[0], r"printf '\0\003x::' | nc -q1 127.0.0.1 8888 | xxd");
        assert!(lines[1].contains("\"sample\""), "{lines:?}");
    }

    #[test]
    fn a_chat_whose_clients_log_in_is_poked_with_a_password() {
        let chat = settings("protocol = \"native\"\nserve = \"chat\"\nlogin = \"accounts\"");
        let line = &poke(&chat, "127.0.0.1:4000".parse().unwrap())[0];
        assert!(line.ends_with("-- ann hello 127.0.0.1:4000 \"correct horse\""), "{line}");
    }

    #[test]
    fn a_page_is_told_where_to_connect_to() {
        let roles = settings("protocol = \"sysconn\"\nserve = \"roles\"");
        let lines = poke(&roles, "127.0.0.1:8005".parse().unwrap());
        assert_eq!(lines[0], "curl http://127.0.0.1:8005/health");
        assert!(lines[1].ends_with("connect to ws://127.0.0.1:8005"), "{lines:?}");
    }

    #[test]
    fn what_is_encrypted_is_not_poked_in_the_clear() {
        let tls = "tls_certificate = \"c.pem\"\ntls_key = \"k.pem\"";
        let address = "127.0.0.1:3010".parse().unwrap();
        let pomelo = settings(&format!("protocol = \"pomelo\"\nserve = \"connector\"\n{tls}"));
        assert_eq!(poke(&pomelo, address)[0], "curl --insecure https://127.0.0.1:3010/health");
        let echo = settings(&format!("protocol = \"raw\"\nserve = \"echo\"\n{tls}"));
        assert_eq!(poke(&echo, address), ["openssl s_client -connect 127.0.0.1:3010"]);
    }
}
