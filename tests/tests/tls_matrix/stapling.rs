//! OCSP stapling, with `openssl ocsp` as the responder behind a small server that can also fail.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weir_tests::cluster::PATIENCE;
use weir_tests::wait::until;

use super::client::openssl;
use super::setup::Bench;

/// What the responder does.
#[derive(Clone, Copy)]
enum Mood {
    Good,
    Revoked,
    Error,
    Silent,
}

struct Responder {
    url: String,
    dir: PathBuf,
    mood: Arc<Mutex<Mood>>,
}

impl Responder {
    async fn start(dir: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ocsp", listener.local_addr().unwrap());
        let mood = Arc::new(Mutex::new(Mood::Good));
        let (home, shared) = (dir.to_owned(), Arc::clone(&mood));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mood = *shared.lock().unwrap();
                tokio::spawn(answer(stream, home.clone(), mood));
            }
        });
        Self {
            url,
            dir: dir.to_owned(),
            mood,
        }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// A certificate of the authority with this serial number that names the responder, and its key.
    fn mint(&self, name: &str, serial: &str) -> (String, String) {
        run(
            &self.dir,
            &format!("openssl ecparam -name prime256v1 -genkey -noout -out {name}.key"),
        );
        run(
            &self.dir,
            &format!("openssl req -new -key {name}.key -out {name}.csr -subj /CN={name}"),
        );
        let extensions = format!("authorityInfoAccess=OCSP;URI:{}\n", self.url);
        std::fs::write(self.dir.join("extensions"), extensions).unwrap();
        run(
            &self.dir,
            &format!(
                "openssl x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -set_serial 0x{serial} \
                 -days 5 -out {name}.pem -extfile extensions"
            ),
        );
        let read = |file: String| std::fs::read_to_string(self.dir.join(file)).unwrap();
        let chain = read(format!("{name}.pem")) + &read("ca.pem".to_owned());
        (chain, read(format!("{name}.key")))
    }
}

fn run(dir: &Path, command: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    let output = Command::new(words[0])
        .args(&words[1..])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
}

/// Reads a request and answers it with what openssl says.
async fn answer(mut stream: TcpStream, dir: PathBuf, mood: Mood) {
    let mut read = Vec::new();
    let body = loop {
        if stream.read_buf(&mut read).await.unwrap_or(0) == 0 {
            return;
        }
        let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/ocsp-request"),
            "{head}"
        );
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap().trim().parse().unwrap();
        if read.len() >= end + 4 + length {
            break read[end + 4..].to_vec();
        }
    };
    let answer = match mood {
        Mood::Good => respond(&dir, &body, "V\t360101000000Z\t"),
        Mood::Revoked => respond(&dir, &body, "R\t360101000000Z\t250101000000Z"),
        Mood::Error => {
            let _ = stream
                .write_all(b"HTTP/1.1 500 Broken\r\ncontent-length: 0\r\n\r\n")
                .await;
            return;
        }
        Mood::Silent => {
            // Until the other side has had enough.
            let _ = stream.read(&mut [0; 1]).await;
            return;
        }
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    let _ = stream
        .write_all(&[head.into_bytes(), answer].concat())
        .await;
}

/// The response to a question, with this status for every certificate of the test.
fn respond(dir: &Path, question: &[u8], status: &str) -> Vec<u8> {
    let own = tempfile::tempdir_in(dir).unwrap();
    let index: String = ["1001", "1002", "1003", "1004"]
        .map(|serial| format!("{status}\t{serial}\tunknown\t/CN={serial}\n"))
        .concat();
    std::fs::write(own.path().join("index"), index).unwrap();
    std::fs::write(own.path().join("question"), question).unwrap();
    run(
        own.path(),
        "openssl ocsp -index index -reqin question -respout answer -rsigner ../ca.pem \
         -rkey ../ca.key -CA ../ca.pem -ndays 1",
    );
    std::fs::read(own.path().join("answer")).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_responder_says_goes_with_the_certificate() {
    let bench = Bench::start("").await;
    let dir = bench.cluster.dir();
    run(
        dir,
        "openssl ecparam -name prime256v1 -genkey -noout -out ca.key",
    );
    run(
        dir,
        "openssl req -x509 -new -key ca.key -out ca.pem -subj /CN=authority -days 5",
    );
    let responder = Responder::start(dir).await;
    let status = |name: &str| openssl(&bench.agent, &["-servername", name, "-status"], name, "/");
    let stapled = async |name: &str, expected: &str| {
        until(&format!("{name}: {expected}"), PATIENCE, || async {
            let seen = status(name);
            match seen.contains(expected) {
                true => Ok(()),
                false => Err(seen),
            }
        })
        .await;
    };
    let object = |name: &str, serial: &str, stapling: Value| {
        let (cert, key) = responder.mint(name, serial);
        json!({"sni": name, "cert": cert, "key": key, "ocsp_stapling": stapling})
    };

    // A responder that hangs or fails keeps nobody waiting.
    responder.set(Mood::Silent);
    let good = object("good.test", "1001", json!({"enabled": true}));
    bench.put("ssls/good", good.clone()).await;
    let begun = Instant::now();
    let seen = status("good.test");
    assert!(
        seen.contains("no response sent") && seen.contains("HTTP/1.1 200"),
        "{seen}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    responder.set(Mood::Error);
    bench.put("ssls/good", good.clone()).await;
    assert!(status("good.test").contains("HTTP/1.1 200"));

    // A change of the object asks again.
    responder.set(Mood::Good);
    bench.put("ssls/good", good).await;
    stapled("good.test", "Cert Status: good").await;
    bench
        .put(
            "ssls/off",
            object("off.test", "1004", json!({"enabled": false})),
        )
        .await;
    assert!(status("off.test").contains("no response sent"));

    // A response of the object is there at once.
    let asked = {
        let (name, serial) = ("inline.test", "1003");
        let (cert, key) = responder.mint(name, serial);
        run(
            dir,
            "openssl ocsp -issuer ca.pem -cert inline.test.pem -no_nonce -reqout inline.req",
        );
        let question = std::fs::read(dir.join("inline.req")).unwrap();
        let response = STANDARD.encode(respond(dir, &question, "V\t360101000000Z\t"));
        json!({"sni": name, "cert": cert, "key": key,
            "ocsp_stapling": {"enabled": true, "responses": [response]}})
    };
    responder.set(Mood::Silent);
    bench.put("ssls/inline", asked.clone()).await;
    assert!(status("inline.test").contains("Cert Status: good"));

    // A revoked certificate has no staple, unless nobody looks.
    responder.set(Mood::Revoked);
    bench
        .put(
            "ssls/revoked",
            object("revoked.test", "1002", json!({"enabled": true})),
        )
        .await;
    bench
        .put(
            "ssls/unverified",
            object(
                "unverified.test",
                "1004",
                json!({"enabled": true, "skip_verify": true}),
            ),
        )
        .await;
    stapled("unverified.test", "Cert Status: revoked").await;
    assert!(status("revoked.test").contains("no response sent"));

    // What cannot be stapled is refused.
    let mut alone = asked.clone();
    alone["cert"] = json!(std::fs::read_to_string(dir.join("inline.test.pem")).unwrap());
    let mut other = asked.clone();
    other["cert"] = json!(responder.mint("other.test", "1001").0);
    other["key"] = json!(std::fs::read_to_string(dir.join("other.test.key")).unwrap());
    let mut junk = asked;
    junk["ocsp_stapling"]["responses"] = json!(["%%%"]);
    for (object, said) in [
        (
            alone,
            "ocsp_stapling: expected the issuer's certificate behind the certificate",
        ),
        (
            other,
            "ocsp_stapling.responses[0]: the OCSP response is about another certificate",
        ),
        (junk, "ocsp_stapling.responses[0]: expected DER in base64"),
    ] {
        let answer = bench.try_put("ssls/refused", &object).await;
        let text = answer.text();
        assert_eq!(answer.status, 400, "{said}: {text}");
        assert!(text.contains(said), "expected {said}: {text}");
    }
}
