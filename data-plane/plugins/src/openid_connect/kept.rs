//! Where sessions are between requests: whole in cookies, or in Redis under a name that is in cookies.

use http::HeaderValue;
use weir_plugin_api::Context;

use super::Compiled;
use super::cookies::Cookies;
use super::seal::random_text;
use super::session::Session;
use super::store::Store;

impl Compiled {
    /// The session that the request brings, if it is still good.
    ///
    /// # Errors
    /// It cannot be said.
    pub(super) async fn session(&self, context: &Context) -> Result<Option<Session>, String> {
        let Some(cookie) = self.cookies.read(context) else {
            return Ok(None);
        };
        let session = match &self.store {
            None => self.seal.open(&self.purpose("session"), &cookie),
            Some(store) => self.stored(store, context, &cookie).await?,
        };
        let now = context.host.unix_ms() / 1000;
        Ok(session.filter(|session| self.lives.hold(session, now)))
    }

    async fn stored(
        &self,
        store: &Store,
        context: &Context,
        cookie: &str,
    ) -> Result<Option<Session>, String> {
        let name: Option<String> = self.seal.open(&self.purpose("name"), cookie);
        let Some(name) = name else {
            return Ok(None);
        };
        let Some(sealed) = store.get(&*context.host, &name).await? else {
            return Ok(None);
        };
        let mut session: Option<Session> = self.seal.open(&self.purpose(&name), &sealed);
        if let Some(session) = &mut session {
            session.name = name;
        }
        Ok(session)
    }

    /// Keeps a session; the `Set-Cookie` fields that bring it back.
    ///
    /// # Errors
    /// It cannot be kept.
    pub(super) async fn keep(
        &self,
        context: &Context,
        session: &mut Session,
    ) -> Result<Vec<HeaderValue>, String> {
        let unsealed = "a session could not be sealed";
        let Some(store) = &self.store else {
            let sealed = self.seal.seal(&self.purpose("session"), session);
            let sealed = sealed.ok_or(unsealed)?;
            if !Cookies::fits(&sealed) {
                let size = sealed.len();
                return Err(format!(
                    "a session of {size} bytes does not fit into cookies"
                ));
            }
            return Ok(self.cookies.write(context, &sealed));
        };
        let is_known = !session.name.is_empty();
        if !is_known {
            session.name = random_text().ok_or(unsealed)?;
        }
        let name = session.name.as_str();
        // What is kept under one name does not open under another.
        let sealed = self.seal.seal(&self.purpose(name), session);
        let life = self.lives.left(session, context.host.unix_ms() / 1000);
        store
            .put(
                &*context.host,
                name,
                is_known,
                sealed.ok_or(unsealed)?,
                life,
            )
            .await?;
        let cookie = self.seal.seal(&self.purpose("name"), &name);
        Ok(self.cookies.write(context, &cookie.ok_or(unsealed)?))
    }

    /// Forgets a session, where that is more than ending its cookies.
    ///
    /// # Errors
    /// It may still be there.
    pub(super) async fn forget(&self, context: &Context, session: &Session) -> Result<(), String> {
        match &self.store {
            None => Ok(()),
            Some(store) => store.delete(&*context.host, &session.name).await,
        }
    }
}
