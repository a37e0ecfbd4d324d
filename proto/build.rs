//! Compiles the proto files with protox, so that no machine needs protoc.

use std::env;
use std::fs;
use std::path::PathBuf;

use prost::Message;

const FILES: &[&str] = &[
    "weir/resource/v1/resource.proto",
    "weir/health/v1/health.proto",
    "weir/sync/v1/sync.proto",
    "weir/control/v1/control.proto",
    "weir/cluster/v1/cluster.proto",
    "weir/discovery/v1/discovery.proto",
    "weir/raft/v1/raft.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for file in FILES {
        println!("cargo:rerun-if-changed={file}");
    }
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .include_file("weir.rs")
        // A derived form would print it.
        .skip_debug(["weir.sync.v1.TicketSecret"])
        .compile_fds(descriptors)?;
    Ok(())
}
