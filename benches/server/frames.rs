//! The frames the client sends and expects back.
//!
//! A frame is a big-endian `u16` length and a payload: a sequence number, counted per connection, and a filler
//! that is the same in all. The client makes frames by stamping numbers into a template, so that its own work
//! stays small beside the server's.

use std::io;

/// Length prefix and sequence number.
const HEAD: usize = 2 + 8;

/// A template of frames of one size.
pub struct Frames {
    size: usize,
    bytes: Vec<u8>,
}

impl Frames {
    /// Frames of `payload` bytes (at least eight), up to `most` at a time.
    pub fn new(payload: u16, most: usize) -> Self {
        let filler = (HEAD..2 + usize::from(payload)).map(|at| at as u8);
        let frame: Vec<u8> = head(payload, 0).into_iter().chain(filler).collect();
        Self { size: frame.len(), bytes: frame.repeat(most) }
    }

    /// Bytes of one frame, prefix included.
    pub fn size(&self) -> usize {
        self.size
    }

    /// `count` frames numbered from `first`, as they go over the wire.
    pub fn stamp(&mut self, first: u64, count: usize) -> &[u8] {
        for (frame, number) in self.bytes.chunks_exact_mut(self.size).take(count).zip(first..) {
            frame[2..HEAD].copy_from_slice(&number.to_le_bytes());
        }
        &self.bytes[..count * self.size]
    }

    /// Checks that `received`, whole frames, are the frames numbered from `first`: their sizes and numbers, and with
    /// `every_byte` their fillers. Returns how many they are.
    pub fn check(&self, received: &[u8], first: u64, every_byte: bool) -> io::Result<u64> {
        let payload = (self.size - 2) as u16;
        let mut expected = first;
        for frame in received.chunks_exact(self.size) {
            let good = frame[..HEAD] == head(payload, expected)
                && (!every_byte || frame[HEAD..] == self.bytes[HEAD..self.size]);
            if !good {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    format!("frame {expected} came back changed"),
                ));
            }
            expected += 1;
        }
        Ok(expected - first)
    }
}

fn head(payload: u16, number: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..2].copy_from_slice(&payload.to_be_bytes());
    head[2..].copy_from_slice(&number.to_le_bytes());
    head
}
