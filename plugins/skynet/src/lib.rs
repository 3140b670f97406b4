//! skynet's protocols: sproto and the gate

mod frame;
mod plugin;
mod protocol;
mod raw;
pub mod sproto;

pub use frame::MAX_PAYLOAD;
pub use plugin::{GateError, SkynetListener, SkynetPlugin};
pub use protocol::WATCHDOG_ROUTE;
