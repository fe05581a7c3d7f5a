//! The client against servers that behave and servers that do not.

use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use shape::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wire::client::{Call, Client, Error, HOPS, HOPS_MAX, Reach, Tls};
use wire::protocol::Answer;
use wire::server::{Handler, Peer, Tls as ServerTls, serve};

fn call() -> Call {
    Call::new(Duration::from_secs(60), 1 << 20)
}

fn get(url: impl AsRef<str>) -> Request<Body> {
    Request::get(url.as_ref()).body(Body::default()).unwrap()
}

async fn text(client: &Client, request: Request<Body>, call: Call) -> Result<String, Error> {
    let content = client.send(request, call).await?.into_body().collect().await?;
    Ok(String::from_utf8_lossy(&content).into_owned())
}

/// Tells what it was asked, and sends back what it was sent.
struct Echo;

impl Handler for Echo {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        if head.uri.path() == "/through" {
            let stream = body.into_data_stream().map(|piece| piece.map_err(std::io::Error::other));
            return Answer::new(200, "text/plain", Body::Stream(Box::pin(stream)));
        }
        let body = body.collect().await.unwrap().to_bytes();
        let mut headers: Vec<&str> = head.headers.keys().map(|name| name.as_str()).collect();
        headers.sort_unstable();
        let Peer { hops, .. } = peer;
        let said = format!("{} {} hops={hops} {headers:?} {}", head.method, head.uri, String::from_utf8_lossy(&body));
        Answer::new(200, "text/plain", Bytes::from(said))
    }
}

async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let tls = Arc::new(ServerTls::own("/no/tls".into()));
    tokio::spawn(serve(listener, Arc::new(Echo), tls, std::future::pending()));
    address
}

/// A server that does with each connection what it is told to; how many there were.
async fn raw<F: Future<Output = ()> + Send + 'static>(
    each: impl Fn(TcpStream) -> F + Send + 'static,
) -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let counted = count.clone();
    tokio::spawn(async move {
        let mut connections = tokio::task::JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            connections.spawn(each(stream));
        }
    });
    (address, count)
}

/// Reads a head and answers with these bytes; then does nothing, holding the connection.
async fn answer_once(mut stream: TcpStream, bytes: &'static [u8], hold: bool) {
    let mut head = [0; 4096];
    _ = stream.read(&mut head).await;
    _ = stream.write_all(bytes).await;
    if hold {
        std::future::pending::<()>().await;
    }
}

#[tokio::test]
async fn requests_arrive_as_they_are_but_for_what_is_between_neighbours() {
    let (client, address) = (Client::new(None), echo().await);
    let request = Request::post(format!("http://{address}/a%2Fb/%20?x=1&x=%20&y"))
        .header("x-mine", "1")
        .header("connection", "x-secret, keep-alive")
        .header("x-secret", "1")
        .header("transfer-encoding", "chunked")
        .header("content-length", "99")
        .header("te", "trailers")
        .header("upgrade", "h2c")
        .header(HOPS, "0")
        .body(Body::from(Bytes::from_static(b"hello")))
        .unwrap();
    let said = text(&client, request, call()).await.unwrap();
    let expected = r#"POST /a%2Fb/%20?x=1&x=%20&y hops=1 ["content-length", "host", "x-mine"] hello"#;
    assert_eq!(said, expected, "a forged count does not stand");
}

#[tokio::test]
async fn what_a_node_sends_is_known_and_ends_after_some_rounds() {
    let (client, address) = (Client::new(None), echo().await);
    let with = |hops| Call { hops, ..call() };
    let said = text(&client, get(format!("http://{address}/")), with(3)).await.unwrap();
    assert!(said.contains("hops=4"), "{said}");
    let answer = client.send(get(format!("http://{address}/")), with(HOPS_MAX)).await.unwrap();
    assert_eq!(answer.status(), StatusCode::LOOP_DETECTED);
    for forged in ["x", "0", "-1", "999999"] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-updraft-hops: {forged}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(!answer.contains("hops=0"), "whoever says it is no direct caller: {answer}");
    }
}

#[tokio::test]
async fn bodies_stream_both_ways_and_wait_for_their_readers() {
    let (client, address) = (Client::new(None), echo().await);
    let produced = Arc::new(AtomicUsize::new(0));
    let counted = produced.clone();
    let endless = futures_util::stream::repeat_with(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(Bytes::from_static(&[7; 65536]))
    });
    let request = Request::post(format!("http://{address}/through")).body(Body::Stream(Box::pin(endless))).unwrap();
    let call = Call { answer_bytes_max: u64::MAX, ..call() };
    let mut content = client.send(request, call).await.unwrap().into_body();
    for _ in 0..100 {
        assert!(content.piece().await.unwrap().is_some());
    }
    // Nobody reads on: the producer stands still once the buffers on the way are full.
    let mut before = usize::MAX;
    while before != produced.load(Ordering::SeqCst) {
        before = produced.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(content.piece().await.unwrap().is_some(), "and goes on when somebody does");
}

#[tokio::test]
async fn connections_are_kept_and_a_dead_one_is_replaced() {
    let (address, count) = raw(|mut stream| async move {
        let mut head = [0; 4096];
        for _ in 0..3 {
            if stream.read(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi").await.unwrap();
        }
    })
    .await;
    let client = Client::new(None);
    for _ in 0..3 {
        assert_eq!(text(&client, get(format!("http://{address}/")), call()).await.unwrap(), "hi");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1, "three requests, one connection");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(text(&client, get(format!("http://{address}/")), call()).await.unwrap(), "hi");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_goes_wrong_has_a_name() {
    let client = Client::new(None);
    let ask = async |url: String, call: Call| text(&client, get(url), call).await.unwrap_err();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(matches!(ask(format!("http://{nobody}/"), call()).await, Error::Connect(_)));
    let unknown = ask("http://no-such-name.invalid/".to_owned(), call()).await;
    assert!(matches!(unknown, Error::Connect(_)), "{unknown}");
    for url in ["ftp://localhost/", "/path"] {
        assert!(matches!(ask(url.to_owned(), call()).await, Error::Address(_)), "{url}");
    }
    let plain = echo().await;
    assert!(matches!(ask(format!("https://{plain}/"), call()).await, Error::Tls(_)));

    let short = Call { timeout: Duration::from_millis(100), ..call() };
    let (silent, _) = raw(|stream| answer_once(stream, b"", true)).await;
    assert_eq!(ask(format!("http://{silent}/"), short.clone()).await, Error::Timeout(short.timeout));
    let (stalls, _) = raw(|stream| answer_once(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi", true)).await;
    assert_eq!(ask(format!("http://{stalls}/"), short.clone()).await, Error::Timeout(short.timeout));

    for broken in [
        &b""[..],
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let (address, _) = raw(move |stream| answer_once(stream, broken, false)).await;
        let error = ask(format!("http://{address}/"), call()).await;
        assert!(matches!(error, Error::Answer(_)), "{} is {error}", String::from_utf8_lossy(broken));
    }
    let many: &'static [u8] = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1_000_000)).leak().as_bytes();
    let (address, _) = raw(move |stream| answer_once(stream, many, true)).await;
    assert!(matches!(ask(format!("http://{address}/"), call()).await, Error::Answer(_)), "an endless head");

    let small = Call { answer_bytes_max: 5, ..call() };
    let (declared, _) = raw(|stream| answer_once(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\n", true)).await;
    assert_eq!(ask(format!("http://{declared}/"), small.clone()).await, Error::TooLarge(5));
    let (undeclared, _) = raw(|stream| answer_once(stream, b"HTTP/1.1 200 OK\r\n\r\n123456", true)).await;
    assert_eq!(ask(format!("http://{undeclared}/"), small.clone()).await, Error::TooLarge(5));
    let (fits, _) = raw(|stream| answer_once(stream, b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n12345", true)).await;
    assert_eq!(text(&client, get(format!("http://{fits}/")), small).await.unwrap(), "12345");

    let failing = futures_util::stream::iter([Err(std::io::Error::other("the source is gone"))]);
    let request = Request::post(format!("http://{}/", echo().await)).body(Body::Stream(Box::pin(failing))).unwrap();
    let error = text(&client, request, call()).await.unwrap_err();
    assert!(matches!(error, Error::Request(_)), "{error}");
}

#[tokio::test]
async fn redirects_are_answers() {
    let moved = b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n";
    let (address, _) = raw(move |stream| answer_once(stream, moved, true)).await;
    let answer = Client::new(None).send(get(format!("http://{address}/")), call()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FOUND);
}

#[tokio::test]
async fn tenants_of_an_open_node_do_not_reach_this_machine() {
    let (operator, address) = (Client::new(None), echo().await);
    let port = address.port();
    let (developer, tenant) = (operator.within(Reach::Neighbours), operator.within(Reach::Outside));
    for host in ["127.0.0.1", "localhost", "api.localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{port}/");
        // The operator's connection stands and is idle: the tenant's call must not find it.
        text(&operator, get(&url), call()).await.unwrap();
        text(&developer, get(&url), call()).await.unwrap();
        let error = text(&tenant, get(&url), call()).await.unwrap_err();
        assert!(matches!(error, Error::Forbidden(_)), "{host}: {error}");
    }
    let metadata = text(&developer, get("http://169.254.169.254/latest/"), call()).await.unwrap_err();
    assert!(matches!(metadata, Error::Forbidden(_)), "{metadata}");
}

/// A server over TLS for `names`, whose certificate an authority of its own made; that authority's certificate in a file.
struct Secure {
    address: SocketAddr,
    authority: tempfile::NamedTempFile,
    shaken: Arc<AtomicUsize>,
}

async fn secure(names: &[&str], alpn: &[&str]) -> Secure {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let builder = builder.with_no_client_auth();
    let mut config = builder.with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, shaken) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = shaken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), count.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                count.fetch_add(1, Ordering::SeqCst);
                let sni = stream.get_ref().1.server_name().map(str::to_owned);
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let said = format!("{:?} {sni:?}", request.version());
                    async move { Ok::<_, std::convert::Infallible>(http::Response::new(said)) }
                });
                let builder = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), authority.pem()).unwrap();
    Secure { address, authority: file, shaken }
}

impl Secure {
    fn url(&self, host: &str) -> String {
        format!("https://{host}:{}/", self.address.port())
    }

    fn bundle(&self) -> Option<PathBuf> {
        Some(self.authority.path().to_owned())
    }
}

#[tokio::test]
async fn tls_believes_the_bundle_and_speaks_what_both_know() {
    let server = secure(&["localhost", "127.0.0.1"], &["h2", "http/1.1"]).await;
    let client = Client::new(server.bundle());
    let said = text(&client, get(server.url("localhost")), call()).await.unwrap();
    assert_eq!(said, r#"HTTP/2.0 Some("localhost")"#);
    let all = (0..20).map(|_| text(&client, get(server.url("localhost")), call()));
    assert!(futures_util::future::join_all(all).await.iter().all(|said| said.as_ref().is_ok_and(|s| s.contains("/2"))));
    assert_eq!(server.shaken.load(Ordering::SeqCst), 1, "h2 shares its connection");
    assert_eq!(text(&client, get(server.url("127.0.0.1")), call()).await.unwrap(), "HTTP/2.0 None");
    let mut other_host = get(server.url("localhost"));
    other_host.headers_mut().insert("host", "elsewhere".parse().unwrap());
    assert!(text(&client, other_host, call()).await.unwrap().starts_with("HTTP/1.1"));
    let old = secure(&["localhost"], &[]).await;
    let said = Client::new(old.bundle()).send(get(old.url("localhost")), call()).await.unwrap();
    assert_eq!(said.version(), Version::HTTP_11);
}

#[tokio::test]
async fn tls_refuses_strangers_unless_told_not_to() {
    let server = secure(&["internal.example"], &["http/1.1"]).await;
    let url = || server.url("localhost");
    let call_with = |tls| Call { tls, ..call() };
    let known = Client::new(server.bundle());
    for client in [Client::new(None), known.clone()] {
        let error = text(&client, get(url()), call()).await.unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "unknown authority, other name: {error}");
    }
    let named = Tls { server_name: Some("internal.example".to_owned()), ..Tls::default() };
    let said = text(&known, get(url()), call_with(named.clone())).await.unwrap();
    assert_eq!(said, r#"HTTP/1.1 Some("internal.example")"#, "the name is verified, and asked for");
    let anybody = Tls { skip_verification: true, ..Tls::default() };
    let client = Client::new(None);
    assert!(text(&client, get(url()), call_with(anybody)).await.unwrap().starts_with("HTTP/1.1"));
    let error = text(&client, get(url()), call()).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "the connection to anybody is not lent to others: {error}");
    let unreadable = Client::new(Some("/no/such/bundle".into()));
    assert!(matches!(text(&unreadable, get(url()), call()).await.unwrap_err(), Error::Tls(_)));
}

#[tokio::test]
async fn a_handshake_that_stalls_is_a_timeout() {
    let (silent, _) = raw(|stream| answer_once(stream, b"", true)).await;
    let short = Call { timeout: Duration::from_millis(100), ..call() };
    let error = text(&Client::new(None), get(format!("https://{silent}/")), short.clone()).await.unwrap_err();
    assert_eq!(error, Error::Timeout(short.timeout));
}
