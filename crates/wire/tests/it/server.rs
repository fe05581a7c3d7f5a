//! The server's one port: what it speaks, whose certificates it shows, and what becomes of those who dawdle or shout.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{CertificateParams, KeyPair};
use shape::Body;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use wire::client::{Call, Client, Error};
use wire::protocol::Answer;
use wire::server::{Certificate, Handler, Peer, Tls, serve};

/// More than a connection holds of what nobody reads.
const LARGE_BYTES: usize = 64 * 1024 * 1024;

struct Tell;

impl Handler for Tell {
    async fn handle(&self, request: Request<Incoming>, peer: Peer) -> Answer {
        let (head, body) = request.into_parts();
        if head.uri.path() == "/large" {
            return Answer::new(200, "text/plain", Bytes::from(vec![b'x'; LARGE_BYTES]));
        }
        let length = body.collect().await.map_or(0, |body| body.to_bytes().len());
        Answer::new(200, "text/plain", Bytes::from(format!("{:?} tls={} {length}", head.version, peer.tls)))
    }
}

/// A server with an authority of its own, and the directory that keeps it.
struct Server {
    address: SocketAddr,
    tls: Arc<Tls>,
    directory: tempfile::TempDir,
}

async fn start() -> Server {
    let directory = tempfile::tempdir().unwrap();
    let tls = Arc::new(Tls::own(directory.path().join("tls")));
    started(directory, tls).await
}

async fn started(directory: tempfile::TempDir, tls: Arc<Tls>) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Arc::new(Tell), tls.clone(), std::future::pending()));
    Server { address, tls, directory }
}

impl Server {
    /// A client that trusts the server's authority, once there is one.
    fn client(&self) -> Client {
        Client::new(Some(self.directory.path().join("tls/authority.pem")))
    }

    async fn ask(&self, client: &Client, scheme: &str, host: &str) -> Result<String, Error> {
        let url = format!("{scheme}://{host}:{}/", self.address.port());
        let request = Request::get(url).body(Body::default()).unwrap();
        let call = Call::new(Duration::from_secs(60), 1000);
        let content = client.send(request, call).await?.into_body().collect().await?;
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Has the authority made.
    async fn shake(&self) {
        let anybody = wire::client::Tls { skip_verification: true, ..Default::default() };
        let request = Request::get(format!("https://{}/", self.address)).body(Body::default()).unwrap();
        let call = Call { tls: anybody, ..Call::new(Duration::from_secs(60), 1000) };
        Client::new(None).send(request, call).await.unwrap();
    }
}

#[tokio::test]
async fn one_port_speaks_everything() {
    let server = start().await;
    let client = Client::new(None);
    assert_eq!(server.ask(&client, "http", "localhost").await.unwrap(), "HTTP/1.1 tls=false 0");
    assert!(!server.directory.path().join("tls").exists(), "nobody came over TLS yet");
    let stream = TokioIo::new(server.connect().await);
    let (mut h2, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let said = h2.send_request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(said, "HTTP/2.0 tls=false 0", "with prior knowledge");
    server.shake().await;
    let client = server.client();
    assert_eq!(server.ask(&client, "https", "localhost").await.unwrap(), "HTTP/2.0 tls=true 0");
}

#[tokio::test]
async fn its_own_authority_vouches_for_every_name_of_this_machine() {
    let server = start().await;
    server.shake().await;
    let client = server.client();
    for host in ["localhost", "127.0.0.1", "a.localhost", "x.execute-api.eu-west-1.localhost.localstack.cloud"] {
        assert!(server.ask(&client, "https", host).await.unwrap().contains("tls=true"), "{host}");
    }
    let stranger = start().await;
    stranger.shake().await;
    let error = server.ask(&stranger.client(), "https", "localhost").await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "each server's authority is its own: {error}");
}

#[tokio::test]
async fn names_have_certificates_that_come_and_go() {
    let server = start().await;
    server.shake().await;
    let (first, second) = (made(&["api.localhost"]), made(&["*.shop.localhost"]));
    server.tls.put("API.localhost", Certificate::parse(&first.0, &first.1).unwrap());
    server.tls.put("*.shop.localhost", Certificate::parse(&second.0, &second.1).unwrap());
    let trusting = |pem: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), pem).unwrap();
        (Client::new(Some(file.path().to_owned())), file)
    };
    let (api, _file) = trusting(&first.0);
    let (shop, _other) = trusting(&second.0);
    assert!(server.ask(&api, "https", "api.localhost").await.is_ok());
    assert!(server.ask(&shop, "https", "a.shop.localhost").await.is_ok());
    assert!(server.ask(&api, "https", "localhost").await.is_err(), "other names have other certificates");
    assert!(server.ask(&server.client(), "https", "api.localhost").await.is_err());
    server.tls.remove("api.localhost");
    assert!(server.ask(&server.client(), "https", "api.localhost").await.is_ok(), "and the node's own again");
}

#[tokio::test]
async fn the_operators_certificate_is_shown_to_everybody_else() {
    let directory = tempfile::tempdir().unwrap();
    let (certificate, key) = made(&["updraft.localhost"]);
    let paths = ["tls/authority.pem", "key.pem"].map(|name| directory.path().join(name));
    std::fs::create_dir(directory.path().join("tls")).unwrap();
    std::fs::write(&paths[0], &certificate).unwrap();
    std::fs::write(&paths[1], &key).unwrap();
    let missing = Tls::given(directory.path().to_owned(), &paths[0], &directory.path().join("none"));
    assert!(missing.is_err_and(|error| error.to_string().contains("none")));
    let tls = Tls::given(directory.path().join("unused"), &paths[0], &paths[1]).unwrap();
    let server = started(directory, Arc::new(tls)).await;
    assert!(server.ask(&server.client(), "https", "updraft.localhost").await.is_ok());
    assert!(matches!(server.ask(&server.client(), "https", "localhost").await, Err(Error::Tls(_))));
    assert!(!server.directory.path().join("unused").exists());
}

#[test]
fn certificates_that_cannot_be_used_are_refused() {
    let ((certificate, key), (_, other)) = (made(&["a.example"]), made(&["b.example"]));
    assert!(Certificate::parse(&certificate, &key).is_ok());
    let chain = certificate.repeat(11);
    let huge = " ".repeat(100_000);
    for (certificate, key) in [
        (certificate.as_str(), other.as_str()),
        ("", &key),
        ("nonsense", &key),
        (&certificate, "nonsense"),
        (&key, &certificate),
        (&chain, &key),
        (&huge, &key),
    ] {
        assert!(Certificate::parse(certificate, key).is_err());
    }
}

fn made(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    (CertificateParams::new(names).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Everything that comes until the connection ends, however it ends.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    _ = stream.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test(start_paused = true)]
async fn dawdlers_are_closed() {
    let server = start().await;
    let slow: [&[u8]; 7] = [
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"GET / HTTP/1.1\r\nhost: x\r\n",
        b"\x16",
        b"\x16\x03\x01\x02\x00\x01",
        b"POST / HTTP/1.1\r\ncontent-length: 5\r\n",
    ];
    for begun in slow {
        let mut stream = server.connect().await;
        stream.write_all(begun).await.unwrap();
        let since = Instant::now();
        rest(&mut stream).await;
        assert!(since.elapsed() <= Duration::from_secs(60), "{begun:?} was held for {:?}", since.elapsed());
    }
    assert_eq!(server.ask(&Client::new(None), "http", "localhost").await.unwrap(), "HTTP/1.1 tls=false 0");
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_nothing_of_an_answer_is_closed() {
    let server = start().await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(70)).await;
    let taken = rest(&mut stream).await.len();
    assert!(taken < LARGE_BYTES, "it had all of it");
    // Who is only slow has all the time there is.
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    // While something blocks, time stands still but for what is said here.
    let (over, waits) = std::sync::mpsc::channel::<()>();
    let blocked = tokio::task::spawn_blocking(move || waits.recv());
    let mut half = vec![0; LARGE_BYTES / 2];
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(40)).await;
        stream.read_exact(&mut half).await.unwrap();
    }
    drop(over);
    _ = blocked.await;
}

#[tokio::test]
async fn silence_after_the_handshake_is_closed_too() {
    let server = start().await;
    server.shake().await;
    tokio::time::pause();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let pem = server.directory.path().join("tls/authority.pem");
    let mut roots = rustls::RootCertStore::empty();
    let pem = <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::from_pem_file(pem);
    roots.add(pem.unwrap()).unwrap();
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = builder.with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let mut stream = connector.connect("localhost".try_into().unwrap(), server.connect().await).await.unwrap();
    let since = Instant::now();
    _ = stream.read_to_end(&mut Vec::new()).await;
    assert!(since.elapsed() <= Duration::from_secs(60), "held for {:?}", since.elapsed());
}

#[tokio::test]
async fn whoever_shouts_is_told_or_closed() {
    let server = start().await;
    let mut stream = server.connect().await;
    let head = format!("GET / HTTP/1.1\r\nhost: x\r\nx-long: {}\r\n\r\n", "y".repeat(1_000_000));
    _ = stream.write_all(head.as_bytes()).await;
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    for (garbage, expected) in [
        (&b"GET / HTTP/9.9\r\n\r\n"[..], "HTTP/1.1 400 "),
        (b"\0\0\0\0\0\0\0\0\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\ncontent-length: x\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nhost: x\r\nbad header: x\r\n\r\n", "HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "HTTP/1.1 400 "),
        (b"\x16\x03\x01\x00\x05hello and more of it that is no handshake at all", ""),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame at all, and enough of it", ""),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(garbage).await.unwrap();
        stream.shutdown().await.unwrap();
        let answer = rest(&mut stream).await;
        assert!(answer.starts_with(expected), "{:?} had {answer}", String::from_utf8_lossy(garbage));
    }
    let stream = TokioIo::new(server.connect().await);
    let (mut h2, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::get("http://localhost/").body(Empty::<Bytes>::new()).unwrap();
    request.headers_mut().insert("x-long", "y".repeat(100_000).parse().unwrap());
    match h2.send_request(request).await {
        Ok(answer) => assert_eq!(answer.status(), 431),
        Err(error) => assert!(!error.is_user(), "a clean refusal: {error}"),
    }
    // Whoever has said everything may close that direction, or vanish in the middle: neither holds anything up.
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    let answer = rest(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 200 "), "{answer}");
    let mut stream = server.connect().await;
    stream.write_all(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
    stream.shutdown().await.unwrap();
    rest(&mut stream).await;
    assert_eq!(server.ask(&Client::new(None), "http", "localhost").await.unwrap(), "HTTP/1.1 tls=false 0");
}
