//! The gate's frame: `u16` big-endian length, then the payload.

use portcullis_dispatch::BodyError;

/// The longest payload a frame can carry.
pub const MAX_PAYLOAD: usize = 65_535;

/// Appends a frame whose payload `write` appends. The original raises an error in the sender above 65,535 bytes; so
/// does this.
pub(crate) fn write_frame(
    out: &mut Vec<u8>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), BodyError>,
) -> Result<(), BodyError> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    write(out)?;
    let payload = out.len() - start - 2;
    let length = u16::try_from(payload).map_err(|_| {
        BodyError::new(format_args!("a frame carries at most {MAX_PAYLOAD} bytes, not {payload}"))
    })?;
    out[start..start + 2].copy_from_slice(&length.to_be_bytes());
    Ok(())
}
