//! A real nginx as back end.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::address;
use crate::client::Client;
use crate::process::Process;
use crate::wait::until;

/// nginx on an address of its own, port 8080. It answers every path with its name and says in
/// headers what it was asked.
pub struct Nginx {
    /// Its address.
    pub ip: Ipv4Addr,
    process: Process,
}

impl Nginx {
    /// Starts it and waits until it answers. Files go below `dir`.
    pub async fn start(name: &str, dir: &Path) -> Self {
        Self::start_with(name, dir, |_| String::new()).await
    }

    /// [`Self::start`] with more servers on its address, as nginx.conf has them.
    pub async fn start_with(
        name: &str,
        dir: &Path,
        servers: impl FnOnce(Ipv4Addr) -> String,
    ) -> Self {
        let ip = address::fresh();
        let servers = servers(ip);
        let home = dir.join(format!("nginx-{name}"));
        std::fs::create_dir_all(&home).expect("nginx directory");
        let config = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr warn;
             events {{ worker_connections 1024; }}
             http {{
               access_log off; keepalive_requests 1000000;
               client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
               uwsgi_temp_path uwsgi; scgi_temp_path scgi;
               server {{
                 listen {ip}:8080;
                 default_type text/plain;
                 add_header x-seen-host $http_host;
                 add_header x-seen-uri $request_uri;
                 add_header x-seen-forwarded-for $http_x_forwarded_for;
                 location / {{ return 200 \"{name}\\n\"; }}
               }}
               {servers}
             }}"
        );
        std::fs::write(home.join("nginx.conf"), config).expect("nginx.conf");
        let mut command = Command::new("nginx");
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        command
            .arg("-p")
            .arg(&home)
            .args(["-c", "nginx.conf", "-e", "stderr"]);
        let process = Process::start(&format!("nginx-{name}"), command, &home);
        let client = Client::default();
        until("nginx answers", Duration::from_secs(20), || async {
            client.try_get(&format!("http://{ip}:8080/")).await
        })
        .await;
        Self { ip, process }
    }

    /// Its process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// `host:port`, as a node of an upstream.
    pub fn node(&self) -> String {
        format!("{}:8080", self.ip)
    }
}
