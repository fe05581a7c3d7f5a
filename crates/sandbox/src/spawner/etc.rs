//! The `/etc` of sandboxes: synthesized, with the few files and directories of the host that programs of its `/usr` need.
//! Nothing in it tells about the host's users, network or name.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

/// Name and target of the links.
pub(super) const LINKS: [(&str, &str); 3] = [
    ("localtime", "../usr/share/zoneinfo/UTC"),
    ("os-release", "../usr/lib/os-release"),
    ("mtab", "../proc/self/mounts"),
];

/// Files that are copied from the host where it has them.
const COPIED: [&str; 9] = [
    "ld.so.cache",
    "ld.so.conf",
    "protocols",
    "services",
    "mime.types",
    "ssl/openssl.cnf",
    "pki/tls/openssl.cnf",
    "debian_version",
    "ca-certificates.conf",
];

/// Directories that are shown from the host where it has them: certificates, `alternatives` (the way to `java` on many
/// distributions), fonts, what the loader reads.
const SHOWN: [&str; 9] = [
    "ssl/certs",
    "pki/tls/certs",
    "pki/ca-trust/extracted",
    "pki/java",
    "ca-certificates/extracted",
    "alternatives",
    "crypto-policies",
    "fonts",
    "ld.so.conf.d",
];

/// All files, by their name below `/etc`.
pub(super) fn files(users: (u32, u32)) -> Vec<(String, Vec<u8>)> {
    let (first, count) = users;
    let mut passwd = String::from("root:x:0:0:root:/root:/sbin/nologin\n");
    let mut group = String::from("root:x:0:\n");
    for slot in 0..count {
        let name = if count == 1 { "sbx_user".to_owned() } else { format!("sbx_user{slot}") };
        let id = first + slot;
        let _ = writeln!(passwd, "{name}:x:{id}:{id}::/tmp:/sbin/nologin");
        let _ = writeln!(group, "{name}:x:{id}:");
    }
    passwd.push_str("nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n");
    group.push_str("nogroup:x:65534:\n");
    let mut files: Vec<(String, Vec<u8>)> = [
        ("passwd", passwd.as_str()),
        ("group", group.as_str()),
        // With AWS's names for where extensions have telemetry sent to.
        ("hosts", "127.0.0.1 localhost sandbox sandbox.localdomain\n::1 localhost\n"),
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
        ("nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\nservices: files\nprotocols: files\n"),
        ("host.conf", "multi on\n"),
        ("timezone", "Etc/UTC\n"),
    ]
    .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
    .into();
    for name in COPIED {
        if let Ok(bytes) = fs::read(Path::new("/etc").join(name)) {
            files.push((name.to_owned(), bytes));
        }
    }
    files
}

/// Directories of the host's `/etc` to be shown.
pub(super) fn directories() -> Vec<PathBuf> {
    let etc = Path::new("/etc");
    let mut directories: Vec<PathBuf> = SHOWN.iter().map(|name| etc.join(name)).filter(|path| path.is_dir()).collect();
    // Debian's JDKs keep their configuration in /etc/java-17-openjdk and link to it.
    let java = fs::read_dir(etc).into_iter().flatten().flatten().map(|entry| entry.path());
    directories.extend(java.filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("java")) && path.is_dir()
    }));
    directories
}
