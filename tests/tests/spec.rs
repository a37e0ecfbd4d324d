//! The cases below `tests/spec`, each a test of its own: `cargo test --test spec -- routing` runs
//! those whose name has `routing` in it. `WEIR_SPEC_DIR` names another directory of cases.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use weir_tests::spec::{self, Case};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let dir = std::env::var_os("WEIR_SPEC_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("spec"),
        PathBuf::from,
    );
    let cases = match spec::load(&dir) {
        Ok(cases) => cases,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let Ok(runtime) = runtime else {
        eprintln!("no runtime");
        return ExitCode::FAILURE;
    };
    let trial = |case: Case| {
        let (name, handle) = (case.name.clone(), runtime.handle().clone());
        let run = move || handle.block_on(spec::run(&case)).map_err(Failed::from);
        Trial::test(name, run)
    };
    let conclusion = libtest_mimic::run(&arguments, cases.into_iter().map(trial).collect());
    spec::close();
    conclusion.exit_code()
}
