//! Tags: what bears them, AWS's limits, and the tag with which LocalStack's users choose an id.

use base::{Arn, Cx, Error};
use store::{Key, Record, Table, Tx};

use super::error::{bad, missing, no_api, no_stage};
use super::records::{API_KEYS, CLIENT_CERTIFICATES, Home, REST_APIS, STAGES, Texts, USAGE_PLANS, VPC_LINKS};
use crate::domain::{DOMAINS, domain_key};
use crate::{Failure, Gateway};

/// The tag that names the id of a new API or key, as LocalStack has it.
const CUSTOM_ID: &str = "_custom_id_";

/// AWS's limits.
const TAGS_MAX: usize = 50;
const KEY_CHARACTERS_MAX: usize = 128;
const VALUE_CHARACTERS_MAX: usize = 256;

/// The id that a tag names.
pub(crate) fn custom_id(tags: Option<&Texts>) -> Option<&str> {
    tags?.get(CUSTOM_ID).map(String::as_str)
}

/// Refuses tags beyond AWS's limits.
pub(crate) fn check(tags: Option<&Texts>) -> Result<(), Error> {
    let Some(tags) = tags else { return Ok(()) };
    if tags.len() > TAGS_MAX {
        return Err(bad(format!("Maximum number of tags ({TAGS_MAX}) for this resource has been exceeded")));
    }
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > KEY_CHARACTERS_MAX || key.starts_with("aws:") {
            return Err(bad(format!("Invalid tag key specified: {key}")));
        }
        if value.chars().count() > VALUE_CHARACTERS_MAX {
            return Err(bad(format!("Invalid tag value specified for tag key: {key}")));
        }
    }
    Ok(())
}

/// Something that bears tags: where it is, and what is said if it is not there.
#[derive(Clone, Debug)]
pub(crate) struct Tagged {
    noun: Noun,
    key: Key,
    /// The API that is to be forgotten by data planes, where it is one or belongs to one.
    api_id: Option<String>,
    missing: Error,
}

#[derive(Clone, Copy, Debug)]
enum Noun {
    Api,
    Stage,
    ApiKey,
    UsagePlan,
    VpcLink,
    ClientCertificate,
    DomainName,
}

impl Tagged {
    /// What an ARN names: `arn:aws:apigateway:{region}::/restapis/{id}`.
    pub(crate) fn of(cx: &Cx, arn: &str) -> Result<Tagged, Error> {
        let refused = || bad(format!("Invalid resource ARN specified: {arn}"));
        let parsed = Arn::parse(arn).filter(|arn| arn.service == "apigateway").ok_or_else(refused)?;
        let home = Home::of(cx);
        let parts: Vec<&str> = parsed.resource.trim_matches('/').split('/').collect();
        let of =
            |noun, key, api_id: Option<&str>, missing| Tagged { noun, key, api_id: api_id.map(str::to_owned), missing };
        Ok(match parts.as_slice() {
            ["restapis", id] => of(Noun::Api, home.below(id), Some(id), no_api(cx, id)),
            ["restapis", id, "stages", stage] => of(Noun::Stage, home.deep(id, stage), Some(id), no_stage()),
            ["apikeys", id] => of(Noun::ApiKey, home.below(id), None, super::usage::no_key()),
            ["usageplans", id] => of(Noun::UsagePlan, home.below(id), None, super::usage::no_plan()),
            ["vpclinks", id] => {
                of(Noun::VpcLink, home.below(id), None, missing("Invalid Vpc Link identifier specified"))
            }
            ["clientcertificates", id] => {
                let missing = missing("Invalid Client Certificate identifier specified");
                of(Noun::ClientCertificate, home.below(id), None, missing)
            }
            ["domainnames", name] => of(
                Noun::DomainName,
                domain_key(cx.account, &cx.region, name),
                None,
                missing("Invalid domain name identifier specified"),
            ),
            _ => return Err(refused()),
        })
    }

    /// Changes the tags, or only reads them where `change` changes nothing.
    fn work(&self, tx: &mut Tx<'_>, change: &dyn Fn(&mut Texts) -> Result<(), Error>) -> Result<Texts, Failure> {
        match self.noun {
            Noun::Api => self.on(tx, REST_APIS, |api| &mut api.tags, change),
            Noun::Stage => self.on(tx, STAGES, |stage| &mut stage.shown.tags, change),
            Noun::ApiKey => self.on(tx, API_KEYS, |key| &mut key.tags, change),
            Noun::UsagePlan => self.on(tx, USAGE_PLANS, |plan| &mut plan.tags, change),
            Noun::VpcLink => self.on(tx, VPC_LINKS, |link| &mut link.tags, change),
            Noun::ClientCertificate => self.on(tx, CLIENT_CERTIFICATES, |one| &mut one.shown.tags, change),
            Noun::DomainName => {
                let mut domain = tx.get(DOMAINS, &self.key)?.ok_or_else(|| self.missing.clone())?;
                change(&mut domain.tags)?;
                tx.put(DOMAINS, &self.key, &domain)?;
                Ok(domain.tags)
            }
        }
    }

    fn on<R: Record>(
        &self,
        tx: &mut Tx<'_>,
        table: Table<R>,
        tags_of: impl Fn(&mut R) -> &mut Option<Texts>,
        change: &dyn Fn(&mut Texts) -> Result<(), Error>,
    ) -> Result<Texts, Failure> {
        let mut record = tx.get(table, &self.key)?.ok_or_else(|| self.missing.clone())?;
        let slot = tags_of(&mut record);
        let mut tags = slot.take().unwrap_or_default();
        change(&mut tags)?;
        *slot = Some(tags.clone()).filter(|tags| !tags.is_empty());
        tx.put(table, &self.key, &record)?;
        Ok(tags)
    }
}

impl Gateway {
    /// Changes the tags of something.
    pub(crate) async fn change_rest_tags(
        &self,
        tagged: Tagged,
        change: impl Fn(&mut Texts) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        let api_id = tagged.api_id.clone();
        let changed = self.change_home(move |tx| tagged.work(tx, &change).map(drop)).await;
        if let Some(api_id) = api_id {
            self.forget_api(&api_id);
        }
        changed
    }

    /// The tags of something.
    pub(crate) async fn read_rest_tags(&self, tagged: Tagged) -> Result<Texts, Error> {
        Ok(self.store.rehearse(move |tx| tagged.work(tx, &|_| Ok(()))).await?)
    }
}
