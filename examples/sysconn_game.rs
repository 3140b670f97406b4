//! A small game as a team from the Erlang server writes it: players log in, meet on a meadow, talk, walk, and shoot at its
//! deer for coins. Its clients speak the WebSocket protocol of `sys_conn`.
//!
//! ```text
//! cargo run --example sysconn_game         # on 127.0.0.1:8005, or the address that is given
//! xdg-open assets/sysconn.html             # a client, in any browser; open it twice, and the two see each other
//! ```
//!
//! | command | asks for | and hears |
//! | --- | --- | --- |
//! | 1002, 1003, 1098 | login, reconnect, heartbeat | as at the original |
//! | 1190 | an echo | what it sent |
//! | 1301 | the meadow | who is there, and where the deer is; the others hear 1311 |
//! | 1302 | leaving it | nothing more; the others hear 1312 |
//! | 1303 | saying `{1: text}` | all hear 1313, what was said and by whom |
//! | 1304 | walking to `{1: x, 2: y}` | all hear 1311, who is where |
//! | 1305 | a shot at the deer, for ten coins | 1106, the coins that are left; all hear 1314, where the deer is now |

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{
    net::ListenerHandle,
    prelude::*,
    room::{self, Members},
    sysconn::{
        AppSysconnExt, Entrance, ErrorId, Pb, Pushes, Role, Transaction,
        wire::messages::{LoginAccount, RoleInfo},
    },
};
use std::{collections::HashMap, env};

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8005".to_owned());
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin, SysconnPlugin::listen(address), GamePlugin))
        .add_systems(Startup, |listener: Single<&ListenerHandle>| {
            println!("listening on ws://{}; open assets/sysconn.html", listener.address());
        })
        .run()
}

/// All of the game but its address.
pub struct GamePlugin;

impl Plugin for GamePlugin {
    fn build(&self, app: &mut App) {
        app.init_resource::<Roles>()
            .add_login(1002, log_in)
            .add_observer(save)
            .add_command(1190, |echo: Request<Raw>| echo.body)
            .add_module(13, MeadowModule);
    }
}

/// The numbers of errors: the clients' own, and this game's.
const BUSY: ErrorId = ErrorId(1);
const WRONG: ErrorId = ErrorId(5);
const NOT_THERE: ErrorId = ErrorId(101);
const TOO_POOR: ErrorId = ErrorId(102);
const TOO_FAR: ErrorId = ErrorId(103);

/// All roles, by account, as they were when they left: where a game has a database.
#[derive(Resource, Default)]
struct Roles(HashMap<String, RoleInfo>);

/// Accounts are free, so there is an end to them.
const MOST_ROLES: usize = 10_000;
const LONGEST_NAME: usize = 40;

/// An account is whatever its client calls itself.
fn log_in(request: Request<Pb<LoginAccount>>, mut roles: ResMut<Roles>) -> Result<Entrance, ErrorId> {
    let account = request.account.as_deref();
    let account = account.filter(|name| (1..=LONGEST_NAME).contains(&name.len())).ok_or(WRONG)?;
    if let Some(info) = roles.0.get(account) {
        return Ok(Entrance::new(account, info.clone()));
    }
    if roles.0.len() >= MOST_ROLES {
        return Err(BUSY);
    }
    let role_id = 1_000_001 + roles.0.len() as u32;
    let info = RoleInfo { role_id, nick_name: account.to_owned(), coin: 100, ..RoleInfo::default() };
    roles.0.insert(account.to_owned(), info.clone());
    Ok(Entrance::new(account, info).created())
}

/// A role is gone a minute after its connection. What has become of it is kept.
fn save(event: On<Remove<Role>>, gone: Query<(&Role, &RoleInfo)>, mut roles: ResMut<Roles>) -> Result {
    let (role, info) = gone.get(event.entity)?;
    roles.0.insert(role.account.to_string(), info.clone());
    Ok(())
}

/// The meadow: a room, and a deer on it.
struct MeadowModule;

const MEADOW: &str = "meadow";
/// It is so wide in both directions; shots go so far, and words are so many.
const WIDTH: u32 = 20;
const REACH: u32 = 3;
const LONGEST_TEXT: usize = 500;

/// What rooms are told goes by the routes of its commands.
const HERE: &str = "sysconn.1311";
const WENT: &str = "sysconn.1312";
const SAID: &str = "sysconn.1313";
/// What is pushed by itself goes by the command.
const DEER: u16 = 1314;
const COINS: u16 = 1106;

impl Plugin for MeadowModule {
    fn build(&self, app: &mut App) {
        app.register_required_components::<Role, Place>()
            .register_required_components_with::<Room, Deer>(|| Deer(Place { x: 2, y: 1 }))
            .add_command(1301, enter)
            .add_command(1302, leave)
            .add_command(1303, say)
            .add_command(1304, walk)
            .add_command(1305, shoot)
            .add_push::<Pb<Player>>(HERE)
            .add_push::<Pb<Player>>(WENT)
            .add_push::<Pb<Said>>(SAID)
            .add_observer(came)
            .add_observer(went);
    }
}

/// It belongs to the room, and is wherever it was not hit.
#[derive(Component)]
struct Deer(Place);

/// Where somebody stands.
#[derive(Component, Clone, Copy, PartialEq, prost::Message)]
struct Place {
    #[prost(uint32, required, tag = "1")]
    x: u32,
    #[prost(uint32, required, tag = "2")]
    y: u32,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Player {
    #[prost(uint32, required, tag = "1")]
    role_id: u32,
    #[prost(string, required, tag = "2")]
    name: String,
    #[prost(message, required, tag = "3")]
    place: Place,
}

fn player((info, place): (&RoleInfo, &Place)) -> Player {
    Player { role_id: info.role_id, name: info.nick_name.clone(), place: *place }
}

#[derive(Clone, PartialEq, prost::Message)]
struct Entered {
    #[prost(message, repeated, tag = "1")]
    players: Vec<Player>,
    #[prost(message, required, tag = "2")]
    deer: Place,
}

/// Who comes again, as after a reconnect, is there already, and told the same.
fn enter(request: Request<()>, world: &mut World) -> Result<Pb<Entered>, Refusal> {
    let agent = request.agent.ok_or(WRONG)?;
    let meadow = room::open(world, MEADOW)?;
    room::join(world, meadow, agent)?;
    let deer = world.get::<Deer>(meadow).map_or_else(Place::default, |deer| deer.0);
    let members: Vec<Entity> = world.get::<Members>(meadow).into_iter().flat_map(Members::iter).collect();
    let mut roles = world.query::<(&RoleInfo, &Place)>();
    let players = roles.iter_many(world, members).matched().map(player).collect();
    Ok(Pb(Entered { players, deer }))
}

fn leave(request: Request<()>, mut commands: Commands) {
    if let Some(agent) = request.agent {
        commands.trigger(Leave::new(agent, MEADOW));
    }
}

fn came(event: On<Joined>, roles: Query<(&RoleInfo, &Place)>, mut teller: Teller) -> Result {
    teller.to_others(event.room, event.member, HERE, &Pb(player(roles.get(event.member)?)));
    Ok(())
}

/// Whatever ended it: a walk home, a role that nobody came back to.
fn went(event: On<Left>, roles: Query<(&RoleInfo, &Place)>, mut teller: Teller) -> Result {
    teller.to_room(event.room, WENT, &Pb(player(roles.get(event.member)?)));
    Ok(())
}

/// A player says something, and all hear who.
#[derive(Clone, PartialEq, prost::Message)]
struct Said {
    #[prost(string, required, tag = "1")]
    text: String,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
}

fn say(
    request: Request<Pb<Said>>,
    roles: Query<(&RoleInfo, &MemberOf)>,
    mut teller: Teller,
) -> Result<(), ErrorId> {
    let agent = request.agent.ok_or(NOT_THERE)?;
    let (info, rooms) = roles.get(agent).map_err(|_| NOT_THERE)?;
    let meadow = rooms.iter().next().ok_or(NOT_THERE)?;
    let text = Some(request.body.0.text).filter(|text| text.len() <= LONGEST_TEXT).ok_or(WRONG)?;
    let said = Said { text, name: Some(info.nick_name.clone()) };
    teller.to_room(meadow, SAID, &Pb(said));
    Ok(())
}

fn walk(
    request: Request<Pb<Place>>,
    mut roles: Query<(&RoleInfo, &mut Place, &MemberOf)>,
    mut teller: Teller,
) -> Result<(), ErrorId> {
    let agent = request.agent.ok_or(NOT_THERE)?;
    let (info, mut place, rooms) = roles.get_mut(agent).map_err(|_| NOT_THERE)?;
    let meadow = rooms.iter().next().ok_or(NOT_THERE)?;
    *place = Place { x: request.x.min(WIDTH), y: request.y.min(WIDTH) };
    teller.to_room(meadow, HERE, &Pb(player((info, &place))));
    Ok(())
}

#[derive(Clone, PartialEq, prost::Message)]
struct Coins {
    #[prost(uint32, required, tag = "1")]
    coins: u32,
}

/// What a shot costs, and what the deer is worth.
const PRICE: u32 = 10;
const PRIZE: u32 = 15;

/// First the player pays, then the shot is fired, as at the original. One that fails costs nothing: what was to be told of
/// the payment is discarded.
fn shoot(
    request: Request<()>,
    mut roles: Query<(&mut RoleInfo, &Place, &MemberOf)>,
    mut meadows: Query<(&mut Deer, &Members)>,
    mut pushes: Pushes,
) -> Result<(), Refusal> {
    let agent = request.agent.ok_or(NOT_THERE)?;
    let (mut info, place, rooms) = roles.get_mut(agent).map_err(|_| NOT_THERE)?;
    let meadow = rooms.iter().next().ok_or(NOT_THERE)?;
    let (mut deer, members) = meadows.get_mut(meadow)?;

    let mut telling = Transaction::begin(agent);
    let coins = info.coin.checked_sub(PRICE).ok_or(TOO_POOR)?;
    telling.push(COINS, &Coins { coins })?;
    if place.x.abs_diff(deer.0.x).max(place.y.abs_diff(deer.0.y)) > REACH {
        telling.discard();
        return Err(TOO_FAR.into());
    }
    deer.0 = Place { x: (deer.0.x + 7) % WIDTH, y: (deer.0.y + 4) % WIDTH };
    info.coin = coins.saturating_add(PRIZE);
    telling.push(COINS, &Coins { coins: info.coin })?;
    telling.flush(&mut pushes);
    for member in members.iter() {
        pushes.push(member, DEER, &deer.0);
    }
    Ok(())
}
