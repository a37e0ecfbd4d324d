//! Who may do what: keys and their roles, the same for REST and gRPC.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::Context;

use crate::config::KeySettings;

/// What the holder of a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Read.
    Viewer,
}

impl Role {
    /// Lower-case name, also the author of writes.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Viewer => "viewer",
        }
    }
}

/// Why a key was not accepted. Displays as APISIX's `description`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denied {
    /// None was sent.
    #[error("missing apikey")]
    Missing,
    /// Nobody has this key.
    #[error("wrong apikey")]
    Wrong,
    /// A viewer asked for a change.
    #[error("invalid method for role viewer")]
    ReadOnly,
}

/// The keys of a node.
#[derive(Clone, Default)]
pub(crate) struct Keys {
    required: bool,
    keys: Vec<(String, Role)>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("required", &self.required)
            .field("keys", &self.keys.len())
            .finish()
    }
}

impl Keys {
    /// Keys with their roles. When not `required`, everybody is an admin.
    pub(crate) fn new(required: bool, keys: Vec<(String, Role)>) -> Self {
        Self { required, keys }
    }

    /// Decides on one request: `writes` tells whether it may change anything.
    ///
    /// # Errors
    /// See [`Denied`].
    pub(crate) fn check(&self, key: Option<&str>, writes: bool) -> Result<Role, Denied> {
        if !self.required {
            return Ok(Role::Admin);
        }
        let key = key.filter(|key| !key.is_empty()).ok_or(Denied::Missing)?;
        // Every key is compared whole, so that the time taken tells nothing of where they differ.
        let role = self
            .keys
            .iter()
            .filter(|(known, _)| same(known.as_bytes(), key.as_bytes()))
            .map(|(_, role)| *role)
            .fold(None, |found, role| found.or(Some(role)))
            .ok_or(Denied::Wrong)?;
        if role == Role::Viewer && writes {
            return Err(Denied::ReadOnly);
        }
        Ok(role)
    }
}

/// Compares without stopping at the first difference.
fn same(known: &[u8], sent: &[u8]) -> bool {
    let differences = known
        .iter()
        .zip(sent)
        .fold(0_u8, |seen, (known, sent)| seen | (known ^ sent));
    known.len() == sent.len() && differences == 0
}

/// Finds the keys: given ones, the file, or a new one written to the file.
///
/// # Errors
/// When a key file cannot be read or written, or is empty.
pub(crate) fn load(settings: &KeySettings) -> anyhow::Result<Keys> {
    if !settings.required {
        return Ok(Keys::default());
    }
    let admin = match &settings.admin {
        Some(key) => key.clone(),
        None => from_file(&settings.admin_file)?,
    };
    let viewer = settings
        .viewer
        .iter()
        .map(|key| (key.clone(), Role::Viewer));
    let keys = std::iter::once((admin, Role::Admin)).chain(viewer);
    Ok(Keys::new(true, keys.collect()))
}

fn from_file(path: &Path) -> anyhow::Result<String> {
    match std::fs::read_to_string(path) {
        Ok(text) => {
            let key = text.trim().to_owned();
            anyhow::ensure!(
                !key.is_empty(),
                "admin key file {} is empty",
                path.display()
            );
            Ok(key)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = generate();
            store(path, &key).with_context(|| format!("admin key file {}", path.display()))?;
            tracing::info!(file = %path.display(), "admin key generated");
            Ok(key)
        }
        Err(error) => Err(error).with_context(|| format!("admin key file {}", path.display())),
    }
}

/// 244 random bits from the system's generator, as 64 hex digits.
fn generate() -> String {
    let half = || uuid::Uuid::new_v4().simple().to_string();
    format!("{}{}", half(), half())
}

/// Writes the key where only the owner can read it.
fn store(path: &Path, key: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

/// The key that a request carries: header, query argument or cookie.
pub(super) fn key_of(headers: &http::HeaderMap, query: &super::query::Query) -> Option<String> {
    let header =
        |name: &str| Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned());
    header("x-api-key")
        .or_else(|| query.get("api_key").map(str::to_owned))
        .or_else(|| cookie(&header("cookie")?))
}

fn cookie(header: &str) -> Option<String> {
    header.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == "x_api_key").then(|| value.trim_matches('"').to_owned())
    })
}
