//! skynet's login server and msgserver, as listeners describe them.

use super::config::{Limits, Listener, Multi, Relogin as Word};
use portcullis::{
    demo::msgagent,
    dispatch::ReplyLimits,
    prelude::*,
    skynet::login::{LoginPolicy, Relogin},
    watchdog::{IdleLimit, LoginLimit},
};
use std::time::Duration;

/// The login server of a listener.
pub fn server(listener: &Listener, limits: &Limits) -> LoginServerPlugin {
    let policy = policy(listener);
    let whole = whole_login(&policy, limits);
    // A client has nothing to say while it waits: that is no silence to end it for.
    let idle = listener.idle_seconds.limit().unwrap_or(Duration::MAX).max(whole);
    LoginServerPlugin::default().policy(policy).with(move |listener| {
        listener.insert((LoginLimit(whole), IdleLimit(idle)));
    })
}

/// All that a login may wait for, one after the other: none of it is cut short by another.
fn whole_login(policy: &LoginPolicy, limits: &Limits) -> Duration {
    let within = match policy.relogin {
        Relogin::Kick { within } => within,
        Relogin::Refuse => Duration::ZERO,
    };
    let parts = [
        limits.handshake_seconds.limit(),
        limits.login_seconds.limit(),
        Some(within),
        Some(policy.answer_within),
    ];
    parts.into_iter().try_fold(Duration::ZERO, |sum, part| sum.checked_add(part?)).unwrap_or(Duration::MAX)
}

fn policy(listener: &Listener) -> LoginPolicy {
    let relogin = match listener.relogin {
        Word::Kick => Relogin::Kick { within: listener.relogin_seconds.duration() },
        Word::Refuse => Relogin::Refuse,
    };
    // As in the original, those that overlap are refused unless somebody says otherwise.
    let multi_login = listener.multi_login == Multi::Allow;
    LoginPolicy { relogin, multi_login, ..LoginPolicy::default() }
}

/// The game server of a listener.
pub fn msgserver(listener: &Listener) -> MsgServerPlugin {
    let replies = ReplyLimits {
        expired_number: listener.expired_number.size(),
        max_bytes: listener.kept_bytes.size(),
        ..ReplyLimits::default()
    };
    MsgServerPlugin::new(listener.server.as_str(), msgagent::ROUTE)
        .replies(replies)
        .linger(listener.session_linger_seconds.limit().unwrap_or(Duration::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_of(text: &str) -> LoginPolicy {
        let head = "protocol = \"skynet-login\"\naddress = \"127.0.0.1:0\"\n";
        policy(&toml::from_str(&format!("{head}{text}")).unwrap())
    }

    #[test]
    fn what_is_not_said_is_as_the_login_server_has_it() {
        assert_eq!(policy_of(""), LoginPolicy::default());
    }

    #[test]
    fn a_login_has_time_for_all_that_it_waits_for() {
        let (config, _) = crate::server::config::load(None, std::iter::empty()).unwrap();
        let mut limits = config.limits;
        let policy = policy_of("relogin_seconds = 60");
        let parts = "handshake 5, login 10, relogin 60, game server 10";
        assert_eq!(whole_login(&policy, &limits), Duration::from_secs(85), "{parts}");
        limits.login_seconds = Default::default();
        assert_eq!(whole_login(&policy, &limits), Duration::MAX, "0 is no limit");
    }

    #[test]
    fn who_waits_for_an_older_session_to_end_is_not_closed_for_his_silence() {
        let (mut config, source) = crate::server::config::load(None, std::iter::empty()).unwrap();
        let text = "protocol = \"skynet-login\"\naddress = \"127.0.0.1:0\"\nrelogin_seconds = 120\n";
        config.listener = [("login".to_owned(), toml::from_str(text).unwrap())].into();
        let mut app = crate::server::app::build(&config, &source).unwrap();
        app.finish();
        let world = app.world_mut();
        let (login, idle) = world.query::<(&LoginLimit, &IdleLimit)>().single(world).unwrap();
        assert_eq!(login.0, Duration::from_secs(145), "handshake 5, login 10, relogin 120, game server 10");
        assert!(idle.0 >= login.0, "idle_seconds is 60 by default");
    }

    #[test]
    fn the_words_for_logins_mean_what_they_say() {
        assert_eq!(policy_of("relogin = \"refuse\"").relogin, Relogin::Refuse);
        let within = Duration::from_millis(1500);
        assert_eq!(policy_of("relogin_seconds = 1.5").relogin, Relogin::Kick { within });
        assert!(policy_of("multi_login = \"allow\"").multi_login);
        assert!(!policy_of("multi_login = \"refuse\"").multi_login);
    }
}
