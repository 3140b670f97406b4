//! A connector of `sys_conn`, as a listener describes it.

use super::config::{Limits, Listener as Settings};
use portcullis::{gate::parse_network, prelude::*};
use std::time::Duration;

/// The connector of a listener.
pub fn plugin(listener: &Settings, limits: &Limits) -> SysconnPlugin {
    let or_never = |limit: Option<Duration>| limit.unwrap_or(Duration::MAX);
    let trusted = listener.trusted.iter().filter_map(|network| parse_network(&network.0).ok());
    let mut plugin = SysconnPlugin::default()
        .handshake(or_never(limits.handshake_seconds.limit()))
        .idle(or_never(listener.idle_seconds.limit()))
        .client_check(or_never(listener.client_check_seconds.limit()))
        .login_deadline(or_never(listener.login_deadline_seconds.limit()))
        .max_message(listener.max_message.size())
        .bad_requests(listener.bad_requests.size() as u64)
        .trusted(trusted.collect());
    // 0 is the original's, which is the plugin's too.
    if let Some(linger) = listener.session_linger_seconds.limit() {
        plugin = plugin.linger(linger);
    }
    if listener.game_ready { plugin } else { plugin.not_ready() }
}

#[cfg(feature = "accounts")]
pub use phone::PhonesPlugin;

#[cfg(feature = "accounts")]
mod phone {
    use portcullis::{
        accounts::Account,
        core::AcceptedBy,
        demo::{members::MembersOnly, roles::Roles},
        prelude::*,
        sysconn::{
            Entrance, ErrorId, PhoneLoginPlugin, command_route,
            wire::{
                commands::LOGIN,
                errors::{ROLE_DATA, WRONG_OPERATION},
                messages::RoleInfo,
            },
        },
    };

    /// An account's role has its number beyond this, whatever roles there were before.
    const FIRST_ROLE: i64 = 1_000_000;

    /// Lets clients log in by phone and password, in place of an account's bare name: at listeners for
    /// [`MembersOnly`] that is refused.
    pub struct PhonesPlugin;

    impl Plugin for PhonesPlugin {
        fn build(&self, app: &mut App) {
            app.add_plugins(PhoneLoginPlugin::new(role_of)).add_filter(&command_route(LOGIN), guard);
        }
    }

    fn guard(
        packet: Inspect,
        accepted: Query<&AcceptedBy>,
        members: Query<(), With<MembersOnly>>,
    ) -> Result<(), Refusal> {
        match members.contains(accepted.get(packet.connection)?.0) {
            true => Err(ErrorId(WRONG_OPERATION).into()),
            false => Ok(()),
        }
    }

    /// What the demo has kept of it, under the number of its account: that is the same after a restart too.
    fn role_of(world: &mut World, account: &Account) -> Result<Entrance, ErrorId> {
        let role_id = FIRST_ROLE.checked_add(account.id).and_then(|id| u32::try_from(id).ok());
        let role_id = role_id.ok_or(ErrorId(ROLE_DATA))?;
        let (info, created) = match world.get_resource_mut::<Roles>() {
            Some(mut roles) => roles.of(&account.name)?,
            None => (RoleInfo { nick_name: account.name.clone(), ..RoleInfo::default() }, false),
        };
        let info = RoleInfo { role_id, phone: account.name.clone(), ..info };
        let entrance = Entrance::new(account.name.as_str(), info);
        Ok(if created { entrance.created() } else { entrance })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis::{
        core::MaxFrame,
        gate::AdmitOnly,
        net::MessageKind,
        sysconn::{ClientCheck, SysconnListener},
        watchdog::{HandshakeLimit, IdleLimit, LoginLimit},
    };

    /// The world of a server with one listener, which says this.
    fn listener(text: &str) -> App {
        let (mut config, source) = crate::server::config::load(None, std::iter::empty()).unwrap();
        let text = format!("protocol = \"sysconn\"\naddress = \"127.0.0.1:0\"\n{text}");
        config.listener = [("game".to_owned(), toml::from_str(&text).unwrap())].into();
        let mut app = crate::server::app::build(&config, &source).unwrap();
        app.finish();
        app
    }

    type Timers = (
        &'static HandshakeLimit,
        &'static IdleLimit,
        &'static ClientCheck,
        &'static LoginLimit,
        &'static MaxFrame,
    );

    fn timers(app: &mut App) -> [Duration; 4] {
        let world = app.world_mut();
        let mut listeners = world.query_filtered::<Timers, With<SysconnListener>>();
        let (handshake, idle, check, login, _) = listeners.single(world).unwrap();
        [handshake.0, idle.0, check.0, login.0]
    }

    #[test]
    fn what_is_not_said_is_as_the_original_has_it_but_for_the_handshake() {
        let mut app = listener("");
        assert_eq!(timers(&mut app), [5, 60, 60, 300].map(Duration::from_secs));
        let world = app.world_mut();
        let mut listeners = world.query::<(&Listener, &MaxFrame, Has<AdmitOnly>)>();
        let (listener, max_frame, closed) = listeners.single(world).unwrap();
        assert_eq!(max_frame.0, 524_288);
        assert_eq!((listener.messages, closed), (MessageKind::Binary, false));
        assert_eq!(listener.greeting_limit, Duration::from_secs(5));
    }

    #[test]
    fn timers_are_as_they_are_said_and_0_is_never() {
        let mut app = listener("idle_seconds = 7\nclient_check_seconds = 0.5\nlogin_deadline_seconds = 0\n");
        let [_, idle, check, login] = timers(&mut app);
        assert_eq!((idle, check), (Duration::from_secs(7), Duration::from_millis(500)));
        assert_eq!(login, Duration::MAX);
    }

    #[test]
    fn a_game_that_is_not_ready_is_closed_to_all_but_those_it_trusts() {
        let mut app = listener("game_ready = false\ntrusted = [\"10.0.0.0/8\"]\nmax_message = 1000\n");
        let world = app.world_mut();
        let (admitted, max_frame) = world.query::<(&AdmitOnly, &MaxFrame)>().single(world).unwrap();
        assert!(admitted.0.contains("10.1.2.3".parse().unwrap()));
        assert!(!admitted.0.contains("192.0.2.7".parse().unwrap()));
        assert_eq!(max_frame.0, 1000);
    }
}
