//! The end of a session.

use http::StatusCode;
use http::header::SET_COOKIE;
use weir_plugin_api::{Context, Response, Step};

use super::Compiled;
use super::login::redirect;
use super::provider::{Metadata, form_of};

impl Compiled {
    /// Ends the session, here and if it can be at the provider.
    pub(super) async fn logout(&self, context: &Context) -> Step<'static> {
        let session = match self.session(context).await {
            Ok(session) => session,
            Err(error) => return self.fail(context, StatusCode::SERVICE_UNAVAILABLE, &error),
        };
        if let Some(session) = &session
            && let Err(error) = self.forget(context, session).await
        {
            return self.fail(context, StatusCode::SERVICE_UNAVAILABLE, &error);
        }
        let mut cookies = self.cookies.clear(context);
        let logins = self.cookies.logins(context);
        cookies.extend(
            logins
                .iter()
                .filter_map(|name| self.cookies.end(context, name)),
        );
        let metadata = self.calls.metadata(&self.provider, &*context.host).await;
        if let (true, Some(session), Ok(metadata)) = (self.revokes, &session, &metadata) {
            for token in [&session.refresh_token, &session.access_token]
                .into_iter()
                .flatten()
            {
                if let Err(error) = self.revoke(context, metadata, token).await {
                    self.complain(context, &error);
                }
            }
        }
        let after = self.post_logout_redirect_uri.as_deref();
        let endpoint = metadata
            .ok()
            .and_then(|metadata| metadata.endpoint("end_session_endpoint").ok());
        let Some(endpoint) = endpoint.map(|endpoint| endpoint.to_string()) else {
            if let Some(after) = after {
                return redirect(after, cookies);
            }
            let mut answer = Response::text(StatusCode::OK, "Logged out");
            for cookie in cookies {
                answer = answer.with_header(SET_COOKIE, cookie);
            }
            return Step::respond(answer);
        };
        let mut fields = vec![("client_id", self.client.id.as_str())];
        fields.extend(
            session
                .as_ref()
                .map(|session| ("id_token_hint", session.id_token.as_str())),
        );
        fields.extend(after.map(|after| ("post_logout_redirect_uri", after)));
        let join = if endpoint.contains('?') { '&' } else { '?' };
        redirect(&format!("{endpoint}{join}{}", form_of(&fields)), cookies)
    }

    async fn revoke(
        &self,
        context: &Context,
        metadata: &Metadata,
        token: &str,
    ) -> Result<(), String> {
        let uri = metadata.endpoint("revocation_endpoint")?;
        let call = self
            .client
            .post(&self.calls, &*context.host, uri, &[("token", token)])?;
        let answer = context.host.outside().http(call).await;
        let answer = answer.map_err(|error| format!("revocation: {error}"))?;
        if answer.status.is_success() {
            return Ok(());
        }
        Err(format!(
            "revocation: the provider answers {}",
            answer.status.as_u16()
        ))
    }
}
