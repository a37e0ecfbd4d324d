//! A real LDAP server.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::process::Process;
use crate::spec::certificates::pair;
use crate::wait::until;

/// Where Debian keeps what it does not link.
const MODULES: &str = "/usr/lib/ldap";
const SCHEMAS: &str = "/etc/ldap/schema";

/// `slapd` on an address of its own, with its own configuration and data: users below
/// `ou=users,dc=example,dc=org`.
pub struct Slapd {
    /// Where it speaks in the clear.
    pub address: SocketAddr,
    /// Where it speaks TLS.
    pub secure: SocketAddr,
    /// The process.
    pub process: Process,
    config: String,
    dir: PathBuf,
}

impl Slapd {
    /// Starts a server with these users and passwords, and waits until it answers. Files go below
    /// `dir`.
    pub async fn start(dir: &Path, users: &[(&str, &str)]) -> Self {
        let home = dir.join("slapd");
        std::fs::create_dir_all(home.join("data")).expect("a folder");
        let ip = crate::address::fresh();
        let pair = pair(&ip.to_string(), "trusted", false);
        let write = |name: &str, text: &str| {
            std::fs::write(home.join(name), text).expect("a file");
            home.join(name).display().to_string()
        };
        let (cert, key) = (write("cert.pem", &pair.cert), write("key.pem", &pair.key));
        let config = write(
            "slapd.conf",
            &format!(
                "include {SCHEMAS}/core.schema\nmodulepath {MODULES}\nmoduleload back_mdb\n\
             TLSCertificateFile {cert}\nTLSCertificateKeyFile {key}\n\
             database mdb\nsuffix \"dc=example,dc=org\"\nrootdn \"cn=admin,dc=example,dc=org\"\n\
             directory {}\n",
                home.join("data").display()
            ),
        );
        let mut entries =
            "dn: dc=example,dc=org\nobjectClass: dcObject\nobjectClass: organization\n\
             dc: example\no: example\n\ndn: ou=users,dc=example,dc=org\n\
             objectClass: organizationalUnit\nou: users\n"
                .to_owned();
        for (name, password) in users {
            entries.push_str(&format!(
                "\ndn: cn={name},ou=users,dc=example,dc=org\nobjectClass: person\nsn: user\nuserPassword: {password}\n"
            ));
        }
        let entries = write("entries.ldif", &entries);
        let added = Command::new("/usr/sbin/slapadd")
            .args(["-f", &config, "-l", &entries])
            .output();
        let added = added.expect("slapadd (scripts/test-deps.sh installs it)");
        assert!(
            added.status.success(),
            "{}",
            String::from_utf8_lossy(&added.stderr)
        );
        let (address, secure) = (SocketAddr::from((ip, 1389)), SocketAddr::from((ip, 1636)));
        let slapd = Self {
            address,
            secure,
            process: Self::spawn(&config, [address, secure], dir),
            config,
            dir: dir.to_owned(),
        };
        slapd.listens().await;
        slapd
    }

    fn spawn(config: &str, [address, secure]: [SocketAddr; 2], dir: &Path) -> Process {
        let mut command = Command::new("/usr/sbin/slapd");
        let urls = format!("ldap://{address}/ ldaps://{secure}/");
        command.args(["-f", config, "-h", &urls, "-d", "0"]);
        Process::start("slapd", command, dir)
    }

    /// Starts it again at the same addresses, with the same users.
    pub async fn restart(&mut self) {
        self.process = Self::spawn(&self.config, [self.address, self.secure], &self.dir);
        self.listens().await;
    }

    async fn listens(&self) {
        for address in [self.address, self.secure] {
            until("slapd listens", Duration::from_secs(60), || async {
                TcpStream::connect(address)
                    .await
                    .map(drop)
                    .map_err(|error| error.to_string())
            })
            .await;
        }
    }
}
