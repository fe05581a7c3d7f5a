//! Container images as roots: what a process of one sees, and that it is as confined as any other.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sandbox::spawner::{Ended, ImageTree, Plan};

use crate::spawner::{exec, home, run};

/// A root with a shell and a few tools of the host's, and with what the spawner mounts on.
fn root(directory: &Path) -> PathBuf {
    let root = directory.join("image");
    for made in ["proc", "dev", "tmp", "run/updraft", "etc", "shop/here", "usr/bin"] {
        fs::create_dir_all(root.join(made)).unwrap();
    }
    for name in ["etc/hosts", "etc/resolv.conf"] {
        fs::write(root.join(name), "").unwrap();
    }
    fs::write(root.join("etc/from-the-image"), "mine").unwrap();
    for tool in ["sh", "cat", "ls", "id", "grep", "touch", "uname"] {
        let program = fs::canonicalize(Path::new("/usr/bin").join(tool)).unwrap();
        fs::copy(&program, root.join("usr/bin").join(tool)).unwrap();
        let needed = Command::new("ldd").arg(&program).output().unwrap();
        for word in String::from_utf8(needed.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
            let inside = root.join(word.trim_start_matches('/'));
            fs::create_dir_all(inside.parent().unwrap()).unwrap();
            fs::copy(word, inside).unwrap();
        }
    }
    root
}

fn plan(root: &Path, directory: &str, script: &str) -> Plan {
    let image = Some(ImageTree { root: root.to_owned(), directory: directory.into() });
    Plan { image, ..exec(&["/usr/bin/sh", "-c", script]) }
}

#[tokio::test]
async fn an_image_is_all_there_is() {
    let Some(home) = home().await else { return };
    let root = root(home.directory.path());
    let script = r#"
        echo "at $(cat /etc/from-the-image) $PWD"
        echo "root $(ls /)"
        ls /var/task /opt /etc/ssl /home 2>/dev/null
        echo "devices $(echo /dev/*)"
        cat /etc/hosts | grep localhost
        touch /tmp/mine && echo "tmp is writable"
        for place in / /etc /usr /shop/here /run/updraft /dev; do touch $place/x 2>/dev/null && echo "wrote $place"; done
        echo "user $(id -u)"
        grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status
        ls /proc/self/root/run/updraft/image
        grep -c . /proc/self/mounts
    "#;
    let (text, exit) = run(&home.spawner, &plan(&root, "/shop/here", script)).await;
    assert_eq!(exit.ended, Ended::Exited(0), "{text}");
    assert!(text.starts_with("at mine /shop/here\n"), "{text}");
    let listed = text.split("root ").nth(1).and_then(|rest| rest.split("devices").next()).unwrap();
    let mut names: Vec<&str> = listed.split_whitespace().filter(|name| !name.starts_with("lib")).collect();
    names.sort_unstable();
    assert_eq!(names, ["dev", "etc", "proc", "run", "shop", "tmp", "usr"], "nothing of the host's is there: {text}");
    for expected in [
        "/dev/null",
        "127.0.0.1 localhost",
        "tmp is writable",
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("wrote"), "the root is read-only: {text}");
    assert!(!text.contains("user 0\n"), "{text}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn the_old_root_is_gone_and_set_user_id_means_nothing() {
    use std::os::unix::fs::PermissionsExt;
    let Some(home) = home().await else { return };
    let root = root(home.directory.path());
    fs::set_permissions(root.join("usr/bin/id"), fs::Permissions::from_mode(0o4755)).unwrap();
    let script = r#"
        echo "id $(id -u)"
        grep updraft /proc/self/mounts
        ls /proc/1/root/usr/lib/python3 /proc/1/cwd/../../../../var/runtime 2>/dev/null && echo escaped
        exit 0
    "#;
    let (text, exit) = run(&home.spawner, &plan(&root, "/", script)).await;
    assert_eq!(exit.ended, Ended::Exited(0), "{text}");
    assert!(!text.contains("id 0\n") && !text.contains("escaped"), "{text}");
    assert!(!text.contains(" /run/updraft/image "), "{text}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn what_an_image_lacks_is_said() {
    let Some(home) = home().await else { return };
    let root = root(home.directory.path());
    let refused = home.spawner.spawn(&plan(&root, "/no/such/place", "exit 0")).await.expect_err("no such directory");
    assert!(refused.to_string().contains("go to the working directory"), "{refused}");
    let image = Some(ImageTree { root, directory: "/".into() });
    let refused = home.spawner.spawn(&Plan { image, ..exec(&["/no/program"]) }).await.expect_err("no such program");
    assert!(refused.to_string().contains("execute the program"), "{refused}");
    home.spawner.stop().await;
}
