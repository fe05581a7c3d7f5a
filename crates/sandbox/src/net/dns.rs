//! Names for sandboxes: passes questions from the socket inside a sandbox on to the host's own resolvers.
//!
//! Runs in the server, one task per sandbox. Names of this machine are answered here, egress or not. Any other question is
//! not understood beyond its header: it goes out from a fresh port of the host, and the answer comes back under the number
//! of the question. Limits keep a sandbox from using the server as a flood; a sandbox without egress gets REFUSED, so that a
//! program inside fails at once instead of waiting.
//!
//! Not here: TCP. An answer that does not fit is passed on cut, as the host's resolver cut it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    sync::Semaphore,
    time::{Instant, timeout},
};

use super::DNS_PORT;

/// Longest question passed on. Real ones have less than 300 bytes; Ethernet carries no more in one piece.
pub const QUESTION_BYTES_MAX: usize = 1472;

/// Longest answer passed back: the size that EDNS clients and servers offer at most by custom.
pub const ANSWER_BYTES_MAX: usize = 4096;

/// Questions of one sandbox that wait for an answer at the same time; more are dropped, as a full queue would.
pub const IN_FLIGHT_MAX: usize = 64;

/// Questions of one sandbox per second. AWS's resolver answers 1,024 packets a second per network interface.
pub const QUESTIONS_PER_SECOND_MAX: u32 = 1024;

/// How long one upstream server may think before the next is asked. Programs inside ask again after 5 s.
const UPSTREAM_PATIENCE: Duration = Duration::from_secs(2);

/// Resolvers beyond the third are ignored, as resolv.conf(5) says.
const SERVERS_MAX: usize = 3;

/// Domains whose every name is the machine that asks: inside a sandbox, the node's own endpoint. The first by RFC 6761; the
/// second is LocalStack's, which public resolvers answer in the same way, and which its users have in their tools.
const OWN_DOMAINS: [&str; 2] = ["localhost", "localhost.localstack.cloud"];

/// How long programs may remember what this machine is called, in seconds.
const OWN_TTL_SECS: u32 = 60;

/// Types of question: an IPv4 address.
const TYPE_A: [u8; 2] = [0, 1];

const HEADER_BYTES: usize = 12;
/// In the third byte of the header: this is an answer.
const RESPONSE: u8 = 0x80;
const OPCODE: u8 = 0x78;
const RECURSION_DESIRED: u8 = 0x01;
const NO_ERROR: u8 = 0;
const SERVFAIL: u8 = 2;
const REFUSED: u8 = 5;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upstream {
    /// These servers, in this order.
    Servers(Vec<SocketAddr>),
    /// Nobody: every question is refused. For sandboxes without egress.
    Refuse,
}

impl Upstream {
    /// The host's resolvers, from `/etc/resolv.conf`; this machine itself when that names none, as resolv.conf(5) says.
    pub fn of_host() -> io::Result<Upstream> {
        std::fs::read_to_string("/etc/resolv.conf").map(|text| Upstream::parse(&text))
    }

    /// Understands the text of a `resolv.conf`.
    pub fn parse(text: &str) -> Upstream {
        let servers = text.lines().filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let address = words.next().filter(|word| *word == "nameserver").and_then(|_| words.next())?;
            // An interface (`fe80::1%eth0`) is more than this forwarder knows about.
            Some(SocketAddr::new(address.parse().ok()?, DNS_PORT))
        });
        let mut servers: Vec<_> = servers.take(SERVERS_MAX).collect();
        if servers.is_empty() {
            servers.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), DNS_PORT));
        }
        Upstream::Servers(servers)
    }
}

/// Serves the resolver socket of one sandbox. Ends only when the socket breaks: abort the task when the sandbox is gone.
pub async fn forward(socket: UdpSocket, upstream: Arc<Upstream>) -> io::Result<()> {
    let socket = Arc::new(socket);
    let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut rate = Rate::new();
    let mut buffer = [0u8; QUESTION_BYTES_MAX + 1];
    loop {
        let (length, client) = socket.recv_from(&mut buffer).await?;
        if length > QUESTION_BYTES_MAX || !is_question(&buffer[..length]) || !rate.admit() {
            continue;
        }
        let question = &buffer[..length];
        if let Some(answer) = own(question) {
            // The sandbox may have closed its socket by now.
            let _ = socket.send_to(&answer, client).await;
            continue;
        }
        let Upstream::Servers(_) = *upstream else {
            let _ = socket.send_to(&failure(question, REFUSED), client).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&in_flight).try_acquire_owned() else {
            continue;
        };
        let (socket, upstream, question) = (Arc::clone(&socket), Arc::clone(&upstream), question.to_vec());
        tokio::spawn(async move {
            let answer = ask(&question, &upstream).await.unwrap_or_else(|| failure(&question, SERVFAIL));
            let _ = socket.send_to(&answer, client).await;
            drop(permit);
        });
    }
}

/// The first answer of any server, none if all fail.
async fn ask(question: &[u8], upstream: &Upstream) -> Option<Vec<u8>> {
    let Upstream::Servers(servers) = upstream else {
        return None;
    };
    for server in servers {
        if let Ok(Ok(answer)) = timeout(UPSTREAM_PATIENCE, ask_one(question, *server)).await {
            return Some(answer);
        }
    }
    None
}

/// From a port that the kernel picks anew for each question, and connected: so nobody but the server can answer it.
async fn ask_one(question: &[u8], server: SocketAddr) -> io::Result<Vec<u8>> {
    let any: IpAddr = if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0u8; ANSWER_BYTES_MAX];
    loop {
        let length = socket.recv(&mut answer).await?;
        if length >= HEADER_BYTES && answer[..2] == question[..2] && answer[2] & RESPONSE != 0 {
            answer.truncate(length);
            return Ok(answer);
        }
    }
}

fn is_question(packet: &[u8]) -> bool {
    packet.len() >= HEADER_BYTES && packet[2] & RESPONSE == 0
}

/// The header of an answer that says why there is none, with the question's number and no records.
fn failure(question: &[u8], code: u8) -> Vec<u8> {
    let mut answer = vec![0u8; HEADER_BYTES];
    answer[..2].copy_from_slice(&question[..2]);
    answer[2] = RESPONSE | (question[2] & (OPCODE | RECURSION_DESIRED));
    answer[3] = code;
    // Resolvers expect to see what they asked; with one plain question that is all between header and extras.
    if let Some(section) = question_section(question) {
        answer[4..6].copy_from_slice(&question[4..6]);
        answer.extend_from_slice(section);
    }
    answer
}

/// The answer to a question for a name of this machine: its IPv4 address, and that there is nothing else.
fn own(question: &[u8]) -> Option<Vec<u8>> {
    let section = question_section(question)?;
    let (name, kind) = (&section[..section.len() - 4], &section[section.len() - 4..section.len() - 2]);
    let name = String::from_utf8(labels(name).collect::<Vec<_>>().join(&b'.')).ok()?.to_ascii_lowercase();
    let is_below = |domain: &str| name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    if !OWN_DOMAINS.into_iter().any(is_below) {
        return None;
    }
    let mut answer = failure(question, NO_ERROR);
    if kind == TYPE_A {
        answer[6..8].copy_from_slice(&[0, 1]);
        // Of the name that stands at the beginning of the question, in the question's class.
        answer.extend_from_slice(&[0xc0, HEADER_BYTES as u8]);
        answer.extend_from_slice(&section[section.len() - 4..]);
        answer.extend_from_slice(&OWN_TTL_SECS.to_be_bytes());
        answer.extend_from_slice(&[0, 4]);
        answer.extend_from_slice(&Ipv4Addr::LOCALHOST.octets());
    }
    Some(answer)
}

/// The labels of a name that [`question_section`] has gone through, without the zero at its end.
fn labels(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first()?;
        let label = after.get(..usize::from(*length)).filter(|label| !label.is_empty())?;
        rest = &after[label.len()..];
        Some(label)
    })
}

/// The one question of a packet: labels, a zero, type and class.
fn question_section(packet: &[u8]) -> Option<&[u8]> {
    if packet.get(4..6)? != [0, 1] {
        return None;
    }
    let mut at = HEADER_BYTES;
    loop {
        match *packet.get(at)? {
            0 => return packet.get(HEADER_BYTES..at + 5),
            // Compression has no place in the first name of a packet.
            length if length & 0xc0 != 0 => return None,
            length => at += 1 + usize::from(length),
        }
    }
}

/// Counts questions per second.
struct Rate {
    second: Instant,
    count: u32,
}

impl Rate {
    fn new() -> Rate {
        Rate { second: Instant::now(), count: 0 }
    }

    fn admit(&mut self) -> bool {
        if self.second.elapsed() >= Duration::from_secs(1) {
            *self = Rate::new();
        }
        self.count += 1;
        self.count <= QUESTIONS_PER_SECOND_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `example.com`, type A, class IN, recursion desired, number 0x1234.
    const QUESTION: &[u8] = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";

    async fn forwarder(upstream: Upstream) -> UdpSocket {
        let inside = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(inside.local_addr().unwrap()).await.unwrap();
        tokio::spawn(forward(inside, Arc::new(upstream)));
        client
    }

    async fn answer_to(client: &UdpSocket, question: &[u8]) -> Option<Vec<u8>> {
        client.send(question).await.unwrap();
        let mut buffer = vec![0u8; ANSWER_BYTES_MAX];
        let length = timeout(Duration::from_millis(500), client.recv(&mut buffer)).await.ok()?.unwrap();
        buffer.truncate(length);
        Some(buffer)
    }

    #[tokio::test]
    async fn an_answer_comes_back() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let client = forwarder(Upstream::Servers(vec![server.local_addr().unwrap()])).await;
        tokio::spawn(async move {
            let mut buffer = [0u8; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            buffer[2] |= RESPONSE;
            server.send_to(b"too short", from).await.unwrap();
            server.send_to(&buffer[..length], from).await.unwrap();
        });
        let answer = answer_to(&client, QUESTION).await.unwrap();
        assert_eq!(answer[..2], QUESTION[..2]);
        assert_eq!(answer[12..], QUESTION[12..]);
    }

    #[tokio::test]
    async fn without_egress_questions_are_refused_at_once() {
        let client = forwarder(Upstream::Refuse).await;
        let answer = answer_to(&client, QUESTION).await.unwrap();
        assert_eq!((answer[3] & 0x0f, &answer[12..]), (REFUSED, &QUESTION[12..]));
    }

    #[tokio::test]
    async fn a_dead_upstream_is_a_server_failure() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let client = forwarder(Upstream::Servers(vec![server])).await;
        assert_eq!(answer_to(&client, QUESTION).await.unwrap()[3] & 0x0f, SERVFAIL);
    }

    #[tokio::test]
    async fn rubbish_gets_no_answer_and_does_no_harm() {
        let client = forwarder(Upstream::Refuse).await;
        for rubbish in [&b""[..], b"short", &[0xff; 64], &[0; QUESTION_BYTES_MAX + 1]] {
            assert_eq!(answer_to(&client, rubbish).await, None, "{rubbish:?}");
        }
        assert!(answer_to(&client, QUESTION).await.is_some());
    }

    #[tokio::test]
    async fn names_of_this_machine_are_answered_without_anybody() {
        let client = forwarder(Upstream::Refuse).await;
        let asked = |name: &str, kind: u8| {
            let mut question = b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00".to_vec();
            for label in name.split('.') {
                question.push(label.len() as u8);
                question.extend_from_slice(label.as_bytes());
            }
            question.extend_from_slice(&[0, 0, kind, 0, 1]);
            question
        };
        for name in ["localhost", "abc.execute-api.us-east-1.LocalHost", "x.localhost.localstack.cloud"] {
            let question = asked(name, 1);
            let answer = answer_to(&client, &question).await.unwrap();
            assert_eq!((&answer[..2], answer[3] & 0x0f, answer[7]), (&question[..2], NO_ERROR, 1), "{name}");
            assert_eq!(answer[12..question.len()], question[12..], "{name}");
            assert_eq!(answer[question.len()..], *b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01");
            // Of IPv6 addresses there are none, which is not the same as no such name.
            let answer = answer_to(&client, &asked(name, 28)).await.unwrap();
            assert_eq!((answer[3] & 0x0f, answer[7]), (NO_ERROR, 0), "{name}");
        }
        for name in ["notlocalhost", "localhost.example.com", "localstack.cloud"] {
            assert_eq!(answer_to(&client, &asked(name, 1)).await.unwrap()[3] & 0x0f, REFUSED, "{name}");
        }
    }

    #[test]
    fn a_name_that_runs_out_of_the_packet_is_left_out() {
        let mut cut = QUESTION[..20].to_vec();
        assert_eq!(failure(&cut, REFUSED).len(), HEADER_BYTES);
        cut[12] = 0xc0;
        assert_eq!(failure(&cut, REFUSED).len(), HEADER_BYTES);
    }

    #[test]
    fn resolv_conf() {
        let text = "# comment\nsearch here\nnameserver 10.0.0.2\nnameserver fe80::1%eth0\nnameserver ::1\n";
        let servers = ["10.0.0.2:53".parse().unwrap(), "[::1]:53".parse().unwrap()];
        assert_eq!(Upstream::parse(text), Upstream::Servers(servers.to_vec()));
        assert_eq!(Upstream::parse(""), Upstream::Servers(vec!["127.0.0.1:53".parse().unwrap()]));
    }

    #[test]
    fn a_flood_is_cut() {
        let mut rate = Rate::new();
        let admitted = (0..QUESTIONS_PER_SECOND_MAX * 2).filter(|_| rate.admit()).count();
        assert!(admitted <= QUESTIONS_PER_SECOND_MAX as usize + 1);
    }
}
