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
