//! skynet's protocols: sproto and the gate

pub mod sproto;
