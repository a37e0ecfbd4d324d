//! Kubeconfig files: one cluster, one user, chosen by a context. Reads what they name.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;
use weir_model::registry::RegistryTls;

use super::access::{Access, Token};
use crate::Error;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    #[serde(default)]
    current_context: Option<String>,
    #[serde(default)]
    clusters: Vec<Entry>,
    #[serde(default)]
    users: Vec<Entry>,
    #[serde(default)]
    contexts: Vec<Entry>,
}

/// All three lists look alike.
#[derive(Deserialize)]
struct Entry {
    name: String,
    #[serde(default)]
    cluster: Option<Cluster>,
    #[serde(default)]
    user: Option<User>,
    #[serde(default)]
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cluster: String,
    #[serde(default)]
    user: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    #[serde(default)]
    certificate_authority: Option<String>,
    #[serde(default)]
    certificate_authority_data: Option<String>,
    #[serde(default)]
    insecure_skip_tls_verify: bool,
    #[serde(default)]
    tls_server_name: Option<String>,
    #[serde(default)]
    proxy_url: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    #[serde(default)]
    token: Option<String>,
    #[serde(default, rename = "tokenFile")]
    token_file: Option<String>,
    #[serde(default)]
    client_certificate: Option<String>,
    #[serde(default)]
    client_certificate_data: Option<String>,
    #[serde(default)]
    client_key: Option<String>,
    #[serde(default)]
    client_key_data: Option<String>,
    #[serde(default)]
    exec: Option<IgnoredAny>,
    #[serde(default)]
    auth_provider: Option<IgnoredAny>,
    #[serde(default)]
    username: Option<String>,
    #[serde(rename = "as", default)]
    impersonated: Option<IgnoredAny>,
}

/// The access that a context of the file describes; the current one when none is named.
pub(super) fn read(path: &Path, context: Option<&str>) -> Result<Access, Error> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::config(format!("kubeconfig: {}: {error}", path.display())))?;
    let dir = path.parent().unwrap_or(path);
    parse(&text, context, dir)
        .map_err(|wrong| Error::config(format!("kubeconfig {}: {wrong}", path.display())))
}

fn parse(text: &str, context: Option<&str>, dir: &Path) -> Result<Access, String> {
    let file: File = serde_saphyr::from_str(text)
        .map_err(|error| format!("not readable: {}", error.without_snippet()))?;
    let wanted = context.or(file.current_context.as_deref());
    let wanted = wanted
        .filter(|name| !name.is_empty())
        .ok_or("no current-context; name one in the field context")?;
    let missing = |what: &str, name: &str| format!("there is no {what} {name:?}");
    let context = find(file.contexts, wanted)
        .and_then(|entry| entry.context)
        .ok_or_else(|| missing("context", wanted))?;
    let cluster = find(file.clusters, &context.cluster)
        .and_then(|entry| entry.cluster)
        .ok_or_else(|| missing("cluster", &context.cluster))?;
    let user = if context.user.is_empty() {
        User::default()
    } else {
        find(file.users, &context.user)
            .and_then(|entry| entry.user)
            .ok_or_else(|| missing("user", &context.user))?
    };
    refuse(&cluster, &user, &context.user)?;
    let pem = |data: Option<String>, file: Option<String>| pem(data, file, dir);
    let token = match (user.token, user.token_file) {
        // As Kubernetes has it: the file wins, since it may be renewed.
        (_, Some(file)) => Token::File(dir.join(file)),
        (Some(token), None) => Token::Fixed(token),
        (None, None) => Token::None,
    };
    Ok(Access {
        server: cluster.server,
        tls: RegistryTls {
            verify: !cluster.insecure_skip_tls_verify,
            ca: pem(
                cluster.certificate_authority_data,
                cluster.certificate_authority,
            )?,
            server_name: cluster.tls_server_name,
            client_cert: pem(user.client_certificate_data, user.client_certificate)?,
            client_key: pem(user.client_key_data, user.client_key)?,
        },
        token,
    })
}

fn find(entries: Vec<Entry>, name: &str) -> Option<Entry> {
    entries.into_iter().find(|entry| entry.name == name)
}

/// Ways of access that are not gone here.
fn refuse(cluster: &Cluster, user: &User, name: &str) -> Result<(), String> {
    let instead = "use a token, a token file or a client certificate";
    if user.exec.is_some() {
        return Err(format!(
            "user {name:?}: plugins (exec) are not run; {instead}"
        ));
    }
    if user.auth_provider.is_some() {
        return Err(format!(
            "user {name:?}: auth-provider is not supported; {instead}"
        ));
    }
    if user.username.is_some() {
        return Err(format!(
            "user {name:?}: a password is not taken by Kubernetes any more; {instead}"
        ));
    }
    if user.impersonated.is_some() {
        return Err(format!("user {name:?}: impersonation is not supported"));
    }
    if cluster.proxy_url.is_some() {
        return Err("proxy-url is not supported".to_owned());
    }
    Ok(())
}

/// Data in base64, or the content of a file.
fn pem(data: Option<String>, file: Option<String>, dir: &Path) -> Result<Option<String>, String> {
    if let Some(data) = data.filter(|data| !data.is_empty()) {
        let bytes = STANDARD
            .decode(data.trim())
            .map_err(|error| format!("data that is not base64: {error}"))?;
        let text = String::from_utf8(bytes).map_err(|_| "data that is not PEM".to_owned())?;
        return Ok(Some(text));
    }
    let Some(file) = file.filter(|file| !file.is_empty()) else {
        return Ok(None);
    };
    let path: PathBuf = dir.join(file);
    let text = std::fs::read_to_string(&path);
    text.map(Some)
        .map_err(|error| format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
apiVersion: v1
kind: Config
current-context: east
preferences: {}
clusters:
- name: one
  cluster:
    server: https://10.0.0.1:6443/prefix
    certificate-authority-data: Y2E=
- name: two
  cluster: {server: "http://10.0.0.2:8080", insecure-skip-tls-verify: true}
users:
- name: me
  user: {token: t0k, client-certificate-data: Y2VydA==, client-key-data: a2V5}
- name: files
  user: {tokenFile: token, token: old}
- name: plugin
  user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}}
- name: cloud
  user: {auth-provider: {name: gcp}}
contexts:
- name: east
  context: {cluster: one, user: me, namespace: x}
- name: west
  context: {cluster: two, user: files}
- name: nobody
  context: {cluster: two}
- name: exec
  context: {cluster: two, user: plugin}
- name: cloud
  context: {cluster: two, user: cloud}
- name: lost
  context: {cluster: nowhere, user: me}
"#;

    fn access(context: Option<&str>) -> Result<Access, String> {
        parse(FILE, context, Path::new("/etc/kube"))
    }

    #[test]
    fn contexts_choose_cluster_and_user() {
        let east = access(None).unwrap();
        assert_eq!(east.server, "https://10.0.0.1:6443/prefix");
        assert_eq!(east.tls.ca.as_deref(), Some("ca"));
        assert_eq!(east.tls.client_cert.as_deref(), Some("cert"));
        assert_eq!(east.tls.client_key.as_deref(), Some("key"));
        assert!(east.tls.verify);
        assert_eq!(east.token, Token::Fixed("t0k".into()));
        let west = access(Some("west")).unwrap();
        assert!(!west.tls.verify);
        assert_eq!(west.token, Token::File("/etc/kube/token".into()));
        assert_eq!(access(Some("nobody")).unwrap().token, Token::None);
    }

    #[test]
    fn what_is_not_supported_is_said() {
        let wrong = |context: &str| access(Some(context)).unwrap_err();
        assert!(wrong("exec").starts_with("user \"plugin\": plugins (exec) are not run"));
        assert!(wrong("cloud").contains("auth-provider is not supported"));
        assert_eq!(wrong("lost"), "there is no cluster \"nowhere\"");
        assert_eq!(wrong("none"), "there is no context \"none\"");
        let bad = |text: &str| parse(text, None, Path::new("")).unwrap_err();
        assert!(bad("a: [").starts_with("not readable"));
        assert!(bad("clusters: []").starts_with("no current-context"));
        let file = "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n\
                    clusters: [{name: k, cluster: {server: 'https://k', certificate-authority: no-such-file}}]";
        assert!(bad(file).starts_with("no-such-file: "), "{}", bad(file));
    }
}
