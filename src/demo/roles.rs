//! What clients of the Erlang connector try themselves on: the commands that its recorded conversations were made with.
//!
//! | command | |
//! | --- | --- |
//! | 1002 | logs in: an account is whatever its client calls itself, and its role is made when it is new |
//! | 1137 | is refused with 28 |
//! | 1190 | answers the bytes of its field 1 |
//! | 1191 | does what its field 1 says: `ok` (nothing), `err:N`, `push:N`, `bufflush`, `bufclean`, `kill`, `black` |
//!
//! Modules are there as in the original: what 11, 12, 13 and 19 do not have they pass over, 17 and 18 refuse it with 1.

use crate::{
    prelude::*,
    sysconn::{
        AppSysconnExt, BanRole, Entrance, ErrorId, Module, Pb, Pushes, Role, Transaction, Unknown, prost,
        wire::{
            commands::{LOGIN, SYSTEM_NOTICE},
            errors::{BUSY, ROLE_DATA, WRONG_OPERATION},
            messages::{LoginAccount, RoleInfo, SystemNotice},
        },
    },
};
use std::collections::HashMap;

/// The longest name of an account, in bytes.
pub const LONGEST_ACCOUNT: usize = 64;
/// The first role's number is the next one.
const FIRST_ROLE: u32 = 1_000_000;

/// Serves these commands.
///
/// ```
/// use portcullis::{demo::roles::RolesPlugin, prelude::*};
///
/// App::new().add_plugins((ServerPlugins, RolesPlugin::default(), SysconnPlugin::default()));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RolesPlugin {
    /// How many roles there may be, for they are kept for as long as the server runs. Whoever comes later is refused
    /// with 1. Default 10,000.
    pub max_roles: usize,
}

impl Default for RolesPlugin {
    fn default() -> Self {
        Self { max_roles: 10_000 }
    }
}

/// All roles, by account, as they were when they were last online.
#[derive(Resource, Debug, Default)]
pub struct Roles {
    by_account: HashMap<String, RoleInfo>,
    max: usize,
}

impl Roles {
    /// The role of an account, made where it is new; and whether it is.
    ///
    /// # Errors
    /// When no account can be called so, or there are too many.
    pub fn of(&mut self, account: &str) -> Result<(RoleInfo, bool), ErrorId> {
        if account.is_empty() || account.len() > LONGEST_ACCOUNT {
            return Err(ErrorId(WRONG_OPERATION));
        }
        if let Some(info) = self.by_account.get(account) {
            return Ok((info.clone(), false));
        }
        if self.by_account.len() >= self.max {
            return Err(ErrorId(BUSY));
        }
        let info = RoleInfo {
            role_id: FIRST_ROLE + 1 + self.by_account.len() as u32,
            nick_name: format!("游客{account}"),
            icon: "default.png".to_owned(),
            coin: 100,
            use_coin: 1,
            openid: account.to_owned(),
            ..RoleInfo::default()
        };
        self.by_account.insert(account.to_owned(), info.clone());
        Ok((info, true))
    }
}

impl Plugin for RolesPlugin {
    fn build(&self, app: &mut App) {
        app.insert_resource(Roles { max: self.max_roles, ..Roles::default() })
            .add_login(LOGIN, log_in)
            .add_observer(save)
            .add_module(Module::new(11).unknown(Unknown::Ignore), RoleModule);
        for silent in [12, 13, 19] {
            app.add_module(Module::new(silent).unknown(Unknown::Ignore), ());
        }
        for strict in [17, 18] {
            app.add_module(Module::new(strict).unknown(Unknown::Refuse(BUSY)), ());
        }
        for bare in [14, 15, 16, 20] {
            app.add_module(bare, ());
        }
    }
}

/// The module of roles.
struct RoleModule;

impl Plugin for RoleModule {
    fn build(&self, app: &mut App) {
        app.add_command(1137, |_: Request<Raw>| Err::<Raw, _>(ErrorId(28)))
            .add_command(1190, echo)
            .add_command(1191, act);
    }
}

fn log_in(request: Request<Pb<LoginAccount>>, mut roles: ResMut<Roles>) -> Result<Entrance, ErrorId> {
    let account = request.account.as_deref().ok_or(ErrorId(WRONG_OPERATION))?;
    let (info, created) = roles.of(account)?;
    let entrance = Entrance::new(account, info);
    Ok(if created { entrance.created() } else { entrance })
}

/// What a role has become is kept when it goes.
fn save(event: On<Remove<Role>>, gone: Query<(&Role, &RoleInfo)>, mut roles: ResMut<Roles>) {
    if let Ok((role, info)) = gone.get(event.entity)
        && let Some(kept) = roles.by_account.get_mut(&*role.account)
    {
        kept.clone_from(info);
    }
}

/// The body of 1190, and its answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(prost_path = "prost")]
pub struct Echo {
    /// What is echoed.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub bytes: Option<Vec<u8>>,
}

fn echo(request: Request<Pb<Echo>>) -> Answer<Pb<Echo>> {
    match request.body.0 {
        Echo { bytes: None } => Answer::Silent,
        echo => Answer::Reply(Pb(echo)),
    }
}

/// The body of 1191, and its answer.
#[derive(Clone, PartialEq, Eq, prost::Message)]
#[prost(prost_path = "prost")]
pub struct Action {
    /// What is done, or was.
    #[prost(string, optional, tag = "1")]
    pub text: Option<String>,
}

fn act(
    request: Request<Pb<Action>>,
    roles: Query<(&Role, &BelongsTo)>,
    mut pushes: Pushes,
    mut commands: Commands,
) -> Result<Answer<Pb<Action>>, ErrorId> {
    let agent = request.agent.ok_or(ErrorId(ROLE_DATA))?;
    let (role, &BelongsTo(session)) = roles.get(agent).map_err(|_| ErrorId(ROLE_DATA))?;
    let text = request.text.as_deref().unwrap_or_default();
    let done = match text.split_once(':').unwrap_or((text, "")) {
        // Numbers wrap, as in the original; a reason that is no number is `busy`, where that answers nothing.
        ("err", number) => return Err(ErrorId(number.parse::<u32>().map_or(BUSY, |number| number as u16))),
        ("erratom", _) => return Err(ErrorId(BUSY)),
        ("push", number) => {
            pushes.notice(agent, format!("push{number}"));
            "pushed"
        }
        ("bufflush", _) => {
            let notices = three(agent)?;
            pushes.push_error(agent, 28, 1137);
            notices.flush(&mut pushes);
            "flushed"
        }
        ("bufclean", _) => {
            three(agent)?.discard();
            "cleaned"
        }
        ("kill", _) => {
            commands.trigger(Kick::new(agent, "killed"));
            commands.trigger(Logout { session });
            return Ok(Answer::Silent);
        }
        ("black", _) => {
            commands.trigger(BanRole(role.id));
            return Ok(Answer::Silent);
        }
        _ => return Ok(Answer::Silent),
    };
    Ok(Answer::Reply(Pb(Action { text: Some(done.to_owned()) })))
}

/// A transaction of three notices.
fn three(agent: Entity) -> Result<Transaction, ErrorId> {
    let mut notices = Transaction::begin(agent);
    for text in ["b1", "b2", "b3"] {
        let notice = SystemNotice { text: text.to_owned() };
        notices.push(SYSTEM_NOTICE, &notice).map_err(|_| ErrorId(BUSY))?;
    }
    Ok(notices)
}
