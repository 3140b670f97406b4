//! A good bot: it comes, asks, comes back when it loses its connection, and leaves in one way or another; then it comes again.

use std::{rc::Rc, time::Duration};

use tokio::{
    task::spawn_local,
    time::{Instant, timeout},
};

use crate::{
    dice::Dice,
    link::{Carrier, Link},
    shell::Shell,
    talk::{Asked, ComesBack, Heard, MsgServer, Native, Pomelo, Raw, Sproto, Sysconn, Talk},
    trouble::Trouble,
};

/// How long a bot stays, on average: with 3000 of them 50 a second come and go.
const LIFE: Duration = Duration::from_secs(60);
/// How long it thinks before it asks again: 2,000 questions a second of 3000 bots leave two cores more than half idle.
const THINK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(2)];
/// How long it waits between two lives.
const BETWEEN: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// How long logging in may take. A queue of passwords may stand before it: hashing them takes one core at a time.
const ENTER: Duration = Duration::from_secs(30);
/// How long an answer may take, beyond which it is missing: the server's own limit of late answers.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a server may take to close what it has to close at once.
const CLOSE: Duration = Duration::from_secs(10);
/// How long a silent connection may be there: a minute of idling, and some.
const IDLE: Duration = Duration::from_secs(75);
/// Questions in a burst.
const BURST: usize = 8;

/// Lives the lives of the bot in this slot, one after the other, from `after` on, until everybody is to leave.
pub async fn live(shell: Rc<Shell>, slot: usize, after: Duration) {
    shell.pause(after).await;
    match slot % 16 {
        0 | 1 => lives(&shell, slot, Native::<false>::new(&shell, slot)).await,
        2 => lives(&shell, slot, Native::<true>::new(&shell, slot)).await,
        3 | 4 => lives(&shell, slot, Sproto::new(&shell, slot)).await,
        5 | 6 => lives(&shell, slot, Raw::default()).await,
        7 | 8 => lives(&shell, slot, MsgServer::new(&shell, slot)).await,
        9 | 10 => lives(&shell, slot, Pomelo::new(slot, Carrier::Tcp)).await,
        11 => lives(&shell, slot, Pomelo::new(slot, Carrier::WebSocket)).await,
        12 => lives(&shell, slot, Pomelo::new(slot, Carrier::Tls)).await,
        13 => lives(&shell, slot, Pomelo::new(slot, Carrier::TlsWebSocket)).await,
        _ => lives(&shell, slot, Sysconn::new(slot)).await,
    }
}

async fn lives<T: Talk>(shell: &Rc<Shell>, slot: usize, mut talk: T) {
    let mut dice = Dice::new(shell.seed, slot as u64);
    while !shell.is_over() {
        shell.tally.borrow_mut().lived();
        let mut doing = "logging in";
        if let Err(trouble) = life(shell, slot, &mut talk, &mut dice, &mut doing).await {
            shell.tally.borrow_mut().failed(T::NAME, slot, doing, &trouble);
        }
        shell.pause(dice.between(BETWEEN[0], BETWEEN[1])).await;
    }
}

/// From its login to its farewell.
async fn life<T: Talk>(
    shell: &Rc<Shell>,
    slot: usize,
    talk: &mut T,
    dice: &mut Dice,
    doing: &mut &'static str,
) -> Result<(), Trouble> {
    let mut link = in_time(ENTER, "logging in", talk.enter(shell)).await?;
    let until = Instant::now() + dice.lifetime(LIFE);
    while Instant::now() < until && !shell.is_over() {
        let lost = T::COMES_BACK != ComesBack::Never && dice.one_in(25);
        if lost && T::COMES_BACK == ComesBack::Alone {
            *doing = "coming back";
            link = come_back(shell, talk, link, dice).await?;
        }
        *doing = "asking";
        let count = if dice.one_in(20) { BURST } else { 1 };
        let mut asked: Vec<Asked> =
            (0..count).map(|_| talk.ask(&mut link, dice)).collect::<Result<_, _>>()?;
        let at = Instant::now();
        link.flush().await?;
        let lost = lost && T::COMES_BACK == ComesBack::WithAnswers;
        if lost {
            *doing = "coming back";
            link = come_back(shell, talk, link, dice).await?;
            *doing = "asking again";
        }
        while !asked.is_empty() {
            let (number, kept) = match in_time(ANSWER, "waiting for an answer", talk.hear(&mut link)).await? {
                Some(Heard::Right(number)) => (number, true),
                Some(Heard::Unkept(number)) if lost => (number, false),
                Some(Heard::Unkept(_)) => {
                    return Err(Trouble::wrong("what was asked once is told to be forgotten"));
                }
                None => continue,
            };
            let Some(place) = asked.iter().position(|asked| asked.number == number) else {
                return Err(Trouble::wrong(format!("{number} is answered twice")));
            };
            let latency = (asked.swap_remove(place).at_once && !lost).then(|| at.elapsed());
            if kept {
                shell.tally.borrow_mut().answered(T::NAME, latency);
            } else {
                shell.tally.borrow_mut().unkept += 1;
            }
        }
        // What was heard may want an answer, as heartbeats do.
        link.flush().await?;
        shell.pause(dice.between(THINK[0], THINK[1])).await;
    }
    *doing = "leaving";
    leave(shell, slot, talk, link, dice).await
}

/// Loses the connection, and comes back over another: it was closed, or reset, or is still there when another takes its place.
async fn come_back<T: Talk>(
    shell: &Rc<Shell>,
    talk: &mut T,
    mut old: Link,
    dice: &mut Dice,
) -> Result<Link, Trouble> {
    let back = match dice.below(3) {
        0 => {
            old.finish().await;
            drop(old);
            in_time(ENTER, "coming back", talk.come_back(shell)).await?
        }
        1 => {
            old.reset();
            in_time(ENTER, "coming back", talk.come_back(shell)).await?
        }
        _ => {
            let back = in_time(ENTER, "taking over", talk.come_back(shell)).await?;
            timeout(CLOSE, old.end())
                .await
                .map_err(|_| Trouble::Late("the connection that was taken over was to close"))?;
            back
        }
    };
    shell.tally.borrow_mut().returned();
    Ok(back)
}

/// Leaves politely, by a reset, or without a word; the server has to notice the last by itself.
async fn leave<T: Talk>(
    shell: &Rc<Shell>,
    slot: usize,
    talk: &mut T,
    mut link: Link,
    dice: &mut Dice,
) -> Result<(), Trouble> {
    match dice.below(10) {
        0 if !shell.is_over() => {
            let shell = Rc::clone(shell);
            spawn_local(async move {
                if shell.within(IDLE, link.end()).await.is_none() && !shell.is_over() {
                    let late = Trouble::Late("a silent connection was to be closed");
                    shell.tally.borrow_mut().failed(T::NAME, slot, "saying nothing", &late);
                }
            });
        }
        1..4 => link.reset(),
        _ => {
            talk.leave(&mut link);
            link.finish().await;
            in_time(CLOSE, "the connection was to close", async {
                link.end().await;
                Ok(())
            })
            .await?;
        }
    }
    Ok(())
}

async fn in_time<R>(
    limit: Duration,
    doing: &'static str,
    work: impl Future<Output = Result<R, Trouble>>,
) -> Result<R, Trouble> {
    timeout(limit, work).await.unwrap_or(Err(Trouble::Late(doing)))
}
