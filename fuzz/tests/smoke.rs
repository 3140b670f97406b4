//! Every target takes its seeds, and damaged copies of them, the same each time.
//!
//! Where there is no libFuzzer, `PORTCULLIS_FUZZ_ROUNDS=1000` makes it take so many times as many copies.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use portcullis_fuzz::{
    TARGETS,
    bytes::{Random, damaged},
    target,
};
use std::{collections::BTreeSet, env, fs, path::Path, thread};

/// Inputs for each target; a whole server is started for one, so of these there are fewer.
const INPUTS: usize = 3000;
const SERVERS: usize = 150;

fn smoke(name: &str, inputs: usize) {
    let target = target(name).unwrap();
    let seeds = target.seeds();
    assert!(!seeds.is_empty(), "{name} has nothing to begin with");
    let mut random = Random(seeds.len() as u64);
    let run = |input: &[u8]| {
        let shown = Shown(input);
        (target.run)(input);
        drop(shown);
    };
    run(&[]);
    // The seeds themselves first, spread evenly where there are too many.
    for seed in seeds.iter().step_by(1 + seeds.len() / inputs) {
        run(seed);
    }
    let rounds = env::var("PORTCULLIS_FUZZ_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(1);
    for _ in seeds.len()..inputs * rounds {
        run(&damaged(&seeds[random.below(seeds.len())], &mut random));
    }
}

/// An input, which is shown when it breaks its target.
struct Shown<'a>(&'a [u8]);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the input is b\"{}\"", self.0.escape_ascii());
        }
    }
}

macro_rules! smoke {
    ($($name:ident: $inputs:expr),+ $(,)?) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name), $inputs);
        })+

        #[test]
        fn every_target_has_a_smoke_test_and_a_program() {
            let tested = BTreeSet::from([$(stringify!($name)),+]);
            let known: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(tested, known);
            let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz_targets");
            let programs = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
            let programs: BTreeSet<_> =
                programs.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
            assert_eq!(programs, known.into_iter().map(str::to_owned).collect());
        }
    };
}

smoke! {
    be16: INPUTS, le32: INPUTS, line: INPUTS, whole: INPUTS, pomelo_framing: INPUTS,
    inlet: INPUTS, proxy_header: INPUTS,
    sproto_unpack: INPUTS, sproto_decode: INPUTS, sproto_schema: INPUTS, sproto_rpc: INPUTS,
    login_lines: INPUTS, msgserver_handshake: INPUTS, msgserver_message: INPUTS,
    pomelo_package: INPUTS, pomelo_message: INPUTS, pomelo_protobuf: INPUTS, pomelo_schema: INPUTS,
    pomelo_dictionary: INPUTS, pomelo_handshake: INPUTS, pomelo_inflate: INPUTS,
    sysconn_message: INPUTS, sysconn_body: INPUTS, sysconn_inflate: INPUTS,
    native_frame: INPUTS, native_body: INPUTS, native_client: INPUTS,
    cuts: SERVERS, whole_server: SERVERS, sockets: SERVERS,
}
