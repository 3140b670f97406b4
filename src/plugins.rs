//! The plugins every server has.

use bevy_app::{PluginGroup, PluginGroupBuilder};
use portcullis_core::CorePlugin;
use portcullis_dispatch::DispatchPlugin;
use portcullis_gate::GatePlugin;
use portcullis_net::NetPlugin;
use portcullis_room::RoomPlugin;
use portcullis_session::SessionPlugin;
use portcullis_watchdog::WatchdogPlugin;

/// Core, net, gate, watchdog, session, dispatch and room. Protocols and the game are added beside them.
///
/// Settings are fields of the plugins: `ServerPlugins.set(NetPlugin { driver: DriverKind::Thread(2) })`.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerPlugins;

impl PluginGroup for ServerPlugins {
    fn build(self) -> PluginGroupBuilder {
        PluginGroupBuilder::start::<Self>()
            .add(CorePlugin::default())
            .add(NetPlugin::default())
            .add(GatePlugin::default())
            .add(WatchdogPlugin::default())
            .add(SessionPlugin::default())
            .add(DispatchPlugin)
            .add(RoomPlugin::default())
    }
}
