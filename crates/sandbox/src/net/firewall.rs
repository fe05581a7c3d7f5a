//! One nftables table per server: where packets from sandboxes may go.
//!
//! The rules name interfaces by prefix and addresses by block, so they are loaded once, in one batch, and no sandbox
//! needs a command of its own. Packets from sandboxes are judged before the host's own address translation (ports that
//! other software publishes with DNAT count as the host's own). Where forwarding was off on this host, we switch it on
//! but let nobody else be forwarded: a second table, shared by all our servers, guards that, and tells a later start
//! that it was us.

use std::{
    fs, io,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use super::{Lack, links::Links};

/// Where distributions and people keep `nft`.
const PROGRAMS: [&str; 6] =
    ["/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft", "/bin/nft", "/usr/local/sbin/nft", "/usr/local/bin/nft"];

const FORWARDING: &str = "/proc/sys/net/ipv4/ip_forward";

/// Exists while forwarding is on because of us.
const GUARD: &str = "updraft_forwarding";

/// Never reached from a sandbox, whatever the host's routes say: link-local addresses with the metadata services of most
/// clouds, Azure's wire server, Alibaba's metadata service.
const REFUSED: [&str; 3] = ["169.254.0.0/16", "168.63.129.16", "100.100.100.200"];

/// The table of one server.
#[derive(Debug)]
pub(super) struct Firewall {
    program: &'static str,
    table: String,
}

impl Firewall {
    /// Loads the rules, replacing those of a former server of this instance, and switches forwarding on.
    pub(super) fn install(links: &Links) -> Result<Firewall, Lack> {
        let program = find_program()?;
        let firewall = Firewall { program, table: format!("updraft_{}", links.tag()) };
        let rules = firewall.rules(links);
        run(program, &rules)
            .map_err(|why| Lack::new(format!("nft: {why}"), "run as root on a kernel with nf_tables"))?;
        if let Err(lack) = switch_forwarding_on(program) {
            firewall.remove();
            return Err(lack);
        }
        Ok(firewall)
    }

    /// Removes the table, and what we did about forwarding once no other server of ours is left.
    pub(super) fn remove(&self) {
        // Nothing can be done about a failure here; the next start replaces the table.
        let _ = run(self.program, &format!("delete table inet {}\n", self.table));
        let Ok(tables) = list_tables(self.program) else { return };
        let others = tables.iter().any(|table| table.starts_with("updraft_") && table != GUARD);
        if tables.iter().any(|table| table == GUARD) && !others {
            let _ = fs::write(FORWARDING, "0");
            let _ = run(self.program, &format!("delete table inet {GUARD}\n"));
        }
    }

    /// Answers to a sandbox that is gone have nowhere to go: its address is nobody's, and the default route is not for them.
    fn rules(&self, links: &Links) -> String {
        let Firewall { table, .. } = self;
        let ours = format!("\"{}*\"", links.name_prefix());
        let (block, refused) = (links.block(), REFUSED.join(", "));
        format!(
            r#"
add table inet {table}
delete table inet {table}
table inet {table} {{
    set refused {{ type ipv4_addr; flags interval; auto-merge; elements = {{ {refused}, {block} }} }}
    chain arrive {{
        type filter hook prerouting priority -300; policy accept;
        iifname {ours} jump outbound
    }}
    chain outbound {{
        meta nfproto != ipv4 drop
        ip saddr != {block} drop
        ip daddr @refused goto refuse
        fib daddr type != unicast goto refuse
    }}
    chain refuse {{
        meta l4proto tcp reject with tcp reset
        reject with icmp type admin-prohibited
    }}
    chain local {{
        type filter hook input priority -10; policy accept;
        iifname {ours} drop
    }}
    chain through {{
        type filter hook forward priority -10; policy accept;
        ip daddr {block} oifname != {ours} drop
        iifname {ours} oifname "updr*" drop
        oifname {ours} ct state established,related accept
        oifname {ours} drop
    }}
    chain translate {{
        type nat hook postrouting priority 100; policy accept;
        ip saddr {block} oifname != "updr*" masquerade
    }}
}}
"#
        )
    }
}

/// Forwarding is off on most hosts that are no routers; then only our packets are to be forwarded.
fn switch_forwarding_on(program: &str) -> Result<(), Lack> {
    let lack = |error: io::Error| {
        let why = format!("forwarding is off and {FORWARDING} cannot be written: {error}");
        Lack::new(why, "sysctl -w net.ipv4.ip_forward=1")
    };
    if fs::read_to_string(FORWARDING).map_err(lack)?.trim() != "0" {
        return Ok(());
    }
    let guard = format!(
        r#"
add table inet {GUARD}
delete table inet {GUARD}
table inet {GUARD} {{
    chain through {{
        type filter hook forward priority -5; policy drop;
        meta nfproto != ipv4 accept
        iifname "updr*" accept
        oifname "updr*" accept
    }}
}}
"#
    );
    run(program, &guard).map_err(|why| Lack::new(format!("nft: {why}"), "run as root on a kernel with nf_tables"))?;
    fs::write(FORWARDING, "1").map_err(|error| {
        let _ = run(program, &format!("delete table inet {GUARD}\n"));
        lack(error)
    })
}

fn find_program() -> Result<&'static str, Lack> {
    let found = PROGRAMS.into_iter().find(|program| Path::new(program).is_file());
    found.ok_or_else(|| Lack::new("the program nft is not installed", "install nftables"))
}

fn list_tables(program: &str) -> io::Result<Vec<String>> {
    let output = Command::new(program).args(["list", "tables", "inet"]).stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().filter_map(|line| line.split(' ').nth(2)).map(str::to_owned).collect())
}

/// Loads a batch of commands: all of it or nothing.
fn run(program: &str, script: &str) -> Result<(), String> {
    let attempt = || -> io::Result<std::process::Output> {
        let mut child = Command::new(program)
            .args(["-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(script.as_bytes())?;
        }
        child.wait_with_output()
    };
    let output = attempt().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().next().unwrap_or("failed without a word").to_owned())
}
