//! The servers under test.

use std::io;

use crate::raw;

/// Runs an echo server of Portcullis with the driver `"inline"` or `"thread"`, as [`crate::subject::serve`]
/// describes.
///
/// A placeholder: until a Portcullis server stands here this is the raw server, so every ratio ought to be 1.
pub fn serve(_driver: &str, report_port: impl FnOnce(u16) -> io::Result<()>) -> io::Result<()> {
    raw::serve(report_port)
}
