//! `cargo xtask bench`: the benches, the whole-server one first.

use crate::{
    error::Error,
    metadata::Metadata,
    project::{CargoLine, Project},
};

/// The bench that stands beside a raw socket server; the others measure one piece each.
const WHOLE_SERVER: &str = "server";
/// The one that takes as long as it is told to: it measures nothing, and has a command of its own.
pub const SOAK: &str = "soak";

/// Runs all benches but the soak, or the one called `name`, and gives it `arguments`.
pub fn run(project: &Project, name: Option<&str>, arguments: &[String]) -> Result<(), Error> {
    let mut benches = benches(&project.metadata()?);
    if let Some(name) = name {
        let known = benches.iter().map(|bench| bench.name.as_str()).collect::<Vec<_>>().join(", ");
        benches.retain(|bench| bench.name == name);
        if benches.is_empty() {
            return Err(Error::NoBench { name: name.to_owned(), known });
        }
    } else {
        benches.retain(|bench| bench.name != SOAK);
    }
    for bench in &benches {
        let mut line =
            CargoLine::new(&format!("bench --locked --package {} --bench {}", bench.package, bench.name));
        if !arguments.is_empty() {
            line = line.and(&["--".to_owned()]).and(arguments);
        }
        println!("==> {line}");
        line.run(project)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Bench {
    package: String,
    name: String,
}

fn benches(metadata: &Metadata) -> Vec<Bench> {
    let mut benches: Vec<_> = metadata
        .members()
        .flat_map(|package| package.targets.iter().map(move |target| (package, target)))
        .filter(|(_, target)| target.kind.iter().any(|kind| kind == "bench"))
        .map(|(package, target)| Bench { package: package.name.clone(), name: target.name.clone() })
        .collect();
    benches.sort_by_key(|bench| bench.name != WHOLE_SERVER);
    benches
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::{Target, made_up};

    #[test]
    fn the_whole_server_bench_comes_first() {
        let mut metadata = made_up(&["portcullis -> portcullis_net"]);
        for (name, kind) in [("portcullis", "lib"), ("codec", "bench"), ("server", "bench")] {
            metadata.packages[0].targets.push(Target { name: name.into(), kind: vec![kind.into()] });
        }
        let names: Vec<_> = benches(&metadata).into_iter().map(|bench| bench.name).collect();
        assert_eq!(names, ["server", "codec"]);
    }
}
