//! Tags: which resources bear them, and where they are kept. ARNs are `arn:aws:apigateway:{region}::/apis/{id}` and so on.

use base::{Arn, Cx, Error};

use super::api::check_tags;
use super::change;
use super::error::{bad, none};
use super::operations::domain_name::no_domain;
use super::records::{Texts, VPC_LINKS, owned};
use crate::domain::{DOMAINS, domain_key};
use crate::{Failure, Gateway};

/// What bears tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Tagged {
    /// An API.
    Api(String),
    /// A stage of an API.
    Stage(String, String),
    /// A VPC link.
    VpcLink(String),
    /// A custom domain name.
    DomainName(String),
}

impl Tagged {
    /// What an ARN means.
    pub(crate) fn of(cx: &Cx, arn: &str) -> Result<Tagged, Error> {
        let refuse = || bad(format!("Invalid resource ARN specified: {arn}"));
        let parsed = Arn::parse(arn).ok_or_else(refuse)?;
        let is_ours = parsed.service == "apigateway" && parsed.region == cx.region.as_str();
        let words: Vec<&str> = parsed.resource.trim_start_matches('/').split('/').collect();
        match words.as_slice() {
            _ if !is_ours => Err(refuse()),
            ["apis", api] => Ok(Tagged::Api((*api).to_owned())),
            ["apis", api, "stages", stage] => Ok(Tagged::Stage((*api).to_owned(), (*stage).to_owned())),
            ["domainnames", name] => Ok(Tagged::DomainName((*name).to_owned())),
            ["vpclinks", id] => Ok(Tagged::VpcLink((*id).to_owned())),
            _ => Err(refuse()),
        }
    }
}

impl Gateway {
    /// The tags of something.
    pub(crate) async fn http_tags(&self, cx: &Cx, at: &Tagged) -> Result<Texts, Error> {
        let tags = match at {
            Tagged::Api(api) => self.http_api(cx, api).await?.tags,
            Tagged::Stage(api, stage) => self.part(cx, api, &change::stage(api, stage)).await?.tags,
            Tagged::VpcLink(id) => {
                let key = owned(cx.account, &cx.region, id);
                let link = self.store.get(VPC_LINKS, &key).await.map_err(Failure::from)?;
                link.ok_or_else(|| none("VpcLink", id))?.tags
            }
            Tagged::DomainName(name) => {
                let key = domain_key(cx.account, &cx.region, name);
                let domain = self.store.get(DOMAINS, &key).await.map_err(Failure::from)?;
                Some(domain.ok_or_else(no_domain)?.tags)
            }
        };
        Ok(tags.unwrap_or_default())
    }

    /// Changes the tags of something.
    pub(crate) async fn change_http_tags(
        &self,
        cx: &Cx,
        at: &Tagged,
        work: impl Fn(&mut Texts) + Send + 'static,
    ) -> Result<(), Error> {
        let change = move |tags: &mut Texts| {
            work(tags);
            check_tags(tags)
        };
        match at {
            Tagged::Api(api) => self.touch_api(cx, api, move |_, api| change(api.tags.get_or_insert_default())).await,
            Tagged::Stage(api, stage) => {
                let at = change::stage(api, stage);
                let work = move |tx: &mut store::Tx<'_>, _: &mut _| {
                    let mut stage = at.get(tx)?;
                    change(stage.tags.get_or_insert_default())?;
                    at.put(tx, &stage)
                };
                self.touch_api(cx, api, work).await
            }
            Tagged::VpcLink(id) => {
                let (key, id) = (owned(cx.account, &cx.region, id), id.clone());
                let work = move |tx: &mut store::Tx<'_>| {
                    let mut link = tx.get(VPC_LINKS, &key)?.ok_or_else(|| none("VpcLink", &id))?;
                    change(link.tags.get_or_insert_default())?;
                    Ok::<_, Failure>(tx.put(VPC_LINKS, &key, &link)?)
                };
                Ok(self.store.transact(work).await?)
            }
            Tagged::DomainName(name) => {
                let key = domain_key(cx.account, &cx.region, name);
                let work = move |tx: &mut store::Tx<'_>| {
                    let mut domain = tx.get(DOMAINS, &key)?.ok_or_else(no_domain)?;
                    change(&mut domain.tags)?;
                    Ok::<_, Failure>(tx.put(DOMAINS, &key, &domain)?)
                };
                Ok(self.store.transact(work).await?)
            }
        }
    }
}
