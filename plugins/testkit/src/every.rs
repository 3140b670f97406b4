//! One behaviour, tested on every transport.

/// Makes three tests of each function: `memory`, `tcp_inline` and `tcp_thread`, in a module of the function's name.
///
/// The function takes the [builder](crate::TestServerBuilder) of a server on that transport.
///
/// ```
/// # mod tests { // a module within a doc test's function would see nothing around it
/// use bevy_app::App;
/// use portcullis_dispatch::{AppDispatchExt, Request};
/// use portcullis_testkit::{TestServerBuilder, on_every_transport};
///
/// fn echo(request: Request<String>) -> String {
///     request.body
/// }
///
/// fn game(app: &mut App) {
///     app.add_handler("echo", echo);
/// }
///
/// on_every_transport! {
///     fn what_is_said_comes_back(server: TestServerBuilder) {
///         let mut server = server.plugin(game).build();
///         let mut ann = server.connect();
///         assert_eq!(ann.request("echo", &"hello".to_owned()).expect_reply::<String>(), "hello");
///     }
/// }
/// #
/// # pub fn run(server: TestServerBuilder) {
/// #     what_is_said_comes_back::run(server);
/// # }
/// # }
/// # fn main() {
/// #     for transport in portcullis_testkit::Transport::ALL {
/// #         tests::run(portcullis_testkit::TestServer::builder().transport(transport));
/// #     }
/// # }
/// ```
#[macro_export]
macro_rules! on_every_transport {
    ($($(#[$meta:meta])* fn $name:ident($builder:ident: $type:ty) $body:block)+) => {
        $($(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a body may need nothing of what is around it")]
            use super::*;

            #[allow(dead_code, reason = "outside tests nothing calls it")]
            pub(super) fn run($builder: $type) $body

            #[test]
            fn memory() {
                run($crate::TestServer::builder().transport($crate::Transport::ALL[0]));
            }

            #[test]
            fn tcp_inline() {
                run($crate::TestServer::builder().transport($crate::Transport::ALL[1]));
            }

            #[test]
            fn tcp_thread() {
                run($crate::TestServer::builder().transport($crate::Transport::ALL[2]));
            }
        })+
    };
}
