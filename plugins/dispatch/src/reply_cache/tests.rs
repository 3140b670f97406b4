//! The rules, one by one, and all of them at random.

use super::{
    original::{Did, Original},
    *,
};

const NATIVE: Speaks = Speaks(0);
const OTHER: Speaks = Speaks(1);

fn connection(version: u32) -> Entity {
    Entity::from_raw_u32(version).unwrap()
}

/// A cache and the connection of its client.
struct Client(ReplyCache);

impl Client {
    fn new(limits: ReplyLimits) -> Self {
        let mut client = Self(ReplyCache::new(limits));
        client.reconnect();
        client
    }

    fn reconnect(&mut self) {
        self.0.next_version();
    }

    fn here(&self) -> Entity {
        connection(self.0.version())
    }

    fn ask(&mut self, id: u64) -> Asked {
        let here = self.here();
        self.0.ask(id, here, NATIVE)
    }

    #[track_caller]
    fn begin(&mut self, id: u64) -> u64 {
        match self.ask(id) {
            Asked::New(run) => run,
            asked => panic!("{asked:?}"),
        }
    }

    #[track_caller]
    fn serve(&mut self, id: u64, frame: &[u8]) {
        let (run, here) = (self.begin(id), self.here());
        assert_eq!(self.0.answer(id, run, here, frame), Some(here));
    }

    /// What comes again, when that is asked for.
    fn again(&mut self, id: u64) -> Option<Vec<u8>> {
        if self.ask(id) != Asked::Again {
            return None;
        }
        let mut out = Vec::new();
        self.0.resend(id, &mut out);
        Some(out)
    }
}

#[test]
fn an_answer_comes_again_over_a_later_connection_and_once_over_each() {
    let mut client = Client::new(ReplyLimits::default());
    client.serve(5, b"five");
    client.serve(6, b"six");
    for _ in 0..3 {
        client.reconnect();
        assert_eq!(client.again(5).unwrap(), b"five");
        assert_eq!(client.again(6).unwrap(), b"six");
    }
    client.serve(5, b"another");
    client.reconnect();
    assert_eq!(client.again(5).unwrap(), b"another");
}

#[test]
fn an_id_may_be_used_again_over_one_connection() {
    let mut client = Client::new(ReplyLimits::default());
    for text in [b"1", b"2", b"3"] {
        client.serve(5, text);
    }
    assert_eq!((client.0.len(), client.0.bytes()), (1, 3));
    client.reconnect();
    assert_eq!(client.again(5).unwrap(), b"3");
}

#[test]
fn what_is_running_is_overlooked_once_over_each_connection() {
    let mut client = Client::new(ReplyLimits::default());
    let run = client.begin(5);
    assert_eq!(client.ask(5), Asked::OnItsWay);
    assert_eq!(client.ask(5), Asked::Conflict);
    assert_eq!(client.ask(5), Asked::Conflict);
    client.reconnect();
    assert_eq!(client.ask(5), Asked::OnItsWay);
    assert_eq!(client.ask(5), Asked::Conflict);
    assert_eq!(client.0.answer(5, run, connection(1), b"five"), Some(connection(2)), "who asked last");
    client.reconnect();
    assert_eq!(client.again(5).unwrap(), b"five", "the conflict cost nobody the answer");
}

#[test]
fn a_request_that_was_done_after_its_connection_was_lost_is_not_handled_again() {
    let mut client = Client::new(ReplyLimits::default());
    let run = client.begin(5);
    client.reconnect();
    assert_eq!(
        client.0.answer(5, run, connection(1), b"five"),
        Some(connection(1)),
        "not pushed to the new one"
    );
    assert_eq!(client.again(5).unwrap(), b"five");
}

#[test]
fn a_request_is_answered_once() {
    let mut client = Client::new(ReplyLimits::default());
    let run = client.begin(5);
    assert!(client.0.answer(5, run, connection(1), b"five").is_some());
    assert!(client.0.answer(5, run, connection(1), b"late").is_none());
    let another = client.begin(5);
    assert!(client.0.answer(5, run, connection(1), b"late").is_none(), "the run is another");
    assert_eq!(client.0.running(), 1);
    client.0.settle(5, run, false);
    assert_eq!(client.0.running(), 1);
    client.0.settle(5, another, false);
    assert_eq!((client.0.running(), client.0.len()), (0, 0));
    client.serve(5, b"new");
}

#[test]
fn of_three_hundred_answers_the_first_hundred_and_twenty_eight_expire() {
    let mut client = Client::new(ReplyLimits::default());
    (0..300).for_each(|id| client.serve(id, format!("r{id}").as_bytes()));
    assert_eq!(client.0.len(), 172);
    client.reconnect();
    for id in [0, 100, 127] {
        client.serve(id, b"fresh");
    }
    for id in [128, 200, 299] {
        assert_eq!(client.again(id).unwrap(), format!("r{id}").as_bytes());
    }
}

#[test]
fn bytes_are_bounded_whatever_the_number() {
    let limits = ReplyLimits { max_bytes: 100, ..ReplyLimits::default() };
    let mut client = Client::new(limits);
    for id in 0..10 {
        client.serve(id, &[id as u8; 30]);
        assert!(client.0.bytes() <= 100);
    }
    assert_eq!((client.0.len(), client.0.bytes()), (3, 90));
    client.serve(10, &[10; 70_000]);
    assert_eq!((client.0.len(), client.0.bytes()), (1, 70_000), "the latest stays");
    client.reconnect();
    assert_eq!(client.again(10).unwrap(), [10; 70_000]);
    assert_eq!((client.0.len(), client.0.bytes()), (1, 70_000));
    client.serve(11, b"small");
    assert_eq!((client.0.len(), client.0.bytes()), (1, 5));
    client.0.shrink();
    assert!(client.0.answers.capacity() < 100);
}

#[test]
fn answers_that_are_sent_again_and_again_stay_within_the_bounds() {
    let limits = ReplyLimits { expired_number: 4, max_bytes: 1000, ..ReplyLimits::default() };
    let mut client = Client::new(limits);
    client.serve(1, &[1; 90]);
    for _ in 0..1000 {
        client.reconnect();
        assert_eq!(client.again(1).unwrap(), [1; 90]);
        assert!(client.0.answers.places() <= 8 && client.0.bytes() <= 1000);
        assert!(client.0.answers.capacity() <= 2000 && client.0.len() == 1);
    }
}

#[test]
fn limits_at_their_ends_are_borne() {
    let mut client = Client::new(ReplyLimits { expired_number: 0, ..ReplyLimits::default() });
    for id in 0..10 {
        client.serve(id, b"gone");
        client.reconnect();
    }
    assert_eq!((client.0.len(), client.0.bytes(), client.0.answers.places()), (0, 0, 0));
    let most = usize::MAX;
    let limits = ReplyLimits { expired_number: most, max_bytes: most, running: most, ascending: false };
    let mut client = Client::new(limits);
    (0..1000).for_each(|id| client.serve(id, b"kept"));
    client.serve(u64::MAX, b"kept");
    assert_eq!(client.0.len(), 1001);
    let mut client = Client::new(ReplyLimits { max_bytes: 0, ..ReplyLimits::default() });
    client.serve(1, b"one");
    client.serve(2, b"");
    assert_eq!((client.0.len(), client.0.bytes()), (1, 0));
    let mut client = Client::new(ReplyLimits { running: 0, ..ReplyLimits::default() });
    assert_eq!(client.ask(1), Asked::TooMany);
    client.0.version = u32::MAX;
    client.reconnect();
    assert_eq!(client.0.version(), 0);
}

#[test]
fn so_many_run_and_no_more() {
    let mut client = Client::new(ReplyLimits { running: 2, ..ReplyLimits::default() });
    let run = client.begin(1);
    client.begin(2);
    assert_eq!(client.ask(3), Asked::TooMany);
    client.reconnect();
    assert_eq!(client.ask(3), Asked::TooMany, "over whatever connection");
    assert_eq!(client.ask(1), Asked::OnItsWay);
    client.0.answer(1, run, connection(1), b"one");
    client.begin(3);
    assert_eq!(client.0.running(), 2);
}

#[test]
fn ids_that_go_up_are_not_made_too_old_by_what_is_sent_again() {
    let limits = ReplyLimits { expired_number: 4, ascending: true, ..ReplyLimits::default() };
    let mut client = Client::new(limits);
    (1..=4).for_each(|id| client.serve(id, b"done"));
    for _ in 0..10 {
        client.reconnect();
        assert!(client.again(1).is_some() && client.again(2).is_some());
    }
    client.reconnect();
    assert!((1..=4).all(|id| client.again(id).is_some()));
}

#[test]
fn another_client_does_not_get_what_was_answered_before() {
    let mut client = Client::new(ReplyLimits { ascending: true, ..ReplyLimits::default() });
    client.serve(1, b"one");
    let run = client.begin(2);
    client.reconnect();
    client.0.clear();
    assert!(client.0.is_empty() && client.0.running() == 0);
    client.serve(1, b"another");
    let other = client.begin(2);
    assert!(client.0.answer(2, run, connection(1), b"two").is_none());
    assert_eq!(client.0.answer(2, other, client.here(), b"another"), Some(client.here()));
}

#[test]
fn ids_that_go_up_are_never_handled_twice() {
    let limits = ReplyLimits { expired_number: 2, ascending: true, ..ReplyLimits::default() };
    let mut client = Client::new(limits);
    (1..=5).for_each(|id| client.serve(id, b"done"));
    client.reconnect();
    assert_eq!(client.ask(2), Asked::Forgotten);
    assert_eq!(client.ask(2), Asked::Forgotten);
    assert_eq!(client.again(4).unwrap(), b"done");
    (6..=20).for_each(|id| client.serve(id, b"done"));
    assert_eq!(client.ask(5), Asked::Forgotten, "what an earlier connection asked, and this one displaced");
    client.reconnect();
    assert_eq!(client.ask(17), Asked::Forgotten);
    assert_eq!(client.again(20).unwrap(), b"done");
    client.serve(21, b"done");
}

#[test]
fn what_is_turned_away_unseen_is_another_request_unless_it_had_been_let_in() {
    let mut client = Client::new(ReplyLimits::default());
    assert!(!client.0.was_let_in(1, NATIVE), "nobody knows it");
    client.serve(1, b"one");
    client.begin(2);
    assert!(client.0.was_let_in(2, NATIVE), "it is running");
    client.reconnect();
    assert!(client.0.was_let_in(1, NATIVE), "it came again");
    assert!(!client.0.was_let_in(1, OTHER));
    assert_eq!(client.again(1).unwrap(), b"one");
    assert!(!client.0.was_let_in(1, NATIVE), "the id is used again");
    client.reconnect();
    client.begin(1);
}

#[test]
fn over_another_protocol_a_client_begins_anew() {
    let mut client = Client::new(ReplyLimits::default());
    client.serve(1, b"one");
    let old = client.begin(2);
    client.reconnect();
    let here = client.here();
    let Asked::New(run) = client.0.ask(2, here, OTHER) else { panic!("it is another client's") };
    assert_eq!(client.0.answer(2, old, connection(1), b"old"), None, "it could not be read");
    assert_eq!(client.0.answer(2, run, here, b"new"), Some(here));
    assert_eq!((client.0.len(), client.0.running(), client.0.version()), (1, 0, 2));
    assert_eq!(client.0.answer(3, old, connection(1), b"old"), Some(connection(1)), "it may be there still");
}

#[test]
fn what_it_says_of_itself_holds_no_answers() {
    let mut client = Client::new(ReplyLimits::default());
    client.serve(1, &[123; 3]);
    assert!(!format!("{:?}", client.0).contains("123"));
}

/// Small, and the same everywhere.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

#[test]
fn it_does_as_the_original_does() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let expired = 1 + dice.below(12) as usize;
        let ids = 4 + dice.below(60);
        let stride = [1, 1 << 32, 1 << 57, u64::MAX / 64][dice.below(4) as usize];
        let limits = ReplyLimits { expired_number: expired, max_bytes: usize::MAX, ..ReplyLimits::default() };
        let mut client = Client::new(limits);
        let mut original = Original { version: 1, ..Original::default() };
        let mut running = Vec::new();
        for step in 0..5000 {
            let at = format!("seed {seed}, step {step}");
            match dice.below(20) {
                0 => {
                    client.reconnect();
                    original.version += 1;
                    if dice.below(2) == 0 {
                        client.0.shrink();
                    }
                }
                1..=11 => {
                    let id = dice.below(ids) * stride;
                    let did = match client.ask(id) {
                        Asked::New(run) => {
                            running.push((id, run));
                            Did::Execute
                        }
                        Asked::Again => {
                            let mut out = Vec::new();
                            client.0.resend(id, &mut out);
                            Did::Send(out)
                        }
                        Asked::OnItsWay => Did::Absorb,
                        Asked::Conflict => Did::Conflict,
                        asked => panic!("{at}: {asked:?}"),
                    };
                    assert_eq!(did, original.request(id, expired), "{at}, id {id}");
                }
                _ if running.is_empty() => {}
                _ => {
                    let (id, run) = running.swap_remove(dice.below(running.len() as u64) as usize);
                    let answer = format!("{id} {step}").repeat(dice.below(5) as usize).into_bytes();
                    let to = client.0.answer(id, run, Entity::PLACEHOLDER, &answer);
                    assert_eq!(to, Some(connection(original.finish(id, answer, expired))), "{at}");
                }
            }
            assert_eq!(client.0.running(), running.len(), "{at}");
            assert_eq!(client.0.len(), original.len(), "{at}");
            assert!(client.0.answers.places() <= 2 * expired, "{at}");
        }
    }
}

#[test]
fn bytes_go_oldest_first_as_a_plain_list_would() {
    for seed in 0..20 {
        let mut dice = Dice(seed);
        let limits = ReplyLimits { expired_number: usize::MAX, max_bytes: 500, ..ReplyLimits::default() };
        let mut client = Client::new(limits);
        let mut list: Vec<(u64, Vec<u8>)> = Vec::new();
        let trim = |list: &mut Vec<(u64, Vec<u8>)>| {
            while list.len() > 1 && list.iter().map(|(_, frame)| frame.len()).sum::<usize>() > 500 {
                list.remove(0);
            }
        };
        for id in 0..3000 {
            client.reconnect();
            let frame = vec![id as u8; dice.below(200) as usize];
            client.serve(id, &frame);
            list.push((id, frame));
            trim(&mut list);
            client.reconnect();
            let older = id.saturating_sub(dice.below(12));
            let latest = list.iter().rev().find(|(other, _)| *other == older).cloned();
            match latest {
                Some(kept) => {
                    assert_eq!(client.again(older).as_ref(), Some(&kept.1), "seed {seed}, id {older}");
                    list.push(kept);
                    trim(&mut list);
                }
                None => {
                    let run = client.begin(older);
                    client.0.settle(older, run, false);
                }
            }
            assert_eq!(client.0.bytes(), list.iter().map(|(_, frame)| frame.len()).sum::<usize>());
        }
    }
}
