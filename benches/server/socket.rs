//! The client's end of a connection.

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    time::Duration,
};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, connect as connect_socket, socket_with, sockopt,
};

/// How long a server may leave the client waiting before the bench gives up.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// Connects to `server`, from `source` if given, with a blocking socket whose every wait is bounded by [`PATIENCE`].
///
/// Closing it resets the connection. A run must leave nothing behind for the next one, and an ordinary close leaves a
/// port in `TIME_WAIT` for a minute: one full `churn` is more of them than a client has ports, or Linux buckets.
pub fn connect(server: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Send, Some(PATIENCE))?;
    sockopt::set_socket_timeout(&socket, sockopt::Timeout::Recv, Some(PATIENCE))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(source) = source {
        bind(&socket, &SocketAddr::from((source, 0)))?;
    }
    connect_socket(&socket, &server)?;
    Ok(socket.into())
}
