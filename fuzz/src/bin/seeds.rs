//! Writes the seeds of all targets, or of those named, to `corpus`, a directory for each.

use portcullis_fuzz::{TARGETS, Target};
use std::{
    env, fs,
    hash::{DefaultHasher, Hash, Hasher},
    io,
    path::Path,
};

fn main() -> io::Result<()> {
    let names: Vec<String> = env::args().skip(1).collect();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in
        TARGETS.iter().filter(|target| names.is_empty() || names.iter().any(|name| name == target.name))
    {
        write(target, &corpus.join(target.name))?;
    }
    Ok(())
}

fn write(target: &Target, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for seed in target.seeds() {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        fs::write(directory.join(format!("seed-{:016x}", hasher.finish())), seed)?;
    }
    Ok(())
}
