//! The mount template: the small read-only tree that every sandbox's root is a copy of.
//!
//! It is built once, in a mount namespace of its own, by a short-lived child that pivots into it; only the descriptor of
//! that namespace remains. A sandbox enters it and copies it, which costs 20 µs instead of the 100 µs of building a
//! root, and there is no old root to detach. Everything is read-only, without set-user-id and without devices but the
//! few of `/dev`; propagation is private, so nothing mounted later anywhere shows up in another namespace.

use std::{
    ffi::CString,
    fs, io,
    os::{
        fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::{
            ffi::OsStrExt,
            fs::{PermissionsExt, symlink},
        },
    },
    path::{Path, PathBuf},
};

use super::{
    child::sys::{call, newer},
    etc,
    plan::Userland,
};

/// Where the helper library of zygotes is seen.
pub(super) const ZYGOTE_LIBRARY: &str = "/run/updraft/zygote.so";

/// Directories of `/usr` that belong to the host's administrator, not to its userland.
const HIDDEN: [&str; 2] = ["/usr/local", "/usr/src"];
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

const ATTR_RDONLY: u64 = 1;
const ATTR_NOSUID: u64 = 2;
const ATTR_NODEV: u64 = 4;
const ATTR_NOEXEC: u64 = 8;
const AT_RECURSIVE: usize = 0x8000;
const AT_EMPTY_PATH: usize = 0x1000;

/// What the template is made of.
pub(super) struct Template<'a> {
    /// An empty directory to build on.
    pub(super) scratch: &'a Path,
    pub(super) userland: &'a Userland,
    pub(super) zygote_library: &'a [u8],
    /// The first process of each sandbox.
    pub(super) init: &'a [u8],
    /// First user id, and how many sandboxes.
    pub(super) users: (u32, u32),
    /// In a user namespace the kernel lets nobody mount a `/proc` who cannot see one already.
    pub(super) keeps_proc: bool,
}

/// A step of the building that failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) doing: String,
    pub(super) error: io::Error,
}

trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failed>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, Failed> {
        self.map_err(|error| Failed { doing: what(), error })
    }
}

/// Builds the tree in the calling process, which must have a mount namespace of its own to spoil, and pivots into it.
pub(super) fn build(template: &Template<'_>) -> Result<(), Failed> {
    let root = template.scratch;
    mount("none", Path::new("/"), "", libc::MS_REC | libc::MS_PRIVATE, "").doing(|| "make mounts private".into())?;
    // What lies under the scratch directory must be cloned before the tree covers it; nothing of the userland does.
    mount("updraft", root, "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=755,size=64m")
        .doing(|| format!("mount a tmpfs on {}", root.display()))?;
    let tree = Tree { root };
    tree.directories()?;
    tree.userland(template.userland)?;
    tree.devices()?;
    tree.etc(template.users)?;
    if template.keeps_proc {
        tree.bind(Path::new("/proc"), Path::new("/proc"), 0)?;
    }
    tree.write("run/updraft/zygote.so", template.zygote_library)?;
    tree.write("run/updraft/init", template.init)?;
    let init = tree.inside(Path::new("run/updraft/init"));
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).doing(|| "make the init executable".into())?;
    tree.seal()?;
    tree.pivot().doing(|| "pivot into the template".into())
}

struct Tree<'a> {
    root: &'a Path,
}

impl Tree<'_> {
    fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    fn directories(&self) -> Result<(), Failed> {
        for directory in [
            "usr",
            "etc",
            "proc",
            "dev",
            "tmp",
            "opt",
            "var/task",
            "var/runtime",
            "var/tmp",
            "run/updraft/empty",
            "run/updraft/image",
            "home",
        ] {
            self.make_directory(Path::new(directory))?;
        }
        // Merged-usr links as the host has them; a host that still has real directories gets them bound.
        for name in ["bin", "sbin", "lib", "lib32", "lib64", "libx32"] {
            let host = Path::new("/").join(name);
            match fs::symlink_metadata(&host) {
                Ok(found) if found.is_symlink() => {
                    let target = fs::read_link(&host).doing(|| format!("read {}", host.display()))?;
                    symlink(target, self.root.join(name)).doing(|| format!("link {name}"))?;
                }
                Ok(found) if found.is_dir() => self.bind(&host, &host, SEALED)?,
                _ => {}
            }
        }
        // Node.js looks for packages that /var/task/x.mjs imports in node_modules of every directory above it, and not
        // in NODE_PATH; so those of layers and of the runtime are where it looks, in AWS's order.
        for (link, target) in
            [("var/node_modules", "/opt/nodejs/node_modules"), ("node_modules", "/var/runtime/node_modules")]
        {
            symlink(target, self.root.join(link)).doing(|| format!("link {link}"))?;
        }
        Ok(())
    }

    fn userland(&self, userland: &Userland) -> Result<(), Failed> {
        self.bind(Path::new("/usr"), Path::new("/usr"), SEALED)?;
        for hidden in HIDDEN.map(Path::new) {
            let inside = self.inside(hidden);
            if inside.is_dir() {
                mount("hidden", &inside, "tmpfs", libc::MS_NOSUID | libc::MS_NODEV, "mode=755,size=1m")
                    .doing(|| format!("cover {}", hidden.display()))?;
            }
        }
        for path in &userland.binds {
            let below_usr = path.starts_with("/usr") && !HIDDEN.iter().any(|hidden| path.starts_with(hidden));
            if !below_usr {
                self.bind(path, path, SEALED)?;
            }
        }
        if let Some(runtime_dir) = &userland.runtime_dir {
            self.bind(runtime_dir, Path::new("/var/runtime"), SEALED)?;
        }
        Ok(())
    }

    fn devices(&self) -> Result<(), Failed> {
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            self.write(&format!("dev/{name}"), b"")?;
            self.bind(&path, &path, ATTR_NOSUID | ATTR_NOEXEC | ATTR_RDONLY)?;
        }
        for (name, target) in [
            ("fd", "/proc/self/fd"),
            ("stdin", "/proc/self/fd/0"),
            ("stdout", "/proc/self/fd/1"),
            ("stderr", "/proc/self/fd/2"),
        ] {
            symlink(target, self.root.join("dev").join(name)).doing(|| format!("link /dev/{name}"))?;
        }
        Ok(())
    }

    fn etc(&self, users: (u32, u32)) -> Result<(), Failed> {
        for (name, text) in etc::files(users) {
            self.write(&format!("etc/{name}"), &text)?;
        }
        for (name, target) in etc::LINKS {
            symlink(target, self.root.join("etc").join(name)).doing(|| format!("link /etc/{name}"))?;
        }
        for path in etc::directories() {
            self.bind(&path, &path, SEALED)?;
        }
        Ok(())
    }

    fn make_directory(&self, path: &Path) -> Result<(), Failed> {
        let inside = self.inside(path);
        fs::create_dir_all(&inside).doing(|| format!("make {}", inside.display()))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        let path = self.root.join(name);
        if let Some(parent) = Path::new(name).parent() {
            self.make_directory(parent)?;
        }
        fs::write(&path, bytes).doing(|| format!("write {}", path.display()))
    }

    /// Shows `source` of the host at `target`. Attributes of 0 leave it as it is on the host.
    fn bind(&self, source: &Path, target: &Path, attributes: u64) -> Result<(), Failed> {
        let inside = self.inside(target);
        if !inside.exists() {
            self.make_directory(target)?;
        }
        clone_mount(source, attributes, true)
            .and_then(|mount| move_to(&mount, &inside))
            .doing(|| format!("bind {} into the template", source.display()))
    }

    /// Read-only, private, for all of it that is not sealed yet.
    fn seal(&self) -> Result<(), Failed> {
        for path in [Path::new("/")].into_iter().chain(HIDDEN.map(Path::new)) {
            let inside = self.inside(path);
            if inside.is_dir() {
                let root = open_path(&inside).doing(|| format!("open {}", inside.display()))?;
                set_attributes(root.as_fd(), SEALED, false).doing(|| format!("seal {}", inside.display()))?;
            }
        }
        Ok(())
    }

    fn pivot(&self) -> io::Result<()> {
        std::env::set_current_dir(self.root)?;
        // SAFETY: two literal paths.
        let pivoted = unsafe { libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()) };
        if pivoted == 0 {
            // SAFETY: a literal path. The old root lies over the new one; this peels it off.
            check(unsafe { libc::umount2(c".".as_ptr(), libc::MNT_DETACH) })?;
        } else {
            // On an initramfs the root cannot be pivoted away; covering it does, as switch_root shows.
            let failed = io::Error::last_os_error();
            if failed.raw_os_error() != Some(libc::EINVAL) {
                return Err(failed);
            }
            mount(".", Path::new("/"), "", libc::MS_MOVE, "")?;
            // SAFETY: a literal path.
            check(unsafe { libc::chroot(c".".as_ptr()) })?;
        }
        std::env::set_current_dir("/")
    }
}

const SEALED: u64 = ATTR_RDONLY | ATTR_NOSUID | ATTR_NODEV;

/// A read-only detached copy of the mount at `path`, to be moved into a sandbox.
pub(super) fn code_tree(path: &Path) -> io::Result<OwnedFd> {
    clone_mount(path, SEALED, false)
}

fn clone_mount(path: &Path, attributes: u64, recursive: bool) -> io::Result<OwnedFd> {
    const OPEN_TREE_CLONE: usize = 1;
    let path = CString::new(path.as_os_str().as_bytes())?;
    let flags = OPEN_TREE_CLONE | libc::O_CLOEXEC as usize | if recursive { AT_RECURSIVE } else { 0 };
    let here = libc::AT_FDCWD as isize as usize;
    // SAFETY: a NUL-terminated path.
    let tree = unsafe { call(newer::OPEN_TREE, [here, path.as_ptr() as usize, flags, 0, 0, 0]) };
    let tree = tree.map_err(io::Error::from_raw_os_error)?;
    // SAFETY: the kernel just made this descriptor for us.
    let tree = unsafe { OwnedFd::from_raw_fd(tree as i32) };
    set_attributes(tree.as_fd(), attributes, recursive)?;
    Ok(tree)
}

fn set_attributes(mount: BorrowedFd<'_>, attributes: u64, recursive: bool) -> io::Result<()> {
    #[repr(C)]
    struct MountAttributes {
        set: u64,
        clear: u64,
        propagation: u64,
        user_namespace: u64,
    }
    let wanted = MountAttributes { set: attributes, clear: 0, propagation: libc::MS_PRIVATE, user_namespace: 0 };
    let flags = AT_EMPTY_PATH | if recursive { AT_RECURSIVE } else { 0 };
    let arguments = [
        mount.as_raw_fd() as usize,
        c"".as_ptr() as usize,
        flags,
        &raw const wanted as usize,
        size_of::<MountAttributes>(),
        0,
    ];
    // SAFETY: a struct mount_attr and its size.
    unsafe { call(newer::MOUNT_SETATTR, arguments) }.map(|_| ()).map_err(io::Error::from_raw_os_error)
}

fn move_to(tree: &OwnedFd, target: &Path) -> io::Result<()> {
    let target = CString::new(target.as_os_str().as_bytes())?;
    super::child::move_mount(tree.as_raw_fd(), &target).map(|_| ()).map_err(io::Error::from_raw_os_error)
}

fn open_path(path: &Path) -> io::Result<OwnedFd> {
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(path).map(OwnedFd::from)
}

/// `mount(2)`.
pub(super) fn mount(source: &str, target: &Path, kind: &str, flags: libc::c_ulong, options: &str) -> io::Result<()> {
    let (source, kind, options) = (CString::new(source)?, CString::new(kind)?, CString::new(options)?);
    let target = CString::new(target.as_os_str().as_bytes())?;
    // SAFETY: NUL-terminated strings all.
    check(unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), flags, options.as_ptr().cast()) })
}

/// Turns a C return value into a result.
pub(super) fn check(answer: libc::c_int) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
