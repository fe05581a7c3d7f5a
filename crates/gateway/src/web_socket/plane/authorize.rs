//! Whether a client may have the connection that it asks for: by its signature, or as a function says.

use base::{Arn, Caller};
use bytes::Bytes;
use http::request::Parts;

use super::stage::Authorization;
use super::turn::{Refused, Turn};

impl Turn<'_> {
    /// Lets a client in, or refuses it.
    pub(super) async fn authorize(&mut self, authorization: &Authorization, head: &Parts) -> Result<(), Refused> {
        match authorization {
            Authorization::None => Ok(()),
            Authorization::Iam => self.authorize_signer(head).await,
            Authorization::Custom(authorizer) => {
                Err(Refused::execution(500, format!("the authorizer {} is not asked yet", authorizer.name)))
            }
        }
    }

    /// Lets those in who have signed, and whom policies let invoke the route.
    async fn authorize_signer(&mut self, head: &Parts) -> Result<(), Refused> {
        let signer = self.desk.signer("execute-api", &self.stage.region, head, &Bytes::new(), &self.cx.origin).await;
        let signer = signer.map_err(|error| Refused::client(403, error.message))?;
        let caller = signer.ok_or_else(|| Refused::client(403, "Missing Authentication Token"))?;
        self.set_signer(&caller);
        self.cx.caller = caller;
        let arn = Arn::parse(&self.arn()).ok_or_else(Refused::forbidden)?;
        let permitted = self.desk.permit(&self.cx, "execute-api", "Invoke", &arn, &[]).await;
        permitted.map_err(|error| Refused::client(403, error.message))
    }

    fn set_signer(&mut self, caller: &Caller) {
        let key = caller.access_key_id.as_deref().map(str::to_owned);
        self.context.set("identity.accountId", caller.account.to_string());
        self.context.set_some("identity.accessKey", key);
        for name in ["identity.caller", "identity.user"] {
            self.context.set(name, caller.user_id.to_string());
        }
        self.context.set("identity.userArn", caller.arn.to_string());
    }
}
