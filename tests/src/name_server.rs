//! A real name server: BIND with one zone, whose records change while it runs.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::net::TcpStream;

use crate::process::Process;
use crate::wait::until;

/// The zone; its records live for a second unless they say otherwise.
pub const ZONE: &str = "gw.test";

/// `named` on a port of its own: it listens only at addresses that an interface has. It knows
/// nothing beyond its zone, so other names fail.
pub struct NameServer {
    address: SocketAddr,
    home: PathBuf,
    process: Option<Process>,
}

impl NameServer {
    /// Starts it with an empty zone and waits until it answers. Files go below `dir`.
    pub async fn start(dir: &Path) -> Self {
        let address = free();
        let (ip, port) = (address.ip(), address.port());
        let home = dir.join("named");
        std::fs::create_dir_all(&home).expect("directory of named");
        let at = home.display();
        let zone = format!(
            "$TTL 1\n@ IN SOA ns.{ZONE}. admin.{ZONE}. ( 1 60 60 600 1 )\n  IN NS ns.{ZONE}.\nns IN A {ip}\n"
        );
        std::fs::write(home.join("zone"), zone).expect("zone");
        let config = format!(
            "options {{
               directory \"{at}\"; pid-file \"{at}/pid\"; session-keyfile \"{at}/session.key\";
               managed-keys-directory \"{at}\";
               listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
               allow-query {{ 127.0.0.0/8; }}; recursion no; dnssec-validation no;
               empty-zones-enable no; rrset-order {{ order cyclic; }};
             }};
             controls {{ }};
             zone \"{ZONE}\" {{ type primary; file \"{at}/zone\"; allow-update {{ 127.0.0.0/8; }}; }};"
        );
        std::fs::write(home.join("named.conf"), config).expect("named.conf");
        let mut server = Self {
            address,
            home,
            process: None,
        };
        server.resume().await;
        server
    }

    /// `ip:port`, as a resolver of an upstream.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Changes records, each a line of nsupdate such as `add web 1 A 127.0.0.1`; names are below
    /// the zone. All of them at once.
    pub fn update(&self, lines: &[&str]) {
        let (ip, port) = (self.address.ip(), self.address.port());
        let mut script = format!("server {ip} {port}\nzone {ZONE}\n");
        for line in lines {
            let (what, rest) = line.split_once(' ').expect("add or delete, and a name");
            let (name, rest) = rest.split_once(' ').unwrap_or((rest, ""));
            script += &format!("update {what} {name}.{ZONE} {rest}\n");
        }
        script += "send\n";
        let mut child = program("nsupdate")
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("nsupdate");
        let mut stdin = child.stdin.take().expect("stdin");
        stdin.write_all(script.as_bytes()).expect("nsupdate reads");
        drop(stdin);
        let output = child.wait_with_output().expect("nsupdate");
        assert!(output.status.success(), "{script}{output:?}");
    }

    /// kill -9: nobody answers any more.
    pub fn kill(&mut self) {
        self.process = None;
    }

    /// Starts it, with the records that it had when it was killed.
    pub async fn resume(&mut self) {
        let mut command = program("named");
        command.args(["-g", "-n", "1", "-c"]);
        command.arg(self.home.join("named.conf"));
        self.process = Some(Process::start("named", command, &self.home));
        let answers = || async {
            let open = TcpStream::connect(self.address).await;
            open.map(drop).map_err(|error| error.to_string())
        };
        until("the name server listens", Duration::from_secs(20), answers).await;
    }
}

/// An address whose port nobody has, for TCP and UDP.
fn free() -> SocketAddr {
    let unused = || {
        let tcp = TcpListener::bind("127.0.0.1:0").ok()?;
        let address = tcp.local_addr().ok()?;
        UdpSocket::bind(address).ok().map(|_| address)
    };
    (0..100).find_map(|_| unused()).expect("a free port")
}

/// A program that may be installed for the administrator only.
fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}
