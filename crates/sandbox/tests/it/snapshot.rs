//! Snapshots of functions with SnapStart: initialised once, asleep, restored when a request comes. In real sandboxes, and
//! in plain processes.

use std::{sync::Arc, time::Duration};

use sandbox::{Credentials, Failure, InitStatus, Isolation, Spec};

use crate::support::{Bed, no_pools, request, text};

const PYTHON: &str = "python3.12";

/// Counts its inits and restores in what it answers. The hooks' module is a stand-in of AWS's interface.
const COUNTING: &str = "\
import os, random
from snapshot_restore_py import register_before_snapshot, register_after_restore
seen = ['init']
seed = random.getstate()
register_before_snapshot(seen.append, 'before 1')
register_before_snapshot(seen.append, 'before 2')
@register_after_restore
def restored():
    seen.append('after')
print('loaded')
def handler(event, context):
    seen.append('event')
    return [seen, random.getstate() != seed]
";

const HOOKS: &str = "\
_before, _after = [], []
def register_before_snapshot(func, *args, **kwargs):
    _before.append((func, args, kwargs))
    return func
def register_after_restore(func, *args, **kwargs):
    _after.append((func, args, kwargs))
    return func
def get_before_snapshot():
    return _before
def get_after_restore():
    return _after
";

fn snap_start(bed: &Bed, code: &str) -> Spec {
    let mut spec = bed.spec(PYTHON, &[("app.py", code), ("snapshot_restore_py.py", HOOKS)]);
    spec.env.push(("AWS_LAMBDA_INITIALIZATION_TYPE".into(), "snap-start".into()));
    spec
}

async fn beds() -> Vec<Bed> {
    vec![Bed::start(Isolation::Process, no_pools()).await, Bed::start(Isolation::Sandbox, no_pools()).await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_initialised_once_and_goes_on_when_restored() {
    for bed in beds().await {
        let (mut sandbox, sink) = bed.launch(snap_start(&bed, COUNTING)).await;
        let report = sandbox.snapshot().await.expect("init succeeds");
        assert_eq!(report.status, InitStatus::Done);
        assert_eq!(sink.texts(), ["loaded"]);
        assert!(matches!(sandbox.snapshot().await, Err(failed) if matches!(failed.failure, Failure::Internal(_))));
        sandbox.restore().await.expect("the restore succeeds");
        let outcome = sandbox.invoke(request("{}")).await;
        assert_eq!(text(&outcome), r#"[["init", "before 2", "before 1", "after", "event"], true]"#);
        assert!(outcome.init.is_none());
        assert_eq!(sink.texts(), ["loaded"]);
        assert!(matches!(sandbox.restore().await, Err(failed) if matches!(failed.failure, Failure::Internal(_))));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_snapshot_the_same_function_passes_through() {
    for bed in beds().await {
        let (outcome, _) = bed.run(snap_start(&bed, COUNTING), "{}").await;
        assert_eq!(text(&outcome), r#"[["init", "before 2", "before 1", "after", "event"], true]"#);
        assert!(outcome.init.is_some());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_takes_no_request_before_it_is_restored() {
    let bed = Bed::start(Isolation::Process, no_pools()).await;
    let (mut sandbox, _) = bed.launch(snap_start(&bed, COUNTING)).await;
    sandbox.snapshot().await.expect("init succeeds");
    assert!(matches!(sandbox.invoke(request("{}")).await.result, Err(Failure::Internal(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hooks_that_fail_are_told() {
    let raising = |hook: &str| {
        format!(
            "import snapshot_restore_py\n@snapshot_restore_py.{hook}\ndef hook():\n    raise KeyError('gone')\ndef handler(event, context):\n    return 1\n"
        )
    };
    for bed in beds().await {
        let (mut sandbox, _) = bed.launch(snap_start(&bed, &raising("register_before_snapshot"))).await;
        let failed = sandbox.snapshot().await.expect_err("the hook fails");
        assert_eq!(failed.report.status, InitStatus::Failed { error_type: "KeyError".into() });
        assert!(!sandbox.is_alive());

        let (mut sandbox, sink) = bed.launch(snap_start(&bed, &raising("register_after_restore"))).await;
        sandbox.snapshot().await.expect("init succeeds");
        let failed = sandbox.restore().await.expect_err("the hook fails");
        assert!(
            matches!(&failed.failure, Failure::Function { error_type, .. } if error_type == "KeyError"),
            "{failed:?}"
        );
        assert!(sink.texts().iter().any(|line| line.contains("KeyError")), "{:?}", sink.texts());
        assert!(!sandbox.is_alive());

        let leaving = "import snapshot_restore_py, os\nsnapshot_restore_py.register_after_restore(os._exit, 3)\ndef handler(e, c):\n    return 1\n";
        let (mut sandbox, _) = bed.launch(snap_start(&bed, leaving)).await;
        sandbox.snapshot().await.expect("init succeeds");
        let failed = sandbox.restore().await.expect_err("the process ends");
        assert_eq!(failed.failure, Failure::Exit { status: Some(3), signal: None });
    }
}

/// AWS's own client and custom ones ask over HTTP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_runtime_api_has_restores_and_credentials() {
    let script = r#"#!/usr/bin/python3 -IS
import http.client, json, os, sys
def call(method, path, body=None, headers={}):
    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read().decode()
RUNTIME = '/2018-06-01/runtime/'
uri, token = os.environ['AWS_CONTAINER_CREDENTIALS_FULL_URI'], os.environ['AWS_CONTAINER_AUTHORIZATION_TOKEN']
path = uri[uri.index('/', 7):]
seen = [call('POST', RUNTIME + 'restore/error', '{}')[0]]
seen.append(call('GET', RUNTIME + 'restore/next')[0])
if os.environ.get('BREAKS'):
    print(call('POST', RUNTIME + 'restore/error', '{"errorType": "Oh"}', {'Lambda-Runtime-Function-Error-Type': 'Runtime.AfterRestoreError'})[0], flush=True)
    sys.exit(65)
seen.append(call('GET', path)[0])
seen.append(call('GET', path, None, {'Authorization': token})[2])
while True:
    status, headers, _ = call('GET', RUNTIME + 'invocation/next')
    id = headers['Lambda-Runtime-Aws-Request-Id']
    seen.append(call('GET', RUNTIME + 'restore/next')[0])
    call('POST', RUNTIME + 'invocation/' + id + '/response', json.dumps(seen))
"#;
    for bed in beds().await {
        let mut spec = bed.spec("provided.al2023", &[("bootstrap", script)]);
        spec.credentials = Some(Credentials { token: "secret".into(), fetch: Arc::new(|| "fresh".into()) });
        let (mut sandbox, _) = bed.launch(spec.clone()).await;
        sandbox.snapshot().await.expect("init succeeds");
        tokio::time::sleep(Duration::from_millis(50)).await;
        sandbox.restore().await.expect("the restore succeeds");
        let outcome = sandbox.invoke(request("{}")).await;
        assert_eq!(text(&outcome), r#"[403, 200, 403, "fresh", 403]"#);

        spec.env.push(("BREAKS".into(), "1".into()));
        let (mut sandbox, sink) = bed.launch(spec).await;
        sandbox.snapshot().await.expect("init succeeds");
        let failed = sandbox.restore().await.expect_err("it says so");
        assert!(
            matches!(&failed.failure, Failure::Function { error_type, .. } if error_type == "Runtime.AfterRestoreError"),
            "{failed:?}"
        );
        drop(sink);
    }
}

/// In a real sandbox, forked from a zygote: the only ones that have images.
async fn image_bed() -> Bed {
    let pools = sandbox::PoolTargets { python: 0, node: 0, java: 0, zygotes: true };
    Bed::start(Isolation::Sandbox, pools).await
}

/// Init happens to one process; the rest are copies of it that go their own ways.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn copies_of_one_image_go_their_own_ways() {
    let bed = image_bed().await;
    let code = "\
import decimal, json, os, random, re, ssl, sqlite3, unicodedata, uuid
from snapshot_restore_py import register_after_restore
BORN = uuid.uuid4().hex
big = [str(n) * 10 for n in range(100000)]
os.makedirs('/tmp/sub/deeper'); open('/tmp/sub/deeper/file', 'w').write('kept'); os.symlink('sub', '/tmp/link')
os.chdir('/tmp/sub')
seen = ['init']
register_after_restore(seen.append, 'after')
print('born')
def deep(n): return 0 if n == 0 else 1 + deep(n - 1)
def handler(event, context):
    big.append(event)
    database = sqlite3.connect('/tmp/db'); database.execute('create table if not exists t(a)'); database.execute('insert into t values (1)'); database.commit()
    seen.append(event)
    return {'born': BORN, 'big': sum(map(len, big[:100000])), 'length': len(big), 'seen': seen, 'file': open('/tmp/link/deeper/file').read(),
            'cwd': os.getcwd(), 'deep': deep(900), 'random': random.random(), 'ssl': ssl.RAND_bytes(8).hex(), 'pid': os.getpid(),
            'rows': database.execute('select count(*) from t').fetchone()[0], 'uid': os.getuid(), 'tls': ssl.create_default_context() is not None,
            'word': unicodedata.name('x') + str(decimal.Decimal(1) / 3), 'mark': bool(re.match('a+', 'aaa'))}
";
    let (mut first, sink) = bed.launch(snap_start(&bed, code)).await;
    let spec = first.identity().spec.clone();
    first.snapshot().await.expect("init succeeds");
    assert_eq!(sink.texts(), ["born"]);
    let image = first.image().await.expect("it has an image");
    assert!(!first.is_alive(), "it has done its work");
    assert!(image.bytes() > 1 << 20, "{}", image.bytes());
    let mut copies = Vec::new();
    for _ in 0..4 {
        let (mut copy, sink) = bed.launch((*spec).clone()).await;
        copy.load(&image).await.expect("the image loads");
        copies.push((copy, sink));
    }
    let mut answers = Vec::new();
    for (number, (sandbox, _)) in copies.iter_mut().enumerate() {
        sandbox.restore().await.expect("the restore succeeds");
        for round in 0..2 {
            let outcome = sandbox.invoke(request(&format!("[{number},{round}]"))).await;
            let answer: serde_json::Value = serde_json::from_str(text(&outcome)).unwrap();
            assert_eq!(answer["length"], 100001 + round, "{answer}");
            assert_eq!(answer["rows"], 1 + round);
            assert_eq!(answer["seen"].as_array().unwrap().len(), 3 + round);
            assert_eq!(
                (&answer["file"], &answer["cwd"], &answer["deep"]),
                (&"kept".into(), &"/tmp/sub".into(), &900.into())
            );
            answers.push(answer);
        }
    }
    for (_, sink) in &copies {
        assert_eq!(sink.texts(), Vec::<String>::new(), "init ran once");
    }
    let different = |member: &str| {
        let all: std::collections::HashSet<String> = answers.iter().map(|answer| answer[member].to_string()).collect();
        all.len()
    };
    assert_eq!((different("born"), different("big")), (1, 1));
    assert_eq!((different("random"), different("ssl")), (8, 8), "nothing random is shared");
    assert_eq!(different("uid"), 4, "each is a sandbox of its own");
}

/// Files are open where they were; connections are found closed by the other side, as after a restore on AWS.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_and_connections_come_along() {
    let bed = image_bed().await;
    let code = "\
import http.client, os
code = open('/var/task/app.py'); first = code.readline()
log = open('/tmp/log', 'a+'); log.write('one'); log.flush()
api = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API']); api.request('GET', '/nothing'); api.getresponse().read()
assert api.sock is not None
random = open('/dev/urandom', 'rb', 0)
def handler(event, context):
    kept = api.sock.recv(1)
    api.close(); api.request('GET', '/nothing')
    log.write('two'); log.flush(); log.seek(0)
    return [first, code.readline(), log.read(), kept.decode(), api.getresponse().status, len(random.read(4))]
";
    let (mut first, _) = bed.launch(snap_start(&bed, code)).await;
    let spec = first.identity().spec.clone();
    first.snapshot().await.expect("init succeeds");
    let image = first.image().await.expect("it has an image");
    for _ in 0..2 {
        let (mut copy, _) = bed.launch((*spec).clone()).await;
        copy.load(&image).await.expect("the image loads");
        copy.restore().await.expect("the restore succeeds");
        let seen: serde_json::Value = serde_json::from_str(text(&copy.invoke(request("1")).await)).unwrap();
        assert_eq!(seen[0], "import http.client, os\n");
        assert!(seen[1].as_str().unwrap().starts_with("code = open"), "{seen}");
        assert_eq!((&seen[2], &seen[3]), (&"onetwo".into(), &"".into()), "{seen}");
        assert_eq!((&seen[4], &seen[5]), (&404.into(), &4.into()), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_memory_has_no_image_and_goes_on_all_the_same() {
    let bed = image_bed().await;
    for line in [
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        "import socket\nkept = socket.create_server(('127.0.0.1', 0))",
        "import os\nkept = os.pipe()",
        "import subprocess\nkept = subprocess.Popen(['sleep', '60'])",
        "import mmap\nkept = mmap.mmap(-1, 4096)",
        "import os\nos.mkfifo('/tmp/fifo')",
        "open('/tmp/much', 'wb').write(bytes(17 << 20))",
    ] {
        let code = format!("{line}\ndef handler(event, context):\n    return 'fine'\n");
        let (mut sandbox, _) = bed.launch(snap_start(&bed, &code)).await;
        sandbox.snapshot().await.expect("init succeeds");
        assert!(sandbox.image().await.is_none(), "{line}");
        sandbox.restore().await.expect("the restore succeeds");
        assert_eq!(text(&sandbox.invoke(request("1")).await), "\"fine\"", "{line}");
    }
    let plain = Bed::start(Isolation::Sandbox, no_pools()).await;
    let (mut sandbox, _) = plain.launch(snap_start(&plain, COUNTING)).await;
    sandbox.snapshot().await.expect("init succeeds");
    assert!(sandbox.image().await.is_none(), "no zygote, no image");
    assert!(sandbox.is_alive());
}

/// An image is of one zygote's children: those of another have another layout.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_another_zygote_is_refused_without_harm() {
    let (bed, other) = (image_bed().await, image_bed().await);
    let (mut first, _) = bed.launch(snap_start(&bed, COUNTING)).await;
    first.snapshot().await.expect("init succeeds");
    let image = first.image().await.expect("it has an image");
    let (mut stranger, _) = other.launch(snap_start(&other, COUNTING)).await;
    assert!(stranger.load(&image).await.is_err());
    let (mut sandbox, _) = other.launch(snap_start(&other, COUNTING)).await;
    assert!(sandbox.invoke(request("1")).await.result.is_ok());
}
