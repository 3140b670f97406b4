//! `cargo xtask clients`: the public npm clients that some tests run, as `tests/clients/package-lock.json` has them.
//!
//! They are judges from outside, like skynet's own client.

use crate::{error::Error, npm, project::Project};

/// Installs them, unless they are there.
pub fn install(project: &Project) -> Result<(), Error> {
    npm::install(project, "tests/clients")
}
