//! The endpoints that are the node's own: health, info, status, reset, code downloads. Everything else goes to the front
//! desk.

pub(crate) mod developing;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use base::AccountId;
use cloud::Desk;
use compute::Lambda;
use compute::lambda::image::LoadError;
use compute::lambda::url::address::Address;
use gateway::Gateway;
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use observe::usage::Period;
use serde::Serialize;
use wire::protocol::Answer;
use wire::route::percent;
use wire::server::{Handler, Peer};

use crate::config::Config;
use crate::exposition;
use crate::hooks::{Hooks, STAGES};
use crate::images;
use crate::status::{LayerStatus, PoolStatus, ServiceStatus, Status};

/// Updraft's version, from the workspace.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Where archives of container images are sent to.
const IMAGES_PATH: &str = "/_updraft/images";

/// All that answers requests on a node.
pub(crate) struct House {
    pub(crate) config: Config,
    pub(crate) desk: Arc<Desk>,
    pub(crate) lambda: Lambda,
    pub(crate) gateway: Gateway,
    pub(crate) engine: sandbox::Engine,
    pub(crate) cloudwatch: Arc<observe::CloudWatch>,
    pub(crate) usage: Arc<observe::Usage>,
    pub(crate) xray: Arc<observe::XRay>,
    pub(crate) store: store::Store,
    pub(crate) hooks: Arc<Hooks>,
    pub(crate) ready_at: Instant,
    pub(crate) session_id: String,
}

impl Handler for House {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        // Functions' URLs and APIs are for the world, as on AWS; who may come in, and from which pages, their configurations say.
        if let Some(address) = Address::of(&request) {
            return self.lambda.serve_url(&self.desk, address, request, peer).await;
        }
        if let Some(address) = self.gateway.address(&request).await {
            return self.gateway.serve(&self.desk, address, request, peer).await;
        }
        if let Some(id) = Gateway::connection_of(&request) {
            return self.gateway.serve_connection(&self.desk, id, request, peer).await;
        }
        if is_foreign_page(&request) {
            return refusal(StatusCode::FORBIDDEN, "requests of web pages from elsewhere are refused");
        }
        let path = request.uri().path();
        if path == IMAGES_PATH && request.method() == Method::POST {
            return self.load_images(request, peer).await;
        }
        if (path.starts_with("/_") || path == "/health")
            && let Some(answer) = self.own(&request, peer).await
        {
            return answer;
        }
        self.desk.serve(request, peer).await
    }
}

#[derive(Serialize)]
struct Message<'a> {
    message: &'a str,
}

#[derive(Serialize)]
struct Health<'a> {
    services: BTreeMap<&'a str, &'static str>,
    edition: &'static str,
    version: &'static str,
}

#[derive(Serialize)]
struct Info<'a> {
    version: String,
    edition: &'static str,
    is_license_activated: bool,
    session_id: &'a str,
    machine_id: &'static str,
    system: &'static str,
    is_docker: bool,
    server_time_utc: String,
    uptime: u64,
}

#[derive(Serialize)]
struct InitReport<T: Serialize> {
    completed: T,
    scripts: Vec<crate::hooks::Script>,
}

impl House {
    /// Our own endpoints; `None` for a path that is none of them.
    async fn own(&self, request: &Request<Incoming>, peer: Peer) -> Option<Answer> {
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        if path.starts_with(compute::lambda::CODE_DOWNLOAD_PATH) {
            return Some(self.download(path, query).await);
        }
        let answer = match (request.method(), path) {
            (&Method::GET, "/_updraft/health" | "/_localstack/health" | "/health") => {
                json(StatusCode::OK, &self.health())
            }
            (&Method::GET, "/_localstack/info") => json(StatusCode::OK, &self.info()),
            (&Method::GET, "/_updraft/status") if may_administrate(peer) => json(StatusCode::OK, &self.status()),
            (&Method::GET, "/_updraft/metrics") if may_administrate(peer) => self.metrics(),
            (&Method::GET, "/_updraft/usage") if may_administrate(peer) => self.usage(query).await,
            (&Method::GET, "/_localstack/init") => json(StatusCode::OK, &self.init_report()),
            (&Method::GET, stage) if stage.starts_with("/_localstack/init/") => self.stage_report(stage),
            (&Method::POST, "/_updraft/reset" | "/_localstack/state/reset") => match may_administrate(peer) {
                true => self.reset(query).await,
                false => refusal(StatusCode::FORBIDDEN, "reset is for callers on this machine, outside of functions"),
            },
            (&Method::POST, "/_updraft/lambda/start") if may_administrate(peer) => self.start_ahead(query).await,
            (&Method::GET, "/_updraft/lambda/events") if may_administrate(peer) => self.kept_events(query).await,
            (&Method::GET, "/_updraft/lambda/event") if may_administrate(peer) => self.kept_event(query).await,
            (&Method::GET, IMAGES_PATH) if may_administrate(peer) => image_answer(self.lambda.images().await),
            (&Method::DELETE, IMAGES_PATH) if may_administrate(peer) => {
                let name = percent::find(query, "name").unwrap_or_default();
                image_answer(self.lambda.forget_image(&name).await)
            }
            (_, path) if path.starts_with("/_updraft/") || path.starts_with("/_localstack/") => refusal(
                StatusCode::NOT_FOUND,
                "no such endpoint; see /_updraft/health, /_updraft/status, /_updraft/metrics, /_updraft/usage, /_updraft/images, \
                 /_updraft/reset",
            ),
            _ => return None,
        };
        Some(answer)
    }

    /// Takes container images in; `?name=` names the one image of an archive.
    async fn load_images(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        if !may_administrate(peer) {
            return refusal(
                StatusCode::FORBIDDEN,
                "images are loaded by callers on this machine, outside of functions",
            );
        }
        let name = percent::find(request.uri().query().unwrap_or_default(), "name");
        let name = name.map(|name| name.to_string());
        image_answer(images::load(&self.lambda, request.into_body(), name).await)
    }

    async fn download(&self, path: &str, query: &str) -> Answer {
        match self.lambda.code_download(path, query).await {
            Some(zip) => Answer::new(200, "application/zip", zip),
            None => refusal(StatusCode::FORBIDDEN, "the link has expired or was not made by this node"),
        }
    }

    fn health(&self) -> Health<'_> {
        let services = self.desk.registry().services().map(|s| (s.id.name, "running")).collect();
        Health { services, edition: "updraft", version: VERSION }
    }

    fn info(&self) -> Info<'_> {
        Info {
            version: VERSION.to_owned(),
            edition: "updraft",
            is_license_activated: false,
            session_id: &self.session_id,
            machine_id: "",
            system: std::env::consts::OS,
            is_docker: false,
            server_time_utc: base::Clock::system().now().to_date_time(),
            uptime: self.ready_at.elapsed().as_secs(),
        }
    }

    fn init_report(&self) -> InitReport<BTreeMap<String, bool>> {
        let (scripts, completed) = self.hooks.report();
        let stages = STAGES.iter().map(|stage| (stage.to_uppercase(), completed.contains(stage))).collect();
        InitReport { completed: stages, scripts }
    }

    fn stage_report(&self, path: &str) -> Answer {
        let wanted = path.rsplit('/').next().unwrap_or_default().to_lowercase();
        let (scripts, completed) = self.hooks.report();
        if !STAGES.contains(&wanted.as_str()) {
            return refusal(StatusCode::NOT_FOUND, "stages are boot, start, ready and shutdown");
        }
        let scripts = scripts.into_iter().filter(|s| s.is_of(&wanted)).collect();
        json(StatusCode::OK, &InitReport { completed: completed.iter().any(|s| *s == wanted), scripts })
    }

    fn status(&self) -> Status {
        let service = |s: &Arc<cloud::registry::Mounted>| ServiceStatus {
            name: s.id.name.to_owned(),
            operations: s.operations().count(),
            not_yet: s.not_yet.len(),
        };
        let layer = |l: &sandbox::Layer| LayerStatus {
            name: l.name.to_owned(),
            degraded: match &l.state {
                sandbox::LayerState::Present => None,
                sandbox::LayerState::Degraded { why } => Some(why.clone()),
            },
            fix: l.fix.clone(),
        };
        let pool = |p: sandbox::PoolStatus| PoolStatus {
            name: p.name,
            ready: p.ready,
            target: p.target,
            launches: [p.parked, p.zygote, p.exec],
        };
        Status {
            version: VERSION.to_owned(),
            uptime_secs: self.ready_at.elapsed().as_secs(),
            listen: self.config.listen.iter().map(ToString::to_string).collect(),
            data_dir: self.config.data_dir.display().to_string(),
            iam: format!("{:?}", self.config.iam).to_lowercase(),
            services: self.desk.registry().services().map(service).collect(),
            layers: self.engine.posture().layers.iter().map(layer).collect(),
            pools: self.engine.pools().into_iter().map(pool).collect(),
        }
    }

    /// For Prometheus.
    fn metrics(&self) -> Answer {
        Answer::new(200, exposition::MEDIA_TYPE, bytes::Bytes::from(exposition::write(self)))
    }

    /// What functions used in a month (`?month=2026-11`, the present one if nothing is said) or on a day (`?day=2026-11-22`).
    async fn usage(&self, query: &str) -> Answer {
        let asked = percent::find(query, "month").or_else(|| percent::find(query, "day"));
        let period = match asked {
            None => Some(Period::month_of(base::Clock::system().now())),
            Some(text) => Period::parse(&text),
        };
        let Some(period) = period else {
            return refusal(StatusCode::BAD_REQUEST, "month is like 2026-11, day like 2026-11-22");
        };
        match self.usage.report(period).await {
            Ok(report) => json(StatusCode::OK, &report),
            Err(error) => {
                tracing::error!(%error, "what functions used cannot be read");
                refusal(StatusCode::INTERNAL_SERVER_ERROR, "the usage cannot be read; the log says why")
            }
        }
    }

    /// Forgets all state, or that of one service (`?service=`) or account (`?account=`).
    async fn reset(&self, query: &str) -> Answer {
        let service = percent::find(query, "service");
        let account = match percent::find(query, "account") {
            None => None,
            Some(text) => match AccountId::parse(&text) {
                Some(account) => Some(account),
                None => return refusal(StatusCode::BAD_REQUEST, "account is a twelve-digit number"),
            },
        };
        let registry = self.desk.registry();
        if service.as_deref().is_some_and(|name| registry.service(name).is_none()) {
            return refusal(StatusCode::BAD_REQUEST, "no such service; see /_updraft/health");
        }
        for mounted in registry.services() {
            if service.as_deref().is_some_and(|name| name != mounted.id.name) {
                continue;
            }
            if let Err(error) = mounted.reset(account).await {
                tracing::error!(%error, service = mounted.id.name, "reset failed");
                return refusal(StatusCode::INTERNAL_SERVER_ERROR, "reset failed; the log says why");
            }
        }
        json(StatusCode::OK, &Message { message: "reset" })
    }
}

/// Whether a browser sends this for a page that is not ours: such a page must not use what loopback may. Browsers tell
/// where a page comes from; AWS's tools never send these headers.
fn is_foreign_page(request: &Request<Incoming>) -> bool {
    let header = |name: &str| request.headers().get(name).and_then(|v| v.to_str().ok());
    let is_own = |origin: &str| {
        let host = header("host").or_else(|| request.uri().authority().map(|a| a.as_str()));
        host.is_some_and(|host| is_this_machine(host) && origin.split_once("://").is_some_and(|(_, from)| from == host))
    };
    header("origin").is_some_and(|origin| !is_own(origin)) || header("sec-fetch-site") == Some("cross-site")
}

/// Whether a `Host` names this machine by itself, not by a name that somebody else could give it.
fn is_this_machine(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    let address = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    name == "localhost" || name.ends_with(".localhost") || address.is_ok_and(|a| a.to_canonical().is_loopback())
}

/// Administration is for processes of this machine, not for functions, not for the network, and not for whoever has a node
/// send requests (an API's integration, say), though they come from this machine too.
fn may_administrate(peer: Peer) -> bool {
    !peer.from_sandbox && peer.hops == 0 && peer.address.is_some_and(|a| a.to_canonical().is_loopback())
}

/// What became of images.
fn image_answer(done: Result<impl Serialize, LoadError>) -> Answer {
    match done {
        Ok(done) => json(StatusCode::OK, &done),
        Err(LoadError::Refused(reason)) => refusal(StatusCode::BAD_REQUEST, &reason),
        Err(error) => {
            tracing::error!(%error, "cannot keep or forget an image");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, "the images could not be stored; the log says why")
        }
    }
}

fn json(status: StatusCode, document: &impl Serialize) -> Answer {
    Answer::new(
        status.as_u16(),
        "application/json",
        bytes::Bytes::from(serde_json::to_vec(document).unwrap_or_default()),
    )
}

fn refusal(status: StatusCode, message: &str) -> Answer {
    json(status, &Message { message })
}
