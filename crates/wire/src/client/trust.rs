//! Whom the client believes over TLS: authorities that the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others, as for
//! OpenSSL), those of a bundle of the operator's, or, where a call says so, anybody.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::sync::OnceCell;

use super::Error;

/// How a call's peer proves who it is, and how we do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tls {
    /// Takes any certificate, whoever issued it, for whatever name, however old: `insecureSkipVerification`.
    pub skip_verification: bool,
    /// The name that the certificate is for, and that the peer is asked for (SNI), instead of the URL's: `serverNameToVerify`.
    pub server_name: Option<String>,
    /// What we show to a peer that asks.
    pub identity: Option<Identity>,
}

/// A certificate and its key, in PEM.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    /// The certificate, perhaps followed by those that vouch for it.
    pub certificate: Arc<str>,
    /// Its private key.
    pub key: Arc<str>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").finish_non_exhaustive()
    }
}

/// The authorities, read when they are first needed.
pub(super) struct Roots {
    pub(super) bundle: Option<PathBuf>,
    pub(super) store: OnceCell<Arc<RootCertStore>>,
}

impl Roots {
    async fn get(&self) -> Result<Arc<RootCertStore>, Error> {
        let read = || async {
            let bundle = self.bundle.clone();
            let read = tokio::task::spawn_blocking(move || read(bundle));
            read.await.map_err(|error| Error::Tls(error.to_string()))?
        };
        self.store.get_or_try_init(read).await.cloned()
    }
}

/// What cannot be read of the system's is left out; what cannot be read of the operator's is an error.
fn read(bundle: Option<PathBuf>) -> Result<Arc<RootCertStore>, Error> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in native.errors {
        tracing::warn!(%error, "some of the system's certificate authorities cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = bundle {
        let unreadable = |error: &dyn std::fmt::Display| Error::Tls(format!("{}: {error}", path.display()));
        let certificates = CertificateDer::pem_file_iter(&path).map_err(|error| unreadable(&error))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| unreadable(&error))?;
            roots.add(certificate).map_err(|error| unreadable(&error))?;
        }
    }
    Ok(Arc::new(roots))
}

/// What connections of one kind agree on.
pub(super) async fn config(roots: &Roots, tls: &Tls, http1_only: bool) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let refused = |error: &dyn std::fmt::Display| Error::Tls(error.to_string());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| refused(&error))?;
    let builder = match tls.skip_verification {
        false => builder.with_root_certificates(roots.get().await?),
        true => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
    };
    let mut config = match &tls.identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(identity.certificate.as_bytes()).collect();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).map_err(|error| refused(&error))?;
            let chain = chain.map_err(|error| refused(&error))?;
            builder.with_client_auth_cert(chain, key).map_err(|error| refused(&error))?
        }
    };
    let protocols: &[&[u8]] = if http1_only { &[b"http/1.1"] } else { &[b"h2", b"http/1.1"] };
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}

/// The name that is asked for and verified.
pub(super) fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    ServerName::try_from(host).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

/// Believes whoever has the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
