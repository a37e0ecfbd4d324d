//! TLS of the client and of back ends.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, client, server};

use super::certificates::{TRUSTED, authority, pair};

/// TLS of a back end.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerTls {
    /// Name or address in its certificate.
    pub name: String,
    /// Authority that signed it.
    #[serde(default = "trusted")]
    pub by: String,
    /// The certificate was good last year.
    #[serde(default)]
    pub expired: bool,
    /// Authority of the certificate that clients must show.
    pub client_ca: Option<String>,
    /// Protocols that it offers; all of HTTP when absent.
    pub alpn: Option<Vec<String>>,
}

fn trusted() -> String {
    TRUSTED.to_owned()
}

/// What a handshake showed a back end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Peer {
    pub(crate) sni: Option<String>,
    pub(crate) has_certificate: bool,
}

fn roots(name: &str) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    let pem = authority(name);
    let cert = CertificateDer::from_pem_slice(pem.as_bytes()).expect("PEM");
    roots.add(cert).expect("an authority");
    roots
}

/// Accepts a connection as a back end.
pub(crate) async fn accept(
    tls: &ServerTls,
    stream: TcpStream,
) -> std::io::Result<(server::TlsStream<TcpStream>, Peer)> {
    let provider = Arc::new(default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&[&version::TLS12, &version::TLS13])
        .expect("versions");
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots(name)), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let pair = pair(&tls.name, &tls.by, tls.expired);
    let cert = CertificateDer::from_pem_slice(pair.cert.as_bytes()).expect("PEM");
    let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("PEM");
    let mut config = builder.with_single_cert(vec![cert], key).expect("a pair");
    let offered = tls
        .alpn
        .clone()
        .unwrap_or_else(|| vec!["h2".to_owned(), "http/1.1".to_owned()]);
    config.alpn_protocols = offered.into_iter().map(String::into_bytes).collect();
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    let (_, connection) = stream.get_ref();
    let peer = Peer {
        sni: connection.server_name().map(str::to_owned),
        has_certificate: connection.peer_certificates().is_some(),
    };
    Ok((stream, peer))
}

/// Connects as a client that trusts our authority.
pub(crate) async fn connect(
    sni: &str,
    alpn: &str,
    stream: TcpStream,
) -> Result<client::TlsStream<TcpStream>, String> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS12, &version::TLS13])
        .expect("versions")
        .with_root_certificates(roots(TRUSTED))
        .with_no_client_auth();
    config.alpn_protocols = vec![alpn.as_bytes().to_vec()];
    let name = ServerName::try_from(sni.to_owned()).map_err(|error| format!("{sni}: {error}"))?;
    let connect = TlsConnector::from(Arc::new(config)).connect(name, stream);
    connect.await.map_err(|error| format!("handshake: {error}"))
}
