//! Frames come back as they came.

use crate::prelude::*;

/// The route of the echo: what [`SkynetPlugin::raw`] is given.
pub const ROUTE: &str = "demo.echo";

/// Answers each frame with itself.
///
/// ```
/// use portcullis::{demo::echo, prelude::*};
///
/// App::new().add_plugins((ServerPlugins, echo::EchoPlugin, SkynetPlugin::raw(echo::ROUTE)));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct EchoPlugin;

impl Plugin for EchoPlugin {
    fn build(&self, app: &mut App) {
        app.add_handler(ROUTE, echo);
    }
}

fn echo(request: Request<Raw>) -> Raw {
    request.body
}
