//! Portcullis' own typed protocol: serde and bincode over TCP, with clients
