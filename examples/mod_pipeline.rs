//! A mod: two plugins that change a server they know nothing of, by standing between two public sets.
//!
//! `cargo run --example mod_pipeline`, then send it words, and more than five a second; what has been turned away is
//! not answered here, for raw frames have no error reply, but it is counted and logged:
//!
//! ```text
//! printf '\0\005hello\0\004darn' | nc -q1 127.0.0.1 7000 | xxd
//! ```

#![expect(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use portcullis::{core::AcceptedBy, prelude::*};
use std::time::Duration;

fn main() -> AppExit {
    tracing_subscriber::fmt::init();
    App::new()
        .add_plugins((ServerPlugins, SignalPlugin))
        // The server: it knows nothing of the mods.
        .add_plugins(SkynetPlugin::raw("echo").listen("127.0.0.1:7000"))
        .add_raw_handler("echo", |request: RawRequest| request.reply.extend_from_slice(request.body))
        // The mods: take one out, and nothing else changes.
        .add_plugins((ProfanityMod, RateLimitMod { burst: 5, every: Duration::from_millis(200) }))
        .add_systems(Startup, || {
            println!("mods: printf '\\0\\005hello\\0\\004darn' | nc -q1 127.0.0.1 7000 | xxd");
        })
        .run()
}

/// Turns away what contains a bad word.
struct ProfanityMod;

impl Plugin for ProfanityMod {
    fn build(&self, app: &mut App) {
        app.add_systems(Ingress, wash_mouths.after(IngressSystems::Decode).before(IngressSystems::Dispatch));
    }
}

fn wash_mouths(mut packets: ResMut<Packets>) {
    packets.filter(|packet, body| {
        if body.windows(4).any(|word| word.eq_ignore_ascii_case(b"darn")) {
            println!("{} swears", packet.connection);
            return Err(Refusal::new(Refusal::FORBIDDEN, "mind your words"));
        }
        Ok(())
    });
}

/// A token bucket on each connection.
#[derive(Clone, Copy)]
struct RateLimitMod {
    burst: u32,
    every: Duration,
}

#[derive(Component)]
struct Bucket {
    tokens: u32,
    filled: Duration,
}

impl Plugin for RateLimitMod {
    fn build(&self, app: &mut App) {
        let limit = *self;
        app.add_observer(move |event: On<Opened>, clock: Res<Clock>, mut commands: Commands| {
            commands.entity(event.entity).insert(Bucket { tokens: limit.burst, filled: clock.now() });
        });
        let system =
            move |mut packets: ResMut<Packets>, clock: Res<Clock>, mut buckets: Query<&mut Bucket>| {
                packets.filter(|packet, _| {
                    let Ok(mut bucket) = buckets.get_mut(packet.connection) else { return Ok(()) };
                    bucket.take(limit, clock.now()).ok_or(Refusal::new(Refusal::TOO_MANY, "slow down"))
                });
            };
        let authenticated = IngressSystems::Authenticate;
        app.add_systems(Ingress, system.after(authenticated).before(IngressSystems::Dispatch));
        app.add_systems(Ingress, count_refused.after(IngressSystems::Dispatch).before(IngressSystems::Flush));
    }
}

impl Bucket {
    fn take(&mut self, limit: RateLimitMod, now: Duration) -> Option<()> {
        let earned = (now - self.filled).as_nanos() / limit.every.as_nanos();
        if earned > 0 {
            self.tokens =
                limit.burst.min(self.tokens.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)));
            self.filled = now;
        }
        self.tokens = self.tokens.checked_sub(1)?;
        Some(())
    }
}

/// A filter that looks back: what became of the packets of this run.
fn count_refused(outcomes: Res<Outcomes>, connections: Query<&AcceptedBy>, mut refused: Local<u64>) {
    for handled in outcomes.iter() {
        if let portcullis::dispatch::Outcome::Refused(code) = handled.outcome {
            *refused += 1;
            let listener = connections.get(handled.connection).map(|accepted| accepted.0);
            println!("refused with {code}, the {}th so far, at listener {listener:?}", *refused);
        }
    }
}
