//! API keys of handshakes: where one is, and how a client is refused without one that may be.

use http::request::Parts;

use super::stage::LiveRoute;
use super::turn::{Refused, Turn};
use crate::Failure;
use crate::edge::keys::{KeyedStage, Ruling, not_needed};
use crate::rest::records::Home;

impl Turn<'_> {
    /// Lets a client in if it has a key where it needs one, and the key's plan allows it now. Messages are not counted: AWS
    /// asks for keys at `$connect` alone.
    pub(super) async fn check_key(&mut self, route: &LiveRoute, head: &Parts) -> Result<(), Refused> {
        if !route.needs_key {
            self.log.info(|| not_needed(&format!("route '{}'", route.key)));
            return Ok(());
        }
        let value = match self.stage.has_keys_of_authorizer {
            true => self.usage_key.clone(),
            false => head.headers.get("x-api-key").and_then(|value| value.to_str().ok()).map(str::to_owned),
        };
        let place = &self.stage.place;
        let api = Home { account: self.stage.account, region: self.stage.region.clone() }.api(&*place.api_id);
        let stage = KeyedStage { api: &api, name: &place.stage };
        let known = self.gateway.find_key(&mut self.log, &self.cx, stage, value.as_deref()).await;
        let Some((value, known)) = value.zip(known.map_err(unread)?) else { return Err(Refused::forbidden()) };
        self.context.set("identity.apiKey", value);
        self.context.set("identity.apiKeyId", known.id.clone());
        let ruling = self.gateway.spend(&mut self.log, &self.cx, stage, &known, None).await;
        match ruling.map_err(unread)? {
            Ruling::Admitted => Ok(()),
            Ruling::Throttled => Err(Refused::client(429, "Too Many Requests")),
            Ruling::UsedUp => Err(Refused::client(429, "Limit Exceeded")),
        }
    }
}

fn unread(failure: Failure) -> Refused {
    failure.log();
    Refused::execution(500, "keys cannot be read")
}
