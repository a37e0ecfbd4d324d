//! A child process with its output in a file.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// The `weir` binary under test: `WEIR_BIN`, or the one beside this test's own executable.
pub fn weir_binary() -> PathBuf {
    if let Some(path) = std::env::var_os("WEIR_BIN") {
        return PathBuf::from(path);
    }
    let test = std::env::current_exe().expect("path of the test");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("target/PROFILE/deps/TEST");
    let binary = profile.join("weir");
    assert!(
        binary.exists(),
        "{} is missing: run `cargo build --bin weir`",
        binary.display()
    );
    binary
}

/// A running child. Dropping it kills it.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    leads_group: bool,
}

impl Process {
    /// Starts `command`, with stdout and stderr appended to `DIR/NAME.log`.
    pub fn start(name: &str, command: Command, dir: &Path) -> Self {
        Self::spawn(name, command, dir, false)
    }

    /// [`Self::start`] as the leader of a process group, which ends as a whole: for commands that
    /// start others, such as `make`.
    pub fn start_group(name: &str, mut command: Command, dir: &Path) -> Self {
        command.process_group(0);
        Self::spawn(name, command, dir, true)
    }

    fn spawn(name: &str, mut command: Command, dir: &Path, leads_group: bool) -> Self {
        let log = dir.join(format!("{name}.log"));
        let file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("log file");
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("log file"))
            .stderr(file)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {name}: {error}"));
        Self {
            name: name.to_owned(),
            child,
            log,
            leads_group,
        }
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGKILL and waits for the end.
    pub fn kill(&mut self) {
        if self.leads_group && self.runs() {
            self.signal_group("KILL");
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends a signal by name, such as `TERM` or `STOP`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .args(["-s", name, &self.pid().to_string()])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -s {name} {}",
            self.name
        );
    }

    /// Sends a signal to the process group that it leads, as a terminal does.
    pub fn signal_group(&self, name: &str) {
        let group = format!("-{}", self.pid());
        let status = Command::new("kill")
            .args(["-s", name, "--", &group])
            .status();
        assert!(
            status.is_ok_and(|status| status.success()),
            "kill -s {name} -- {group}"
        );
    }

    /// Waits for the process to end by itself.
    pub fn wait(&mut self, limit: Duration) -> ExitStatus {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("wait") {
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} still runs; log:\n{}",
                self.name,
                self.tail()
            );
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Everything it printed.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines that it printed, for messages.
    pub fn tail(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- {} ---\n{}", self.name, self.tail());
        }
    }
}
