//! Compressed bodies, as clients may send them.

use super::WireError;
use flate2::{Decompress, FlushDecompress, Status};

/// Inflates a zlib body (RFC 1950). Bytes behind the stream are ignored, as the original does.
///
/// # Errors
/// [`WireError::Compressed`] when it is no zlib stream (gzip is none), is cut or damaged; [`WireError::Inflated`] when it
/// has more than `limit` bytes. Memory grows only with what really comes out, and no further than a chunk above the limit.
pub fn inflate(body: &[u8], limit: usize) -> Result<Vec<u8>, WireError> {
    let mut inflate = Decompress::new(true);
    let (mut out, mut chunk) = (Vec::new(), [0; 4096]);
    let mut rest = body;
    loop {
        let (read, written) = (inflate.total_in(), inflate.total_out());
        let status =
            inflate.decompress(rest, &mut chunk, FlushDecompress::None).map_err(|_| WireError::Compressed)?;
        let (taken, come) = ((inflate.total_in() - read) as usize, (inflate.total_out() - written) as usize);
        rest = rest.get(taken..).unwrap_or_default();
        if out.len() + come > limit {
            return Err(WireError::Inflated { limit });
        }
        out.extend_from_slice(chunk.get(..come).unwrap_or_default());
        match status {
            Status::StreamEnd => return Ok(out),
            // Neither took nor gave: the body is cut.
            _ if come == 0 && taken == 0 => return Err(WireError::Compressed),
            Status::Ok | Status::BufError => {}
        }
    }
}
