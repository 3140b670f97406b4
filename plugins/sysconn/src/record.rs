//! The connection record of the original, for queries.

use bevy_ecs::{prelude::*, query::QueryData};
use portcullis_core::{Connection, Traffic};
use std::{net::IpAddr, time::Duration};

/// What `sys_conn` keeps of a connection, beside what every [`Connection`] has. It stands on each connection of this
/// protocol; read it together with the rest as [`Record`].
///
/// The plugin keeps [`role`](Self::role) and the counters, and sets [`account`](Self::account) at a login that names one.
/// The rest is the game's to set: the original declares it, and never fills it.
#[derive(Component, Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientRecord {
    /// The kind of client, where the original has game clients, monitors and testers. The game's to number and to set.
    pub kind: u8,
    /// The account that logged in.
    pub account: Option<Box<str>>,
    /// What the client runs on: "web", "ios" … The game's to set.
    pub platform: Option<Box<str>>,
    /// The zone, or game server, the role is of. The game's to set.
    pub zone: u32,
    /// The role that is logged in; 0 before that.
    pub role: u32,
    /// Who plays the role in its owner's stead. The game's to set.
    pub custodian: Option<Custodian>,
    /// Requests whose `DataSize` was another than that of their body. No mistake, but it tells of odd clients.
    pub size_mismatches: u32,
    /// Commands of a game's modules that came before the login, and were dropped, as the original does.
    pub early: u32,
}

/// Somebody who plays a role that is not theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Custodian {
    /// Their account.
    pub account: Box<str>,
    /// Their own role.
    pub role: u32,
}

/// All the original's connection record has, as one query.
///
/// | original | here |
/// | --- | --- |
/// | `socket` | [`entity`](RecordItem::entity): the connection itself |
/// | `object`, `pid_object` | [`ForwardedTo`](portcullis_core::ForwardedTo), the agent, and [`BoundTo`](portcullis_core::BoundTo), its session |
/// | `type` | [`client.kind`](ClientRecord::kind) |
/// | `account` | [`client.account`](ClientRecord::account) |
/// | `role_id` | [`role`](RecordItem::role) |
/// | `platform` | [`client.platform`](ClientRecord::platform) |
/// | `zone_id` | [`client.zone`](ClientRecord::zone) |
/// | `custodian`, `custodian_id` | [`client.custodian`](ClientRecord::custodian) |
/// | `ip`, `port` | [`ip`](RecordItem::ip), [`port`](RecordItem::port) |
/// | `connect_time` | [`connected_at`](RecordItem::connected_at) |
/// | `recv_count` | [`received`](RecordItem::received) |
/// | `last_recv_count` | [`last_received`](RecordItem::last_received): the moment, where the original keeps an earlier count |
/// | `send_count` | [`sent`](RecordItem::sent) |
/// | `error_send` | [`send_errors`](RecordItem::send_errors) |
/// | `bad_req_count` | [`bad_requests`](RecordItem::bad_requests) |
/// | `length`, `seq`, `read_head`, `cmd`, `flag` … | nothing: it reads frames with them, or not even that |
///
/// ```
/// use bevy_ecs::prelude::*;
/// use portcullis_sysconn::Record;
///
/// /// Those who send what nobody understands.
/// fn suspects(records: Query<Record>) -> usize {
///     records.iter().filter(|record| record.role() != 0 && record.bad_requests() > 3).count()
/// }
/// # bevy_ecs::system::assert_is_system(suspects);
/// ```
#[derive(QueryData)]
pub struct Record {
    /// The connection.
    pub entity: Entity,
    /// Addresses and when it was opened.
    pub connection: &'static Connection,
    /// What has gone through it.
    pub traffic: &'static Traffic,
    /// The rest.
    pub client: &'static ClientRecord,
}

impl RecordItem<'_, '_> {
    /// The role that is logged in; 0 before that.
    pub fn role(&self) -> u32 {
        self.client.role
    }

    /// The account that logged in.
    pub fn account(&self) -> Option<&str> {
        self.client.account.as_deref()
    }

    /// The peer's address.
    pub fn ip(&self) -> IpAddr {
        self.connection.peer.ip()
    }

    /// The peer's port.
    pub fn port(&self) -> u16 {
        self.connection.peer.port()
    }

    /// When it was opened, as time of the [`Clock`](portcullis_core::Clock).
    pub fn connected_at(&self) -> Duration {
        self.connection.opened_at
    }

    /// Messages that came. The original's count begins with 1.
    pub fn received(&self) -> u64 {
        self.traffic.received
    }

    /// When the last message came, as time of the [`Clock`](portcullis_core::Clock).
    pub fn last_received(&self) -> Duration {
        self.traffic.last_received
    }

    /// Messages written.
    pub fn sent(&self) -> u64 {
        self.traffic.sent
    }

    /// Answers and pushes that could not be encoded. The original counts here what it drops since the client does not
    /// read; such a client is closed.
    pub fn send_errors(&self) -> u64 {
        self.traffic.send_errors
    }

    /// Messages that could not be understood.
    pub fn bad_requests(&self) -> u64 {
        self.traffic.bad_requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_query_finds_all_that_the_original_knew() {
        let mut world = World::new();
        let connection = Connection {
            peer: SocketAddr::from(([10, 0, 0, 7], 4711)),
            local: SocketAddr::from(([10, 0, 0, 1], 8005)),
            transport: "ws",
            opened_at: Duration::from_secs(5),
        };
        let traffic = Traffic {
            received: 3,
            sent: 2,
            bad_requests: 1,
            last_received: Duration::from_secs(9),
            ..Traffic::default()
        };
        let client = ClientRecord { role: 7, account: Some("ann".into()), ..ClientRecord::default() };
        let entity = world.spawn((connection.clone(), traffic, client)).id();
        world.spawn(connection);

        let mut records = world.query::<Record>();
        let found: Vec<_> = records.iter(&world).collect();
        assert_eq!(found.len(), 1, "a connection of another protocol has none");
        let record = &found[0];
        assert_eq!((record.entity, record.role(), record.account()), (entity, 7, Some("ann")));
        assert_eq!((record.ip().to_string().as_str(), record.port()), ("10.0.0.7", 4711));
        assert_eq!(
            (record.received(), record.sent(), record.send_errors(), record.bad_requests()),
            (3, 2, 0, 1)
        );
        let moments = (record.connected_at(), record.last_received());
        assert_eq!(moments, (Duration::from_secs(5), Duration::from_secs(9)));
    }
}
