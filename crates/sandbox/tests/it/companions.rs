//! Processes beside the runtime, and the init above both.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::fd::OwnedFd,
};

use sandbox::spawner::{Ended, Error, Program, Spawned};

use crate::spawner::{c_strings, home, run, shell};

fn program(script: &str) -> Program {
    Program { argv: c_strings(&["/bin/sh", "-c", script]), env: c_strings(&["PATH=/usr/bin:/bin", "WHO=companion"]) }
}

#[tokio::test]
async fn a_companion_shares_the_sandbox_and_outlives_the_runtime() {
    let Some(home) = home().await else { return };
    let spawner = &home.spawner;
    let namespaces = "id -u; cd /proc/self/ns; for n in mnt pid net ipc uts cgroup; do readlink $n; done";
    let runtime =
        format!("trap 'echo asked; exit 5' TERM; {namespaces}; echo mine > /tmp/file; while :; do sleep 0.02; done");
    let Spawned { id, pidfd, output, .. } = spawner.spawn(&shell(&runtime)).await.unwrap();
    let script = format!(
        "{namespaces}; until [ -e /tmp/file ]; do sleep 0.01; done; cat /tmp/file; echo $WHO; touch /x; echo done; sleep 60"
    );
    let mut companion = spawner.join(id, program(&script)).await.unwrap();
    let heard = read_until(&companion.output, "done\n").await;

    spawner.stop_process(id, None).await.unwrap();
    assert_eq!(spawner.wait(id).await.unwrap().ended, Ended::Exited(5));
    let said = read_until(&output, "asked\n").await;
    let same = said.strip_suffix("asked\n").unwrap();
    let rest = heard.strip_prefix(same).expect("the same user and namespaces");
    assert!(rest.starts_with("mine\ncompanion\n") && rest.contains("Read-only file system"), "{rest}");
    assert!(companion.ended.borrow().is_none(), "it lives on");
    assert!(pidfd_is_open(&pidfd), "and so does the sandbox");

    let second = spawner.join(id, program("exit 3")).await.unwrap();
    let mut ended = second.ended;
    assert_eq!(*ended.wait_for(Option::is_some).await.unwrap(), Some(Ended::Exited(3)));
    spawner.stop_process(id, Some(companion.id)).await.unwrap();
    assert_eq!(*companion.ended.wait_for(Option::is_some).await.unwrap(), Some(Ended::Signaled(9)));
    spawner.destroy(id).await.unwrap();
    home.spawner.stop().await;
}

#[tokio::test]
async fn companions_end_with_their_sandbox_and_are_limited() {
    let Some(home) = home().await else { return };
    let spawner = &home.spawner;
    let Spawned { id, .. } = spawner.spawn(&shell("sleep 60")).await.unwrap();
    let missing = Program { argv: c_strings(&["/opt/extensions/none"]), env: Vec::new() };
    assert!(matches!(spawner.join(id, missing).await, Err(Error::System { errno: libc::ENOENT, .. })));
    let mut companions = Vec::new();
    for _ in 0..16 {
        companions.push(spawner.join(id, program("sleep 60 & sleep 60")).await.unwrap());
    }
    assert!(matches!(spawner.join(id, program("true")).await, Err(Error::Full(_))));
    spawner.destroy(id).await.unwrap();
    for companion in &mut companions {
        assert_eq!(*companion.ended.wait_for(Option::is_some).await.unwrap(), Some(Ended::Signaled(9)));
    }
    assert!(matches!(spawner.join(id, program("true")).await, Err(Error::Gone)));
    home.spawner.stop().await;
}

#[tokio::test]
async fn orphans_are_reaped_and_init_takes_no_orders_from_inside() {
    let Some(home) = home().await else { return };
    let script = "for n in 1 2 3; do (sleep 0.01 &) ; done; sleep 0.3; \
        kill -9 1; kill -TERM 1; sleep 0.1; cat /proc/1/environ 2>&1; ls /proc/1/fd 2>&1; grep -l '^State:.Z' /proc/[0-9]*/status; echo end";
    let (text, exit) = run(&home.spawner, &shell(script)).await;
    assert_eq!(exit.ended, Ended::Exited(0), "{text}");
    assert!(text.contains("Permission denied") || text.contains("No such file"), "it cannot be looked into: {text}");
    assert!(text.ends_with("end\n") && !text.contains("status"), "no zombie: {text}");
    home.spawner.stop().await;
}

#[tokio::test]
async fn a_socket_of_the_sandboxs_network_reaches_what_listens_there() {
    let Some(home) = home().await else { return };
    let server = "python3 -c 'import socket; s=socket.create_server((\"sandbox.localdomain\", 4243)); print(1, flush=True); c=s.accept()[0]; c.sendall(c.recv(9))'";
    let Spawned { id, output, .. } = home.spawner.spawn(&shell(server)).await.unwrap();
    read_until(&output, "1\n").await;
    let socket = home.spawner.socket(id).await.unwrap();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 4243));
    let answer = tokio::task::spawn_blocking(move || {
        rustix::io::ioctl_fionbio(&socket, false).unwrap();
        rustix::net::connect(&socket, &address).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.write_all(b"telemetry").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    assert_eq!(answer.await.unwrap(), "telemetry");
    home.spawner.destroy(id).await.unwrap();
    assert!(matches!(home.spawner.socket(id).await, Err(Error::Gone)));
    home.spawner.stop().await;
}

/// Reads until a text has come.
async fn read_until(output: &OwnedFd, text: &str) -> String {
    let mut all = Vec::new();
    while !String::from_utf8_lossy(&all).contains(text) {
        let mut buffer = [0u8; 4096];
        match rustix::io::read(output, &mut buffer) {
            Ok(0) => break,
            Ok(bytes) => all.extend_from_slice(&buffer[..bytes]),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    String::from_utf8_lossy(&all).into_owned()
}

fn pidfd_is_open(pidfd: &OwnedFd) -> bool {
    let mut fds = [rustix::event::PollFd::new(pidfd, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    rustix::event::poll(&mut fds, Some(&now)).unwrap() == 0
}
