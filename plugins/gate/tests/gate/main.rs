//! Who may come in: told over the transport in memory.

mod budgets;
mod caps;
mod deny;
mod listeners;
mod refusals;
mod server;
