//! Which command goes where: by `Cmd / 100` to a module, and by `Cmd` within it.

use crate::{Entrance, wire::commands::HEARTBEAT};
use bevy_app::{App, Plugins};
use bevy_ecs::prelude::*;
use portcullis_dispatch::{AppDispatchExt, FromBody, IntoAnswer, RawRequest, Request, RouteId, Routes};
use std::{
    array,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The module of logins, whose commands are for connections that are not logged in: 10, as in the original.
pub const LOGIN_MODULE: u16 = 10;

/// What the names of all routes of commands begin with.
const PREFIX: &str = "sysconn.";
/// The route under which commands that nobody has, and those of a login too many, are counted and refused.
pub(crate) const NOBODY: &str = "sysconn.nobody";

/// Commands of a module.
const WIDTH: u16 = 100;

/// The route of a command, by its number: `sysconn.1190`. By it filters, limits and timeouts of `dispatch` name commands.
/// Clients of other protocols cannot ask for it: what they are to have too is added under a name of its own.
pub fn command_route(command: u16) -> String {
    format!("{PREFIX}{command}")
}

/// A module of commands: those whose number, divided by 100, is its own.
///
/// ```
/// use portcullis_sysconn::{Module, Unknown};
///
/// let task = Module::new(17).unknown(Unknown::Refuse(1));
/// let rank = Module::new(12).unknown(Unknown::Ignore).before_login();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Module {
    number: u16,
    unknown: Unknown,
    before_login: bool,
}

/// What becomes of a command that its module does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unknown {
    /// It is passed over in silence.
    Ignore,
    /// It is refused with this `ErrorID`, and counts as a bad request.
    Refuse(u16),
}

impl Module {
    /// A module that is there for roles who are logged in, and refuses commands it does not have with
    /// [`WRONG_OPERATION`](crate::wire::errors::WRONG_OPERATION).
    pub fn new(number: u16) -> Self {
        let unknown = match number {
            // As in the original: a client that asks too much before its login hears nothing.
            LOGIN_MODULE => Unknown::Ignore,
            _ => Unknown::Refuse(crate::wire::errors::WRONG_OPERATION),
        };
        Self { number, unknown, before_login: number == LOGIN_MODULE }
    }

    /// What becomes of commands that it does not have.
    #[must_use]
    pub fn unknown(mut self, unknown: Unknown) -> Self {
        self.unknown = unknown;
        self
    }

    /// Serves connections that are not logged in too. Otherwise what they ask is dropped without a word, as in the original.
    #[must_use]
    pub fn before_login(mut self) -> Self {
        self.before_login = true;
        self
    }
}

impl From<u16> for Module {
    fn from(number: u16) -> Self {
        Self::new(number)
    }
}

/// Adds commands to an app.
pub trait AppSysconnExt {
    /// Handles a command by a system whose first parameter is a [`Request`], as
    /// [`add_handler`](AppDispatchExt::add_handler) does for a route. Its body is a [`Pb`](crate::Pb) of a `prost` message, a
    /// [`Raw`](portcullis_dispatch::Raw), or `()` where nothing is expected; so is its answer. What it may return, in the
    /// original's words:
    ///
    /// | there | here |
    /// | --- | --- |
    /// | `ok` | [`NoReply`](portcullis_dispatch::NoReply) |
    /// | `{ok, Role}` | the components of the role are changed, then [`NoReply`](portcullis_dispatch::NoReply) |
    /// | `{ok, Reply, Role}`, `{reply, Reply}` | `Pb(reply)` |
    /// | `{false, Reason}` | `Err(`[`ErrorId`](crate::ErrorId)`(reason))` |
    /// | sometimes this, sometimes that | an [`Answer`](portcullis_dispatch::Answer) |
    /// | anything else, or a crash | cannot be compiled; a panic is answered with 1, and costs nothing else |
    ///
    /// `()` is an answer with an empty body.
    fn add_command<T, O, A, M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A>,
        A: 'static;

    /// Handles a command by a system whose first parameter is a [`RawRequest`]: bytes in, bytes out.
    fn add_raw_command<M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<RawRequest<'static>, (), M> + 'static,
    ) -> &mut Self;

    /// Handles a command of the [module of logins](LOGIN_MODULE) by a system that finds out which role its client plays: it
    /// answers an [`Entrance`], at once or later, or refuses. The connection is bound to that role, whatever else is
    /// bound to it is kicked, and its client hears the login answer: what is known of the role, and the secret to come back
    /// with.
    ///
    /// One is in flight for each connection: what its client sends behind it is looked at when it is answered, as in
    /// the original, whose connection reads nothing meanwhile.
    ///
    /// ```
    /// use bevy_app::App;
    /// use portcullis_dispatch::Request;
    /// use portcullis_sysconn::{AppSysconnExt, Entrance, ErrorId, Pb, wire::messages::{LoginAccount, RoleInfo}};
    ///
    /// /// 1002: whoever names an account is let in. A game asks its store here.
    /// fn log_in(request: Request<Pb<LoginAccount>>) -> Result<Entrance, ErrorId> {
    ///     let account = request.account.as_deref().ok_or(ErrorId(5))?;
    ///     let info = RoleInfo { role_id: 1_000_001, nick_name: account.to_owned(), ..RoleInfo::default() };
    ///     Ok(Entrance::new(account, info))
    /// }
    ///
    /// App::new().add_login(1002, log_in);
    /// ```
    ///
    /// # Panics
    /// When the command is of another module.
    fn add_login<T, O, A, M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A, Reply = Entrance>,
        A: 'static;

    /// Adds a module: how its commands are treated, and the plugin that adds them, or `()` where there is none. A module that nobody adds is there as
    /// [`Module::new`] has it as soon as it has a command.
    fn add_module<M>(&mut self, module: impl Into<Module>, plugins: impl Plugins<M>) -> &mut Self;
}

impl AppSysconnExt for App {
    fn add_command<T, O, A, M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A>,
        A: 'static,
    {
        reserve(self, command);
        self.add_handler(&command_route(command), handler)
    }

    fn add_raw_command<M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<RawRequest<'static>, (), M> + 'static,
    ) -> &mut Self {
        reserve(self, command);
        self.add_raw_handler(&command_route(command), handler)
    }

    fn add_login<T, O, A, M>(
        &mut self,
        command: u16,
        handler: impl IntoSystem<Request<T>, O, M> + 'static,
    ) -> &mut Self
    where
        T: FromBody,
        O: IntoAnswer<A, Reply = Entrance>,
        A: 'static,
    {
        assert_eq!(command / WIDTH, LOGIN_MODULE, "command {command} is not of the module of logins");
        self.world_mut().get_resource_or_init::<Logins>().0.insert(command);
        self.add_command(command, handler)
    }

    fn add_module<M>(&mut self, module: impl Into<Module>, plugins: impl Plugins<M>) -> &mut Self {
        let module = module.into();
        let modules = &mut self.world_mut().get_resource_or_init::<Modules>().0;
        if modules.insert(module.number, module).is_some() {
            tracing::warn!(module = module.number, "the module was added before: the later settings hold");
        }
        self.add_plugins(plugins)
    }
}

/// Clients of other protocols cannot ask for commands by the names of their routes: who has to be logged in for which is
/// looked at where this protocol's requests come in, and nowhere else.
pub(crate) fn reserve(app: &mut App, command: u16) {
    app.init_resource::<Routes>();
    app.world_mut().resource_mut::<Routes>().reserve(&command_route(command));
}

/// The modules that were added.
#[derive(Resource, Debug, Default)]
pub(crate) struct Modules(BTreeMap<u16, Module>);

/// The commands whose handlers answer an [`Entrance`].
#[derive(Resource, Debug, Default)]
pub(crate) struct Logins(BTreeSet<u16>);

/// Where commands go. Made once, when the app is finished.
#[derive(Resource, Debug)]
pub(crate) struct CommandTable {
    /// By the number of the module.
    modules: Vec<Option<Box<Rows>>>,
    /// By the number of the route: its command.
    pub(crate) commands: Arc<[Option<u16>]>,
    /// The commands whose handlers answer an [`Entrance`].
    pub(crate) logins: BTreeSet<u16>,
    /// What nobody handles is refused on this route.
    pub(crate) nobody: RouteId,
}

#[derive(Debug)]
struct Rows {
    module: Module,
    routes: [Option<RouteId>; WIDTH as usize],
}

/// Where a command goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// To this route; and whether it has to do with logins, and is for connections that are not logged in.
    Command { route: RouteId, logs_in: bool, before_login: bool },
    /// Its module does not have it.
    Unknown { unknown: Unknown, logs_in: bool, before_login: bool },
    /// There is no such module.
    NoModule,
}

impl CommandTable {
    pub(crate) fn new(routes: &mut Routes, modules: &Modules, logins: &Logins) -> Self {
        let nobody = routes.reserve(NOBODY);
        let known: Vec<_> = routes
            .iter()
            .filter_map(|(route, info)| {
                let command = info.name.strip_prefix(PREFIX)?.parse::<u16>().ok()?;
                Some((route, command, info.inbound.is_some()))
            })
            .collect();
        let mut commands = vec![None; routes.iter().count()];
        let mut table: BTreeMap<u16, Box<Rows>> = BTreeMap::new();
        for &module in modules.0.values() {
            table.insert(module.number, Rows::new(module));
        }
        for (route, command, is_handled) in known {
            if let Some(row) = commands.get_mut(route.index()) {
                *row = Some(command);
            }
            if is_handled {
                let number = command / WIDTH;
                let rows = table.entry(number).or_insert_with(|| Rows::new(Module::new(number)));
                rows.routes[usize::from(command % WIDTH)] = Some(route);
            }
        }
        let last = table.keys().next_back().map_or(0, |last| usize::from(*last) + 1);
        let mut modules: Vec<_> = (0..last).map(|_| None).collect();
        for (number, rows) in table {
            modules[usize::from(number)] = Some(rows);
        }
        Self { modules, commands: commands.into(), logins: logins.0.clone(), nobody }
    }

    pub(crate) fn find(&self, command: u16) -> Found {
        let (number, index) = (command / WIDTH, usize::from(command % WIDTH));
        let Some(Some(rows)) = self.modules.get(usize::from(number)) else { return Found::NoModule };
        let Module { unknown, before_login, .. } = rows.module;
        let logs_in = number == LOGIN_MODULE && command != HEARTBEAT;
        match rows.routes[index] {
            Some(route) => Found::Command { route, logs_in, before_login },
            None => Found::Unknown { unknown, logs_in, before_login },
        }
    }

    /// Whether a connection waits for the answer of this route before anything else of it is looked at.
    pub(crate) fn logs_in(&self, route: RouteId) -> bool {
        let command = self.commands.get(route.index()).copied().flatten();
        command.is_some_and(|command| command / WIDTH == LOGIN_MODULE && command != HEARTBEAT)
    }
}

impl Rows {
    fn new(module: Module) -> Box<Self> {
        Box::new(Self { module, routes: array::from_fn(|_| None) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> CommandTable {
        let mut app = App::new();
        app.add_command(1190, |_: Request<()>| ())
            .add_command(1002, |_: Request<()>| ())
            .add_command(HEARTBEAT, |_: Request<()>| ())
            .add_module(Module::new(12).unknown(Unknown::Ignore), ());
        app.world_mut().resource_scope(|world, mut routes: Mut<Routes>| {
            CommandTable::new(&mut routes, world.resource::<Modules>(), &Logins::default())
        })
    }

    #[test]
    fn a_command_is_found_by_its_module_and_its_number() {
        let table = table();
        assert!(matches!(table.find(1190), Found::Command { logs_in: false, before_login: false, .. }));
        assert!(matches!(table.find(1002), Found::Command { logs_in: true, before_login: true, .. }));
        assert!(matches!(table.find(HEARTBEAT), Found::Command { logs_in: false, before_login: true, .. }));
        assert!(matches!(table.find(1191), Found::Unknown { unknown: Unknown::Refuse(5), .. }));
        assert!(matches!(table.find(1050), Found::Unknown { unknown: Unknown::Ignore, .. }));
        assert!(matches!(table.find(1200), Found::Unknown { unknown: Unknown::Ignore, .. }));
        for nobodys in [0, 900, 1300, 2100, u16::MAX] {
            assert_eq!(table.find(nobodys), Found::NoModule, "{nobodys}");
        }
    }
}
