//! The suite: a Python program, installed into the target directory from the versions in `tests/autobahn`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::{
    Cases, Error,
    judge::{self, Judged},
};
use crate::{error::Error as AnyError, project::Project};

/// How long the cases for one listener may take. With the longest messages they take less than a minute; one that
/// hangs is given up by the suite itself.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// How often we look whether it has ended.
const GLANCE: Duration = Duration::from_millis(20);

/// The suite, installed.
pub struct Suite {
    folder: PathBuf,
}

impl Suite {
    /// Installs it, unless what is there is what was asked for.
    pub fn install(project: &Project, target: &Path) -> Result<Self, AnyError> {
        let suite = Self { folder: target.join("autobahn") };
        let asked = suite.python().args(["-m", "pip", "--version"]).stdout(Stdio::null()).status();
        if !asked.is_ok_and(|status| status.success()) {
            return Err(Error::NoPython.into());
        }
        let requirements = project.root().join("tests/autobahn/requirements.txt");
        let read =
            |path: &Path| fs::read(path).map_err(|source| AnyError::Read { path: path.into(), source });
        let (wanted, stamp) = (read(&requirements)?, suite.packages().join("installed-from.txt"));
        if read(&stamp).is_ok_and(|installed| installed == wanted) {
            return Ok(suite);
        }
        // It need not be there.
        let _ = fs::remove_dir_all(suite.packages());
        let mut pip = suite.python();
        pip.args(["-m", "pip", "install", "--user", "--ignore-installed", "--no-deps", "--quiet"])
            .args(["--disable-pip-version-check", "--no-warn-script-location", "--requirement"])
            .arg(&requirements);
        let status = pip.status().map_err(|_| Error::NoPython)?;
        if !status.success() {
            return Err(Error::NotInstalled(status.to_string()).into());
        }
        fs::write(&stamp, wanted).map_err(|source| AnyError::Write { path: stamp, source })?;
        Ok(suite)
    }

    /// Plays cases to one listener.
    pub fn play(&self, kind: &str, url: &str, cases: &Cases) -> Result<Vec<Judged>, Error> {
        let reports = self.reports().join(kind);
        // What an earlier run left must not be taken for this one's.
        let _ = fs::remove_dir_all(&reports);
        fs::create_dir_all(&reports).map_err(|error| Error::Io("the suite's reports", error))?;
        let specification = json!({
            "outdir": reports,
            "servers": [{ "agent": kind, "url": url }],
            "cases": cases.wanted,
            "exclude-cases": cases.unwanted,
            "exclude-agent-cases": {},
        });
        let [file, log] = ["json", "log"].map(|ending| self.folder.join(format!("{kind}.{ending}")));
        fs::write(&file, specification.to_string())
            .map_err(|error| Error::Io("the suite's specification", error))?;
        let said = File::create(&log).map_err(|error| Error::Io("the suite's log", error))?;
        let said_too = said.try_clone().map_err(|error| Error::Io("the suite's log", error))?;
        let mut command = self.python();
        command.arg(self.packages().join("bin/wstest")).args(["--mode", "fuzzingclient", "--spec"]);
        command.arg(&file).stdout(said).stderr(said_too);
        let child = command.spawn().map_err(|_| Error::NoPython)?;
        let Some(status) = Playing(child).end()? else {
            return Err(Error::StillRunning { log });
        };
        if !status.success() {
            return Err(Error::Failed { why: status.to_string(), log });
        }
        let report = fs::read(reports.join("index.json"));
        let judged = report.map_err(|error| error.to_string()).and_then(|report| judge::read(&report));
        judged.map_err(|why| Error::Failed { why, log })
    }

    /// Where it writes what happened, as pages to look at.
    pub fn reports(&self) -> PathBuf {
        self.folder.join("reports")
    }

    fn packages(&self) -> PathBuf {
        self.folder.join("python")
    }

    fn python(&self) -> Command {
        let mut python = Command::new("python2.7");
        python
            .env("PYTHONUSERBASE", self.packages())
            // Where pyenv has it, that hides it until it is asked for.
            .env("PYENV_VERSION", "2.7")
            .env_remove("PYTHONPATH")
            .env_remove("PYTHONNOUSERSITE")
            // It says each time that it is out of date, as do its packages.
            .env("PYTHONWARNINGS", "ignore")
            .stdin(Stdio::null());
        python
    }
}

/// The suite at work, ended if we leave early.
struct Playing(Child);

impl Playing {
    /// Waits until it ends, but not for ever.
    fn end(mut self) -> Result<Option<ExitStatus>, Error> {
        let start = Instant::now();
        while start.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().map_err(|error| Error::Io("the suite", error))? {
                return Ok(Some(status));
            }
            thread::sleep(GLANCE);
        }
        Ok(None)
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
