//! skynet's protocols: sproto and the gate
