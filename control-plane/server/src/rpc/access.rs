//! Who is calling: the admin key in metadata `x-api-key`.

use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::admin::auth::{Denied, Keys, Role};

/// Name of the metadata that carries the key, also between nodes.
pub(super) const KEY: &str = "x-api-key";

/// Lets callers with a known key in, and notes who they are.
#[derive(Clone)]
pub(super) struct Gate {
    keys: Keys,
}

/// The caller of a request that passed the [`Gate`].
#[derive(Clone)]
pub(crate) struct Caller {
    pub(super) role: Role,
    /// What it sent, to ask other nodes in its name.
    pub(super) key: Option<MetadataValue<Ascii>>,
}

impl Gate {
    pub(super) fn new(keys: Keys) -> Self {
        Self { keys }
    }
}

impl Interceptor for Gate {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let key = request.metadata().get(KEY).cloned();
        let text = key.as_ref().and_then(|key| key.to_str().ok());
        let role = self.keys.check(text, false).map_err(denied)?;
        request.extensions_mut().insert(Caller { role, key });
        Ok(request)
    }
}

impl Caller {
    /// A caller that came with this key another way than by gRPC.
    pub(crate) fn new(role: Role, key: Option<&str>) -> Self {
        Self {
            role,
            key: key.and_then(|key| key.parse().ok()),
        }
    }

    /// The caller of `request`. A request that went around the gate has none, and no rights.
    pub(super) fn of<T>(request: &Request<T>) -> Result<&Self, Status> {
        request
            .extensions()
            .get::<Self>()
            .ok_or_else(|| denied(Denied::Missing))
    }

    /// Only for admins.
    pub(super) fn admin(&self) -> Result<(), Status> {
        match self.role {
            Role::Admin => Ok(()),
            Role::Viewer => Err(denied(Denied::ReadOnly)),
        }
    }
}

fn denied(why: Denied) -> Status {
    match why {
        Denied::Missing => Status::unauthenticated("missing apikey: send metadata x-api-key"),
        Denied::Wrong => Status::unauthenticated(why.to_string()),
        Denied::ReadOnly => Status::permission_denied(why.to_string()),
    }
}
