//! TLS for those who knock with it: which certificate is shown is decided by the name that the client asks for. Registered names
//! (custom domain names of APIs) have their own, which may come and go while the server runs; everything else has the
//! operator's, or one of the node's own authority.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_rustls::{TlsAcceptor, TlsStream};

use super::authority::Authority;

/// Certificates that the node's own authority has made, for names that were asked for; a full cache is emptied.
const ISSUED_MAX: usize = 1_000;
/// Certificates in a chain, and bytes of one in PEM: more than any has.
const CHAIN_MAX: usize = 10;
const PEM_BYTES_MAX: usize = 64 * 1024;

/// The names that a connection without one, or with one that nobody knows, is shown a certificate for.
const DEFAULT_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(String);

/// A certificate with those that vouch for it, and its key.
#[derive(Clone, Debug)]
pub struct Certificate(Arc<CertifiedKey>);

impl Certificate {
    /// Reads PEM: the server's own certificate first, then the chain.
    ///
    /// # Errors
    /// Text that is none, more than there may be, a key that is not the certificate's.
    pub fn parse(chain: &str, key: &str) -> Result<Certificate, Refused> {
        let refuse = |error: &dyn std::fmt::Display| Refused(error.to_string());
        if chain.len() > PEM_BYTES_MAX || key.len() > PEM_BYTES_MAX {
            return Err(refuse(&"larger than any certificate"));
        }
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain.as_bytes()).take(CHAIN_MAX + 1).collect();
        let chain = chain.map_err(|error| refuse(&error))?;
        if chain.is_empty() || chain.len() > CHAIN_MAX {
            return Err(refuse(&format!("{} certificates; 1 to {CHAIN_MAX} are possible", chain.len())));
        }
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| refuse(&error))?;
        let certified = certified(chain, &key).map_err(|error| refuse(&error))?;
        Ok(Certificate(Arc::new(certified)))
    }

    /// Reads files.
    fn read(chain: &Path, key: &Path) -> Result<Certificate, Refused> {
        let read = |path: &Path| std::fs::read_to_string(path).map_err(|e| Refused(format!("{}: {e}", path.display())));
        Certificate::parse(&read(chain)?, &read(key)?)
            .map_err(|Refused(why)| Refused(format!("{} and {}: {why}", chain.display(), key.display())))
    }
}

/// A chain with the key of its first certificate, which must match.
pub(super) fn certified(
    chain: Vec<CertificateDer<'static>>,
    key: &PrivateKeyDer<'static>,
) -> Result<CertifiedKey, rustls::Error> {
    let certified = CertifiedKey::new(chain, aws_lc_rs::sign::any_supported_type(key)?);
    certified.keys_match()?;
    Ok(certified)
}

/// A server's certificates.
pub struct Tls {
    /// Where the node's own authority is.
    directory: PathBuf,
    certificates: Arc<Certificates>,
    /// Made at the first handshake: most nodes never see one.
    config: OnceCell<Arc<ServerConfig>>,
}

impl Tls {
    /// Certificates of the node's own, made by an authority that is kept in `directory` and made at the first handshake.
    pub fn own(directory: PathBuf) -> Tls {
        Tls { directory, certificates: Arc::default(), config: OnceCell::new() }
    }

    /// The operator's certificate and key, PEM files.
    pub fn given(directory: PathBuf, certificate: &Path, key: &Path) -> Result<Tls, Refused> {
        let given = Some(Certificate::read(certificate, key)?.0);
        let certificates = Arc::new(Certificates { given, ..Certificates::default() });
        Ok(Tls { directory, certificates, config: OnceCell::new() })
    }

    /// Shows this certificate to whoever asks for that name from now on; `*.example.com` is any one label in front.
    pub fn put(&self, name: &str, certificate: Certificate) {
        self.certificates.named_mut().insert(name.to_ascii_lowercase(), certificate.0);
    }

    /// No longer has a certificate of its own for that name.
    pub fn remove(&self, name: &str) {
        self.certificates.named_mut().remove(&name.to_ascii_lowercase());
    }

    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let config = self.config.get_or_try_init(|| self.make()).await;
        // Without it nobody gets in over TLS, and nobody outside can tell why.
        let config = config.inspect_err(|error| tracing::warn!(%error, "there can be no TLS"))?;
        Ok(TlsAcceptor::from(Arc::clone(config)).accept(stream).await?.into())
    }

    async fn make(&self) -> io::Result<Arc<ServerConfig>> {
        let (directory, certificates) = (self.directory.clone(), Arc::clone(&self.certificates));
        let prepare = move || {
            if certificates.given.is_none() {
                let authority = Authority::open(&directory)?;
                let default = Arc::new(authority.issue(&DEFAULT_NAMES)?);
                _ = certificates.own.set(Own { authority, default, issued: Mutex::default() });
            }
            io::Result::Ok(certificates)
        };
        let certificates = tokio::task::spawn_blocking(prepare).await.map_err(io::Error::other)??;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(certificates);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

/// Certificates by name.
#[derive(Debug, Default)]
struct Certificates {
    named: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    given: Option<Arc<CertifiedKey>>,
    own: std::sync::OnceLock<Own>,
}

/// What the node makes itself.
struct Own {
    authority: Authority,
    default: Arc<CertifiedKey>,
    issued: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl std::fmt::Debug for Own {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Own").finish_non_exhaustive()
    }
}

impl Certificates {
    fn named_mut(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Arc<CertifiedKey>>> {
        self.named.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let wildcard = || named.get(&format!("*.{}", name.split_once('.')?.1));
        named.get(name).or_else(wildcard).cloned()
    }
}

impl Own {
    fn of(&self, name: &str) -> Arc<CertifiedKey> {
        if !Authority::vouches_for(name) {
            return Arc::clone(&self.default);
        }
        let mut issued = self.issued.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(certificate) = issued.get(name) {
            return Arc::clone(certificate);
        }
        let Ok(made) = self.authority.issue(&[name]).map(Arc::new) else { return Arc::clone(&self.default) };
        if issued.len() >= ISSUED_MAX {
            issued.clear();
        }
        issued.insert(name.to_owned(), Arc::clone(&made));
        made
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().unwrap_or_default().to_ascii_lowercase();
        let registered = self.of(&name);
        registered.or_else(|| self.given.clone()).or_else(|| self.own.get().map(|own| own.of(&name)))
    }
}
