//! `cargo xtask browser`: what opens our pages in the tests: Chromium, and its driver from npm, as
//! `tests/browser/package-lock.json` has it.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{error::Error, npm, project::Project};

/// What it is called. The tests look for the same.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// What to do where it cannot be installed.
const ADVICE: &str =
    "Chromium is missing: install it from your system's packages, as with `apt-get install chromium`";

/// Installs them, unless they are there. A machine where Chromium cannot be had is told what to install, and its tests try
/// nothing.
pub fn install(project: &Project) -> Result<(), Error> {
    npm::install(project, "tests/browser")?;
    if is_there() || (is_root() && apt_get() && is_there()) {
        return Ok(());
    }
    println!("==> SKIPPED, NO PAGE IS TESTED: {ADVICE}");
    Ok(())
}

fn is_there() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    finds(env::split_paths(&path), Path::is_file)
}

fn finds(mut folders: impl Iterator<Item = PathBuf>, is_file: impl Fn(&Path) -> bool) -> bool {
    folders.any(|folder| NAMES.iter().any(|name| is_file(&folder.join(name))))
}

/// Where nobody else could be asked for a password.
fn is_root() -> bool {
    let id = Command::new("id").arg("-u").stdin(Stdio::null()).output();
    id.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn apt_get() -> bool {
    println!("==> chromium is missing: apt-get install --yes chromium");
    let run = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        let status =
            command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).status();
        status.is_ok_and(|status| status.success())
    };
    // A fresh machine knows no packages yet; one whose lists are old may have what it needs all the same.
    run(&["update"]);
    run(&["install", "--yes", "--no-install-recommends", "chromium"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chromium_is_found_by_any_of_its_names_in_any_folder() {
        let folders = || ["/bin", "/opt/bin"].map(PathBuf::from).into_iter();
        for name in NAMES {
            let file = Path::new("/opt/bin").join(name);
            assert!(finds(folders(), |asked| asked == file), "{name}");
        }
        assert!(!finds(folders(), |asked| asked.ends_with("firefox")));
    }

    #[test]
    fn the_tests_look_for_the_same_names() {
        let tests = include_str!("../../tests/browser/main.rs");
        assert!(NAMES.iter().all(|name| tests.contains(&format!("{name:?}"))));
    }
}
