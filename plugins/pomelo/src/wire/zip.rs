//! Compressed bodies (bit `0x10` of a message's flag), as Pitaya's servers and clients exchange them. Pomelo's own clients
//! cannot read them.

use super::WireError;
use flate2::bufread::GzDecoder;
use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use std::io::{Read, Write};

/// Bodies shorter than this are not worth an attempt, in bytes: deflating costs microseconds and saves next to nothing.
pub const MIN_DEFLATE: usize = 64;

/// Inflates a zlib body (RFC 1950), or, as libpitaya accepts it, gzip (RFC 1952).
///
/// # Errors
/// When the body is neither, is cut or damaged, or has more than `max` bytes. Memory grows only with what really comes out.
pub fn inflate(body: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    if body.starts_with(&[0x1f, 0x8b]) { gunzip(body, max) } else { unzlib(body, max) }
}

fn unzlib(body: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let mut inflate = Decompress::new(true);
    let (mut out, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let (read, written) = (inflate.total_in() as usize, inflate.total_out());
        let rest = body.get(read..).unwrap_or_default();
        let status =
            inflate.decompress(rest, &mut chunk, FlushDecompress::None).map_err(|_| WireError::Compressed)?;
        let come = (inflate.total_out() - written) as usize;
        out.extend_from_slice(chunk.get(..come).unwrap_or_default());
        if out.len() > max {
            return Err(WireError::Inflated { limit: max });
        }
        match status {
            Status::StreamEnd => return Ok(out),
            // Neither took nor gave: the body is cut.
            _ if come == 0 && inflate.total_in() as usize == read => return Err(WireError::Compressed),
            Status::Ok | Status::BufError => {}
        }
    }
}

fn gunzip(body: &[u8], max: usize) -> Result<Vec<u8>, WireError> {
    let mut out = Vec::new();
    let one_more = u64::try_from(max).unwrap_or(u64::MAX).saturating_add(1);
    GzDecoder::new(body).take(one_more).read_to_end(&mut out).map_err(|_| WireError::Compressed)?;
    if out.len() > max { Err(WireError::Inflated { limit: max }) } else { Ok(out) }
}

/// Appends `body` in zlib format (RFC 1950) if that is shorter, and says whether it did.
pub fn deflate_if_shorter(body: &[u8], out: &mut Vec<u8>) -> bool {
    if body.len() < MIN_DEFLATE {
        return false;
    }
    let start = out.len();
    let mut deflate = ZlibEncoder::new(&mut *out, Compression::default());
    let done = deflate.write_all(body).and_then(|()| deflate.finish().map(drop)).is_ok();
    let shorter = done && out.len() - start < body.len();
    if !shorter {
        out.truncate(start);
    }
    shorter
}
