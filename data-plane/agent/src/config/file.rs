//! The file of `--config`.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::Takeover;
use super::document::Section;
use super::proxy::{self, Proxy};
use super::statics::{self, Statics};
use super::variables::{self, Variables};

/// What the file says; `None` where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct File {
    pub(crate) control: Vec<String>,
    pub(crate) name: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) zone: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) data_dir: Option<PathBuf>,
    pub(crate) http: Option<SocketAddr>,
    pub(crate) https: Option<SocketAddr>,
    pub(crate) status: Option<SocketAddr>,
    pub(crate) workers: Option<NonZeroUsize>,
    pub(crate) drain_seconds: Option<u64>,
    pub(crate) drain_delay_seconds: Option<u64>,
    pub(crate) drain_idle_seconds: Option<u64>,
    pub(crate) takeover: Option<Takeover>,
    pub(crate) access_log: Option<String>,
    pub(crate) statics: Statics,
    pub(crate) proxy: Proxy,
    pub(crate) variables: Variables,
}

/// Reads the text; what is wrong goes to `problems`.
pub(crate) fn read(text: &str, problems: &mut Vec<String>) -> File {
    const ADDRESS: &str = "an address such as 127.0.0.1:9080";
    const SECONDS: &str = "a number of seconds";
    let mut root = Section::root(text, problems);
    let file = File {
        control: root.texts("control").unwrap_or_default(),
        name: root.text("name"),
        region: root.text("region"),
        zone: root.text("zone"),
        group: root.text("group"),
        data_dir: root.text("data_dir").map(PathBuf::from),
        http: root.parsed("http", ADDRESS),
        https: root.parsed("https", ADDRESS),
        status: root.parsed("status", ADDRESS),
        workers: root.parsed("workers", "a number of 1 or more"),
        drain_seconds: root.parsed("drain_seconds", SECONDS),
        drain_delay_seconds: root.parsed("drain_delay_seconds", SECONDS),
        drain_idle_seconds: root.parsed("drain_idle_seconds", SECONDS),
        takeover: root.parsed("takeover", "auto or never"),
        access_log: root.text("access_log"),
        statics: statics::read(&mut root),
        proxy: proxy::read(&mut root),
        variables: variables::read(&mut root),
    };
    root.finish();
    file
}
