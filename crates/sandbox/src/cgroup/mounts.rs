//! Where the control-group hierarchies are mounted, and where in them we are ourselves.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

/// The hierarchies of this host as `/proc/self/mountinfo` and `/proc/self/cgroup` tell of them.
#[derive(Debug, Clone, Default)]
pub struct Mounts {
    /// The unified hierarchy.
    pub(super) v2: Option<Hierarchy>,
    /// v1 hierarchies by controller; controllers mounted together have equal entries.
    pub(super) v1: BTreeMap<String, Hierarchy>,
}

/// One mounted hierarchy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// The mount point.
    pub(super) top: PathBuf,
    /// The directory of our own group, at or below the mount point.
    pub(super) own: PathBuf,
}

impl Mounts {
    /// Reads this process's `/proc`.
    pub fn read() -> io::Result<Mounts> {
        let mountinfo = std::fs::read_to_string("/proc/self/mountinfo")?;
        let own = std::fs::read_to_string("/proc/self/cgroup")?;
        Ok(Mounts::parse(&mountinfo, &own))
    }

    /// Understands the text of `/proc/self/mountinfo` and of `/proc/self/cgroup`.
    pub fn parse(mountinfo: &str, own: &str) -> Mounts {
        let mut mounts = Mounts::default();
        for line in mountinfo.lines() {
            let Some(mount) = Mount::parse(line) else { continue };
            match mount.kind {
                "cgroup2" => mounts.v2 = Some(mount.hierarchy(own_path(own, ""))),
                "cgroup" => {
                    for controller in mount.options.split(',') {
                        let hierarchy = mount.hierarchy(own_path(own, controller));
                        mounts.v1.insert(controller.to_owned(), hierarchy);
                    }
                }
                _ => {}
            }
        }
        mounts
    }

    /// Only the unified hierarchy, as on a host that never mounted the other one.
    pub fn only_v2(self) -> Mounts {
        Mounts { v1: BTreeMap::new(), ..self }
    }
}

/// The fields of a mountinfo line that matter here.
struct Mount<'a> {
    root: &'a str,
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /root /point rw shared:1 - type source options`
    fn parse(line: &'a str) -> Option<Mount<'a>> {
        let (before, after) = line.split_once(" - ")?;
        let mut before = before.split(' ').skip(3);
        let mut after = after.split(' ');
        let (root, point) = (before.next()?, before.next()?);
        let (kind, _source, options) = (after.next()?, after.next()?, after.next()?);
        Some(Mount { root, point, kind, options })
    }

    fn hierarchy(&self, own: Option<&str>) -> Hierarchy {
        let top = PathBuf::from(self.point);
        let own = Path::new(own.unwrap_or("/"));
        // A container sees only a part of the hierarchy mounted; our path counts from the real root.
        let below = own.strip_prefix(self.root).unwrap_or_else(|_| Path::new(""));
        let own = if below.as_os_str().is_empty() { top.clone() } else { top.join(below) };
        Hierarchy { top, own }
    }
}

/// Our path in a controller's hierarchy; the unified one has an empty name.
fn own_path<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (names, path) = (parts.next()?, parts.next()?);
        names.split(',').any(|name| name == controller).then_some(path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controllers_mounted_together_share_a_hierarchy() {
        let mounts = Mounts::parse(
            "30 29 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid shared:9 - cgroup cgroup rw,cpu,cpuacct",
            "4:cpu,cpuacct:/user.slice\n0::/",
        );
        assert_eq!(mounts.v1["cpu"], mounts.v1["cpuacct"]);
        assert_eq!(mounts.v1["cpu"].own, Path::new("/sys/fs/cgroup/cpu,cpuacct/user.slice"));
    }

    #[test]
    fn a_container_sees_its_part() {
        let line = "30 29 0:26 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory";
        let mounts = Mounts::parse(line, "4:memory:/docker/abc");
        assert_eq!(mounts.v1["memory"].own, Path::new("/sys/fs/cgroup/memory"));
    }

    #[test]
    fn the_unified_hierarchy() {
        let line = "30 29 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate";
        let mounts = Mounts::parse(line, "0::/system.slice/updraft.service\n");
        assert_eq!(mounts.v2.unwrap().own, Path::new("/sys/fs/cgroup/system.slice/updraft.service"));
    }
}
