//! Certificates with which API Gateway names itself to HTTP integrations.

use base::{Cx, Error};
use cloud::{Meta, Operation};
use shape::Shape;

use crate::rest::ApiGateway;
use crate::rest::certificate;
use crate::rest::change::{Id, now};
use crate::rest::error::{bad, missing};
use crate::rest::patch::{self, PatchOperation, Paths};
use crate::rest::records::{
    CLIENT_CERTIFICATES, ClientCertificate, ClientCertificateRecord, Home, REST_APIS, STAGES, Texts,
};
use crate::rest::tags;

fn no_certificate() -> Error {
    missing("Invalid Client Certificate identifier specified")
}

/// Makes a certificate, good for a year, and its key.
#[derive(Shape)]
#[shape(name = "GenerateClientCertificateRequest", rename_all = "camelCase")]
pub struct GenerateClientCertificate {
    /// Free text.
    pub description: Option<String>,
    /// Tags.
    pub tags: Option<Texts>,
}

impl Operation<ApiGateway> for GenerateClientCertificate {
    const META: Meta = Meta::write("GenerateClientCertificate").http("POST", "/clientcertificates").status(201);
    type Output = ClientCertificate;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ClientCertificate, Error> {
        tags::check(self.tags.as_ref())?;
        let created = now(cx);
        let made = certificate::generate(created).map_err(|error| {
            tracing::error!(%error, "cannot make a client certificate");
            Error::internal()
        })?;
        let shown = ClientCertificate {
            client_certificate_id: Id::Part.draw(),
            description: self.description,
            pem_encoded_certificate: made.certificate_pem,
            created_date: created,
            expiration_date: made.expires,
            tags: self.tags.filter(|tags| !tags.is_empty()),
        };
        let key = Home::of(cx).below(&shown.client_certificate_id);
        let record = ClientCertificateRecord { shown: shown.clone(), private_key_pem: made.private_key_pem };
        gateway.change_home(move |tx| Ok(tx.put(CLIENT_CERTIFICATES, &key, &record)?)).await?;
        Ok(shown)
    }
}

/// Shows a certificate.
#[derive(Shape)]
#[shape(name = "GetClientCertificateRequest", rename_all = "camelCase")]
pub struct GetClientCertificate {
    /// The certificate.
    #[shape(label, name = "clientcertificate_id")]
    pub client_certificate_id: String,
}

impl Operation<ApiGateway> for GetClientCertificate {
    const META: Meta = Meta::read("GetClientCertificate").http("GET", "/clientcertificates/{clientcertificate_id}");
    type Output = ClientCertificate;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ClientCertificate, Error> {
        let key = Home::of(cx).below(&self.client_certificate_id);
        let mut found = gateway.found(CLIENT_CERTIFICATES, key, no_certificate).await?.shown;
        found.tags.get_or_insert_default();
        Ok(found)
    }
}

/// Lists certificates.
#[derive(Shape)]
#[shape(name = "GetClientCertificatesRequest", rename_all = "camelCase")]
pub struct GetClientCertificates {
    /// Where the last page ended.
    #[shape(query = "position")]
    pub position: Option<String>,
    /// How many items at most; AWS's default is 25, its most 500.
    #[shape(query = "limit")]
    pub limit: Option<i32>,
}

impl Operation<ApiGateway> for GetClientCertificates {
    const META: Meta = Meta::read("GetClientCertificates").http("GET", "/clientcertificates");
    type Output = ClientCertificates;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ClientCertificates, Error> {
        let (position, limit) = (self.position.as_deref(), self.limit);
        let (items, position) = gateway.page(CLIENT_CERTIFICATES, Home::of(cx).all(), position, limit).await?;
        Ok(ClientCertificates { position, items: items.into_iter().map(|record| record.shown).collect() })
    }
}

/// A page of certificates.
#[derive(Shape)]
#[shape(rename_all = "camelCase")]
pub struct ClientCertificates {
    /// Where the page ended, if more follow.
    pub position: Option<String>,
    /// The items.
    #[shape(name = "item")]
    pub items: Vec<ClientCertificate>,
}

/// Deletes a certificate that no stage names.
#[derive(Shape)]
#[shape(name = "DeleteClientCertificateRequest", rename_all = "camelCase")]
pub struct DeleteClientCertificate {
    /// The certificate.
    #[shape(label, name = "clientcertificate_id")]
    pub client_certificate_id: String,
}

impl Operation<ApiGateway> for DeleteClientCertificate {
    const META: Meta =
        Meta::write("DeleteClientCertificate").http("DELETE", "/clientcertificates/{clientcertificate_id}").status(202);
    type Output = ();

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<(), Error> {
        let (home, id) = (Home::of(cx), self.client_certificate_id);
        gateway
            .change_home(move |tx| {
                if !tx.exists(CLIENT_CERTIFICATES, &home.below(&id))? {
                    return Err(no_certificate().into());
                }
                for (_, api) in tx.scan(REST_APIS, home.all())? {
                    for (_, stage) in tx.scan(STAGES, home.all_below(&api.id))? {
                        if stage.shown.client_certificate_id.as_ref() == Some(&id) {
                            let words =
                                format!("Client Certificate {id} is in use by stage {}", stage.shown.stage_name);
                            return Err(bad(words).into());
                        }
                    }
                }
                Ok(tx.delete(CLIENT_CERTIFICATES, &home.below(&id))?)
            })
            .await
    }
}

const PATHS: Paths = Paths::replaced(&["/description"]);

/// Changes a certificate's description.
#[derive(Shape)]
#[shape(name = "UpdateClientCertificateRequest", rename_all = "camelCase")]
pub struct UpdateClientCertificate {
    /// The certificate.
    #[shape(label, name = "clientcertificate_id")]
    pub client_certificate_id: String,
    /// What to change.
    pub patch_operations: Option<Vec<PatchOperation>>,
}

impl Operation<ApiGateway> for UpdateClientCertificate {
    const META: Meta =
        Meta::write("UpdateClientCertificate").http("PATCH", "/clientcertificates/{clientcertificate_id}");
    type Output = ClientCertificate;

    async fn run(self, gateway: &ApiGateway, cx: &Cx) -> Result<ClientCertificate, Error> {
        let changes = patch::changes(self.patch_operations)?;
        let key = Home::of(cx).below(&self.client_certificate_id);
        let mut changed = gateway
            .change_home(move |tx| {
                let mut record = tx.get(CLIENT_CERTIFICATES, &key)?.ok_or_else(no_certificate)?;
                for change in &changes {
                    PATHS.check(change)?;
                    change.set(&mut record.shown.description);
                }
                tx.put(CLIENT_CERTIFICATES, &key, &record)?;
                Ok(record.shown)
            })
            .await?;
        changed.tags.get_or_insert_default();
        Ok(changed)
    }
}
