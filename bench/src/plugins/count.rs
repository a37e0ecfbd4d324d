//! Instructions of one case in user mode: by `perf`, where the machine lets it count, else by callgrind.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// Requests of the two runs whose difference `perf` counts.
const PERF: [u64; 2] = [2_000, 12_000];
/// Requests before those that callgrind counts: what is made on first use is made then.
const WARM: u64 = 16;
/// Nanoseconds of CPU that those take which it counts, about; it takes some fifty times as long.
const COUNTED_NS: u64 = 20_000_000;
/// Fewest and most of them.
const COUNTED: (u64, u64) = (8, 2_000);

/// Who counts.
#[derive(Clone, Copy)]
pub(crate) enum Counter {
    Perf,
    Callgrind,
}

impl Counter {
    /// The first that works here.
    pub(crate) fn find() -> Option<Self> {
        const ANY: &str = "no plugin";
        if perf(&[ANY, "1"]).is_some() {
            return Some(Self::Perf);
        }
        callgrind(ANY, COUNTED.0).map(|_| Self::Callgrind)
    }

    /// What is said of it above the table.
    pub(crate) const fn note(self) -> &'static str {
        match self {
            Self::Perf => "instructions: counted by perf",
            Self::Callgrind => {
                "instructions: counted by callgrind, as perf cannot; without AVX-512 and SHA \
                 instructions, which it does not know"
            }
        }
    }

    /// Instructions of a request, of which each takes so many nanoseconds.
    pub(crate) fn count(self, case: &str, ns: f64) -> Option<u64> {
        match self {
            Self::Perf => {
                let [few, many] = PERF.map(|times| perf(&[case, &times.to_string()]));
                let [fewer, more] = PERF;
                Some(many?.saturating_sub(few?) / (more - fewer))
            }
            Self::Callgrind => {
                let times = (COUNTED_NS as f64 / ns.max(1.0)) as u64;
                callgrind(case, times.clamp(COUNTED.0, COUNTED.1))
            }
        }
    }
}

/// Instructions in user mode that this program takes with these arguments.
fn perf(arguments: &[&str]) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let output = Command::new("perf")
        .args(["stat", "-x,", "-e", "instructions:u", "--"])
        .arg(program)
        .args(arguments)
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let line = text.lines().find(|line| line.contains("instructions"))?;
    line.split(',').next()?.parse().ok()
}

/// The same for one request of a case. Nothing is counted while the case is set up, which would take
/// minutes and is never twice the same.
fn callgrind(case: &str, times: u64) -> Option<u64> {
    let dir = std::env::temp_dir().join(format!("weir-bench-count-{}", std::process::id()));
    std::fs::create_dir_all(&dir).ok()?;
    let counted = watched(&dir, case, times);
    let _ = std::fs::remove_dir_all(&dir);
    counted
}

fn watched(dir: &Path, case: &str, times: u64) -> Option<u64> {
    let file = dir.join("out");
    let mut out = std::ffi::OsString::from("--callgrind-out-file=");
    out.push(&file);
    let child = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--instr-atstart=no"])
        .arg(out)
        .arg(std::env::current_exe().ok()?)
        .args([case, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let mut watched = Watched::new(child)?;
    watched.answer()?;
    watched.control(&["-i", "on"])?;
    // What is around the requests is in both parts.
    let [few, many] = [(1, WARM), (2, WARM + times)].map(|(part, times)| {
        watched.run(times)?;
        watched.control(&["-d"])?;
        total(&dir.join(format!("out.{part}")))
    });
    Some(many?.saturating_sub(few?) / times)
}

/// What a part of callgrind's output sums up to.
fn total(part: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(part).ok()?;
    let mut lines = text.lines();
    let total = lines.find_map(|line| line.strip_prefix("totals: "))?;
    total.trim().parse().ok()
}

/// This program under callgrind. It runs so many requests as each line says that it is sent.
struct Watched {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Watched {
    fn new(mut child: Child) -> Option<Self> {
        let (input, output) = (child.stdin.take()?, child.stdout.take()?);
        Some(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    fn run(&mut self, times: u64) -> Option<()> {
        writeln!(self.input, "{times}").ok()?;
        self.answer()
    }

    /// It is ready for the next line.
    fn answer(&mut self) -> Option<()> {
        let mut line = String::new();
        let size = self.output.read_line(&mut line).ok()?;
        (size > 0).then_some(())
    }

    fn control(&self, arguments: &[&str]) -> Option<()> {
        let output = Command::new("callgrind_control")
            .args(arguments)
            .arg(self.child.id().to_string())
            .output()
            .ok()?;
        output.status.success().then_some(())
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
