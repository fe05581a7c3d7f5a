//! The engine's promises: answers, failures by kind, limits, logs, pools. Under process isolation everywhere; under the
//! real spawner where this machine can.

use std::{path::Path, sync::Arc, time::Duration};

use sandbox::{Failure, InitStatus, Isolation, LaunchError, LaunchPath, PoolTargets, runtimes::Serves};

use crate::support::{Bed, Remember, no_pools, request, text};

const PYTHON: &str = "python3.12";

/// Every test below runs twice: in plain processes and in real sandboxes.
macro_rules! twice {
    (beds: $($bed:ident)*; isolations: $($own:ident)*) => {
        mod process {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $bed() {
                super::$bed(super::Bed::start(sandbox::Isolation::Process, super::no_pools()).await).await;
            })*
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $own() {
                super::$own(sandbox::Isolation::Process).await;
            })*
        }
        #[cfg(target_os = "linux")]
        mod sandboxed {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $bed() {
                super::$bed(super::Bed::start(sandbox::Isolation::Sandbox, super::no_pools()).await).await;
            })*
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $own() {
                super::$own(sandbox::Isolation::Sandbox).await;
            })*
        }
    };
}

pub(crate) use twice;

twice! {
    beds: python_says_hello_again_and_again
        a_handler_that_raises_keeps_its_sandbox
        exit_hang_and_a_huge_response_end_the_sandbox
        a_failed_init_is_tried_again_within_the_invocation
        init_can_run_ahead_of_any_request
        a_failed_init_ahead_is_told_and_ends_the_sandbox
        a_flooded_log_arrives_whole_and_in_order
        payloads_of_six_megabytes_pass
        a_custom_runtime_speaks_http
        a_custom_runtime_may_fail_in_its_own_ways
        names_without_an_interpreter_are_refused
        the_official_python_client_works
        node_says_hello
        a_hostile_channel_hurts_nobody_else
        layers_and_wrappers_take_part
        fifty_at_once;
    isolations: pools_fill_are_claimed_and_fill_again places_are_limited_and_come_back
        a_dropped_invocation_kills_its_sandbox
}

pub(crate) fn custom(script: &str) -> String {
    format!(
        r#"#!/usr/bin/python3 -IS
import http.client, json, os, sys, time
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
BASE = "/2018-06-01/runtime"
def call(method, path, body=None, headers={{}}):
    api.request(method, BASE + path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read(), answer.headers
{script}
"#
    )
}

async fn python_says_hello_again_and_again(bed: Bed) {
    let code = "import os\nprint('loading')\ndef handler(event, context):\n    print('called', event['n'])\n    return {'hello': event['n'], 'id': context.aws_request_id, 'env': os.environ['GREETING'], 'left': context.get_remaining_time_in_millis() > 9000}\n";
    let (mut sandbox, sink) = bed.launch(bed.spec(PYTHON, &[("app.py", code)])).await;
    let first = sandbox.invoke(request("{\"n\":1}")).await;
    assert_eq!(
        text(&first),
        "{\"hello\": 1, \"id\": \"11111111-2222-3333-4444-555555555555\", \"env\": \"hello\", \"left\": true}"
    );
    assert_eq!(first.init.unwrap().status, InitStatus::Done);
    assert!(first.memory_peak_bytes > 1 << 20);
    let second = sandbox.invoke(request("{\"n\":2}")).await;
    assert!(text(&second).starts_with("{\"hello\": 2"));
    assert!(second.init.is_none() && second.init_retry.is_none());
    assert_eq!(sink.texts(), ["loading", "called 1", "called 2"]);
}

async fn a_handler_that_raises_keeps_its_sandbox(bed: Bed) {
    let code = "def handler(event, context):\n    if event: raise KeyError('nope')\n    return 'fine'\n";
    let (mut sandbox, _) = bed.launch(bed.spec(PYTHON, &[("app.py", code)])).await;
    let failed = sandbox.invoke(request("{\"a\":1}")).await;
    let Err(Failure::Function { payload, error_type }) = failed.result else { panic!("{failed:?}") };
    assert_eq!(error_type, "KeyError");
    assert!(String::from_utf8_lossy(&payload).contains("\"errorMessage\": \"'nope'\""), "{payload:?}");
    assert_eq!(text(&sandbox.invoke(request("{}")).await), "\"fine\"");
}

async fn exit_hang_and_a_huge_response_end_the_sandbox(bed: Bed) {
    let code = "import os, time\ndef handler(event, context):\n    print('doing', event)\n    if event == 'exit': os._exit(7)\n    if event == 'hang': time.sleep(60)\n    return 'x' * 7_000_000\n";
    let mut spec = bed.spec(PYTHON, &[("app.py", code)]);
    spec.timeout = Duration::from_millis(700);
    let (outcome, lines) = bed.run(spec.clone(), "\"exit\"").await;
    assert_eq!(outcome.result, Err(Failure::Exit { status: Some(7), signal: None }));
    assert_eq!(lines, ["doing exit"]);

    let (mut sandbox, sink) = bed.launch(spec.clone()).await;
    let outcome = sandbox.invoke(request("\"hang\"")).await;
    assert_eq!(outcome.result, Err(Failure::Timeout));
    assert!(outcome.duration >= Duration::from_millis(700), "{:?}", outcome.duration);
    assert_eq!(sink.texts(), ["doing hang"]);
    assert!(!sandbox.is_alive());
    assert!(matches!(sandbox.invoke(request("1")).await.result, Err(Failure::Internal(_))));

    spec.timeout = Duration::from_secs(10);
    let (outcome, _) = bed.run(spec, "\"big\"").await;
    assert_eq!(outcome.result, Err(Failure::ResponseTooLarge { bytes: 7_000_002, limit: 6_291_556 }));
}

async fn a_failed_init_is_tried_again_within_the_invocation(bed: Bed) {
    let (outcome, lines) =
        bed.run(bed.spec(PYTHON, &[("app.py", "print('once')\nimport nothing_like_it\n")]), "1").await;
    let Err(Failure::InitError { error_type, .. }) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!(error_type, "Runtime.ImportModuleError");
    for report in [&outcome.init, &outcome.init_retry] {
        let status = &report.as_ref().unwrap().status;
        assert_eq!(*status, InitStatus::Failed { error_type: "Runtime.ImportModuleError".into() });
    }
    assert_eq!(lines.iter().filter(|line| *line == "once").count(), 2);

    if bed.isolation == Isolation::Sandbox {
        return; // a second attempt shares nothing with the first by which it could do better
    }
    // The second attempt succeeds: a file tells them apart.
    let flag = bed.directory.path().join("flag");
    let code = format!(
        "import os, time\nif not os.path.exists({flag:?}):\n    open({flag:?}, 'w').close()\n    time.sleep(9)\ndef handler(event, context): return 'second'\n"
    );
    let mut spec = bed.spec(PYTHON, &[("app.py", &code)]);
    spec.init_timeout = Duration::from_millis(600);
    let (outcome, _) = bed.run(spec.clone(), "1").await;
    assert_eq!(text(&outcome), "\"second\"");
    assert_eq!(outcome.init.unwrap().status, InitStatus::TimedOut);
    assert_eq!(outcome.init_retry.unwrap().status, InitStatus::Done);

    // And an endless one ends with the function's timeout.
    let endless = bed.spec(PYTHON, &[("app.py", "import time\ntime.sleep(60)\n")]);
    let spec = sandbox::Spec { code: endless.code, timeout: Duration::from_millis(500), ..spec };
    let (outcome, _) = bed.run(spec, "1").await;
    assert_eq!(outcome.result, Err(Failure::Timeout));
}

async fn init_can_run_ahead_of_any_request(bed: Bed) {
    let code = "import os\nprint('loading')\nCOUNT = [0]\ndef handler(event, context):\n    COUNT[0] += 1\n    return [COUNT[0], os.environ['GREETING']]\n";
    let (mut sandbox, sink) = bed.launch(bed.spec(PYTHON, &[("app.py", code)])).await;
    let report = sandbox.initialise().await.expect("init succeeds");
    assert_eq!(report.status, InitStatus::Done);
    assert_eq!(sink.texts(), ["loading"], "init has really run, and its log is here");
    assert_eq!(sink.begun(), 0, "no request has begun");
    assert!(sandbox.is_alive());
    tokio::time::sleep(Duration::from_millis(250)).await; // long enough to be frozen
    for count in 1..=2 {
        let outcome = sandbox.invoke(request("{}")).await;
        assert_eq!(text(&outcome), format!("[{count}, \"hello\"]"));
        assert!(outcome.init.is_none() && outcome.init_retry.is_none(), "{outcome:?}");
    }
    assert_eq!(sink.texts(), ["loading"], "and it has run once");
    let again = sandbox.initialise().await.expect_err("it is initialised");
    assert!(matches!(again.failure, Failure::Internal(_)), "{again:?}");
    assert_eq!(text(&sandbox.invoke(request("{}")).await), "[3, \"hello\"]", "asking again did no harm");

    let bootstrap = custom(
        "print('boot', flush=True)\nwhile True:\n    id = call('GET', '/invocation/next')[2]['Lambda-Runtime-Aws-Request-Id']\n    call('POST', f'/invocation/{id}/response', b'1')",
    );
    let (mut sandbox, sink) = bed.launch(bed.spec("provided.al2023", &[("bootstrap", &bootstrap)])).await;
    assert_eq!(sandbox.initialise().await.expect("init succeeds").status, InitStatus::Done);
    assert_eq!(sink.texts(), ["boot"]);
    let outcome = sandbox.invoke(request("{}")).await;
    assert_eq!((text(&outcome), outcome.init.is_none()), ("1", true));
}

async fn a_failed_init_ahead_is_told_and_ends_the_sandbox(bed: Bed) {
    let broken = bed.spec(PYTHON, &[("app.py", "print('once')\nimport nothing_like_it\n")]);
    let (mut sandbox, sink) = bed.launch(broken).await;
    let failed = sandbox.initialise().await.expect_err("it cannot be loaded");
    assert!(
        matches!(&failed.failure, Failure::InitError { error_type, .. } if error_type == "Runtime.ImportModuleError"),
        "{failed:?}"
    );
    assert_eq!(failed.report.status, InitStatus::Failed { error_type: "Runtime.ImportModuleError".into() });
    assert_eq!(sink.texts().iter().filter(|line| *line == "once").count(), 1, "no second attempt without a request");
    assert!(!sandbox.is_alive());
    assert!(matches!(sandbox.invoke(request("1")).await.result, Err(Failure::Internal(_))));
    assert!(matches!(sandbox.initialise().await, Err(failed) if matches!(failed.failure, Failure::Internal(_))));

    let endless = bed.spec(PYTHON, &[("app.py", "import time\ntime.sleep(60)\n")]);
    let (mut sandbox, _) = bed.launch(sandbox::Spec { init_timeout: Duration::from_millis(600), ..endless }).await;
    let failed = sandbox.initialise().await.expect_err("it takes too long");
    assert_eq!((failed.failure, failed.report.status), (Failure::Timeout, InitStatus::TimedOut));
}

async fn a_flooded_log_arrives_whole_and_in_order(bed: Bed) {
    let code =
        "def handler(event, context):\n    for n in range(20000): print(f'{n:06} ' + 'x' * 80)\n    return 'done'\n";
    let (outcome, lines) = bed.run(bed.spec(PYTHON, &[("app.py", code)]), "1").await;
    assert_eq!(text(&outcome), "\"done\"");
    assert_eq!(lines.len(), 20000);
    assert!(lines.iter().enumerate().all(|(n, line)| line.starts_with(&format!("{n:06} "))));
}

async fn payloads_of_six_megabytes_pass(bed: Bed) {
    let spec = bed.spec(PYTHON, &[("app.py", "def handler(event, context): return event\n")]);
    let payload = format!("\"{}\"", "y".repeat(sandbox::engine::RESPONSE_BYTES_MAX - 2));
    let (mut sandbox, _) = bed.launch(spec).await;
    assert_eq!(text(&sandbox.invoke(request(&payload)).await), payload);
    assert_eq!(text(&sandbox.invoke(request("\"small\"")).await), "\"small\"");
}

async fn a_custom_runtime_speaks_http(bed: Bed) {
    let bootstrap = custom(
        r#"
print("boot", flush=True)
while True:
    status, body, headers = call("GET", "/invocation/next")
    assert status == 200
    seen = {name.lower(): value for name, value in headers.items() if name.lower().startswith("lambda-")}
    seen["event"] = json.loads(body)
    id = seen["lambda-runtime-aws-request-id"]
    print("called", flush=True)
    refused = [
        call("POST", "/invocation/other-id/response", b"{}")[:2],
        call("PUT", f"/invocation/{id}/response", b"{}")[0],
        call("GET", "/nothing")[0],
        call("POST", "/init/error", b"{}")[0],
    ]
    seen["refused"] = [[refused[0][0], json.loads(refused[0][1])]] + refused[1:]
    again = call("GET", "/invocation/next")[2]["Lambda-Runtime-Aws-Request-Id"]
    seen["again"] = again == id
    if body == b'"fail"':
        print(call("POST", f"/invocation/{id}/error", b'{"errorType":"Own","errorMessage":"m"}', {"Lambda-Runtime-Function-Error-Type": "Handler.Own"})[1], flush=True)
        continue
    if body == b'"big"':
        print(call("POST", f"/invocation/{id}/response", b"x" * 6291557)[:2], flush=True)
        continue
    def chunks():
        for character in json.dumps(seen): yield character.encode()
    api.request("POST", BASE + f"/invocation/{id}/response", chunks(), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
    answer = api.getresponse()
    assert (answer.status, answer.read().strip()) == (202, b'{"status":"OK"}')
    assert call("POST", f"/invocation/{id}/response", b"{}")[0] == 403
"#,
    );
    let spec = bed.spec("provided.al2023", &[("bootstrap", &bootstrap)]);
    let (mut sandbox, sink) = bed.launch(spec).await;
    let mut asked = request("{\"a\":1}");
    asked.trace_id = Some("Root=1-5".into());
    asked.client_context = Some("{\"client\":{}}".into());
    let function_arn = asked.function_arn.clone();
    let outcome = sandbox.invoke(asked).await;
    assert!(outcome.result.is_ok(), "{outcome:?} {:?}", sink.texts());
    let answer: serde_json::Value = serde_json::from_str(text(&outcome)).unwrap();
    assert_eq!(answer["event"], serde_json::json!({"a": 1}));
    assert_eq!(answer["lambda-runtime-trace-id"], "Root=1-5");
    assert_eq!(answer["lambda-runtime-client-context"], "{\"client\":{}}");
    assert_eq!(answer["lambda-runtime-invoked-function-arn"], function_arn.as_str());
    let deadline: i64 = answer["lambda-runtime-deadline-ms"].as_str().unwrap().parse().unwrap();
    let left = deadline - base::Clock::system().now().millis();
    assert!((8000..=10_000).contains(&left), "{left}");
    assert_eq!(
        answer["refused"],
        serde_json::json!([[400, {"errorMessage": "Invalid request ID", "errorType": "InvalidRequestID"}], 404, 404, 403])
    );
    assert_eq!(answer["again"], true);

    let failed = sandbox.invoke(request("\"fail\"")).await;
    let Err(Failure::Function { payload, error_type }) = failed.result else { panic!("{failed:?}") };
    assert_eq!(
        (&payload[..], error_type.as_str()),
        (&b"{\"errorType\":\"Own\",\"errorMessage\":\"m\"}"[..], "Handler.Own")
    );
    let big = sandbox.invoke(request("\"big\"")).await;
    assert_eq!(big.result, Err(Failure::ResponseTooLarge { bytes: 6_291_557, limit: 6_291_556 }));
    assert_eq!(sink.texts()[..3], ["boot", "called", "called"]);
}

async fn a_custom_runtime_may_fail_in_its_own_ways(bed: Bed) {
    let script = "call('POST', '/init/error', b'{\"errorType\":\"Own.Init\",\"errorMessage\":\"m\"}')\nsys.exit(1)";
    let (outcome, _) = bed.run(bed.spec("provided.al2", &[("bootstrap", &custom(script))]), "1").await;
    assert!(
        matches!(&outcome.result, Err(Failure::InitError { error_type, .. }) if error_type == "Own.Init"),
        "{outcome:?}"
    );

    let (outcome, _) = bed.run(bed.spec("provided", &[("bootstrap", "#!/bin/sh\nexit 3\n")]), "1").await;
    assert_eq!(outcome.result, Err(Failure::Exit { status: Some(3), signal: None }));

    let spec = Arc::new(bed.spec("provided", &[("not-bootstrap", "")]));
    let refused = bed.engine.launch(spec, Arc::new(Remember::default())).await;
    assert!(matches!(refused, Err(LaunchError::InvalidEntrypoint)), "{refused:?}");
}

async fn names_without_an_interpreter_are_refused(bed: Bed) {
    for (name, unknown) in [("cobol85", true), ("ruby3.3", false)] {
        let refused = bed.engine.launch(Arc::new(bed.spec(name, &[("x", "")])), Arc::new(Remember::default())).await;
        match refused {
            Err(LaunchError::UnknownRuntime(refused)) => assert!(unknown && refused == name),
            Err(LaunchError::MissingRuntime { runtime, .. }) => assert!(!unknown && runtime == name),
            other => panic!("{other:?}"),
        }
    }
}

/// Amazon's own client for Python, brought along by the function as a custom runtime would.
async fn the_official_python_client_works(bed: Bed) {
    let runtimes = bed.engine.runtimes().clone();
    let Some(Serves::Exact(Some(interpreter))) = runtimes.find(PYTHON).map(|status| status.serves.clone()) else {
        return eprintln!("skipped: no {PYTHON} on this machine");
    };
    let python = interpreter.program.display().to_string();
    let packages = Path::new(env!("CARGO_TARGET_TMPDIR")).join("awslambdaric");
    if !packages.join("awslambdaric").is_dir() {
        let pip = ["-m", "pip", "install", "--quiet", "--target"];
        let status = std::process::Command::new(&python).args(pip).arg(&packages).arg("awslambdaric").status();
        if !status.is_ok_and(|status| status.success()) {
            return eprintln!("skipped: awslambdaric cannot be installed from PyPI");
        }
    }
    let code = "import logging\ndef handler(event, context):\n    print('out')\n    logging.getLogger().warning('logged')\n    if event == 'raise': raise ValueError('bad')\n    if event == 'exit': raise SystemExit(3)\n    return [event, context.aws_request_id]\n";
    let bootstrap =
        format!("#!/bin/sh\nexport PYTHONPATH=$LAMBDA_TASK_ROOT/packages\nexec {python} -m awslambdaric app.handler\n");
    let mut spec = bed.spec("provided.al2023", &[("bootstrap", &bootstrap), ("app.py", code)]);
    copy_tree(&packages, &spec.code.join("packages"));
    spec.env.push(("AWS_LAMBDA_FUNCTION_NAME".into(), "greet".into()));
    let (mut sandbox, sink) = bed.launch(spec.clone()).await;
    for _ in 0..3 {
        let outcome = sandbox.invoke(request("\"hi\"")).await;
        assert_eq!(text(&outcome), "[\"hi\", \"11111111-2222-3333-4444-555555555555\"]");
    }
    assert!(
        sink.texts()[..2].concat().contains("out") && sink.texts().concat().contains("logged"),
        "{:?}",
        sink.texts()
    );
    let failed = sandbox.invoke(request("\"raise\"")).await;
    let Err(Failure::Function { payload, error_type }) = failed.result else { panic!("{failed:?}") };
    assert_eq!(error_type, "ValueError");
    assert!(String::from_utf8_lossy(&payload).contains("\"errorMessage\": \"bad\""));
    assert!(sandbox.invoke(request("\"again\"")).await.result.is_ok(), "it lives on");
    let exit = sandbox.invoke(request("\"exit\"")).await;
    assert!(exit.result.is_err(), "{exit:?}");

    spec.handler = "app.missing".into();
    let bootstrap = bootstrap.replace("app.handler", "app.missing");
    std::fs::write(spec.code.join("bootstrap"), bootstrap).unwrap();
    let (outcome, _) = bed.run(spec, "1").await;
    let Err(Failure::InitError { error_type, .. }) = &outcome.result else { panic!("{outcome:?}") };
    assert_eq!(error_type, "Runtime.HandlerNotFound");
}

fn copy_tree(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_tree(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

async fn node_says_hello(bed: Bed) {
    let code = "exports.handler = async (event) => ({ hello: event.n, env: process.env.GREETING });\n";
    let (outcome, _) = bed.run(bed.spec("nodejs20.x", &[("app.js", code)]), "{\"n\":1}").await;
    assert_eq!(text(&outcome), "{\"hello\":1,\"env\":\"hello\"}");
}

async fn pools_fill_are_claimed_and_fill_again(isolation: Isolation) {
    let pools = PoolTargets { python: 2, ..no_pools() };
    let bed = Bed::start(isolation, pools).await;
    bed.engine.expect(PYTHON, 128);
    let filled = async || {
        for _ in 0..500 {
            if bed.engine.pools().iter().any(|pool| pool.ready == 2) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{:?}", bed.engine.pools());
    };
    filled().await;
    let spec =
        bed.spec(PYTHON, &[("app.py", "import os\ndef handler(event, context): return os.environ.get('LD_X')\n")]);
    let (mut sandbox, _) = bed.launch(spec.clone()).await;
    assert_eq!(sandbox.path(), LaunchPath::Parked);
    assert_eq!(text(&sandbox.invoke(request("1")).await), "null");
    filled().await;
    let mut spec = spec;
    spec.env.push(("LD_X".into(), "y".into()));
    let (mut sandbox, _) = bed.launch(spec).await;
    assert_eq!(sandbox.path(), LaunchPath::Exec, "what is read at start cannot be changed later");
    assert_eq!(text(&sandbox.invoke(request("1")).await), "\"y\"");
    bed.engine.shutdown().await;
    assert!(bed.engine.pools().iter().all(|pool| pool.ready == 0));
}

async fn places_are_limited_and_come_back(isolation: Isolation) {
    let bed = Bed::start_with(isolation, no_pools(), |config| config.sandboxes_max = 2).await;
    let spec = bed.spec("provided", &[("bootstrap", "#!/bin/sh\nsleep 60\n")]);
    let (one, _) = bed.launch(spec.clone()).await;
    let (_two, _) = bed.launch(spec.clone()).await;
    let refused = bed.engine.launch(Arc::new(spec.clone()), Arc::new(Remember::default())).await;
    assert!(matches!(refused, Err(LaunchError::Capacity(2))), "{refused:?}");
    drop(one);
    bed.launch(spec).await;
}

async fn a_dropped_invocation_kills_its_sandbox(isolation: Isolation) {
    let bed = Bed::start_with(isolation, no_pools(), |config| config.sandboxes_max = 1).await;
    let spec = bed.spec("provided", &[("bootstrap", "#!/bin/sh\nsleep 60\n")]);
    let (mut sandbox, _) = bed.launch(spec.clone()).await;
    let dropped = tokio::time::timeout(Duration::from_millis(100), sandbox.invoke(request("1"))).await;
    assert!(dropped.is_err() && !sandbox.is_alive());
    bed.launch(spec).await; // the only place is free again
}

async fn a_hostile_channel_hurts_nobody_else(bed: Bed) {
    let code = r#"
import os, struct, time
def handler(event, context):
    if event == "junk": os.write(3, b"GET / HTTP/1.1\r\n")
    if event == "slow":
        os.write(3, struct.pack("<Ic", 100, b"O"))
        time.sleep(30)
    if event == "huge": os.write(3, struct.pack("<Ic", 0xfffffff0, b"O"))
    if event == "twice": os.write(3, struct.pack("<Ic", 5, b"O") + b"true")
    if event == "close": os.close(3)
    return "mine"
"#;
    let mut spec = bed.spec(PYTHON, &[("app.py", code)]);
    spec.timeout = Duration::from_millis(600);
    for (event, expected) in [
        ("junk", Failure::Malformed),
        ("slow", Failure::Timeout),
        ("huge", Failure::ResponseTooLarge { bytes: 0xffff_ffef, limit: 6_291_556 }),
    ] {
        let (outcome, _) = bed.run(spec.clone(), &format!("\"{event}\"")).await;
        assert_eq!(outcome.result, Err(expected), "{event}");
    }
    let (mut sandbox, _) = bed.launch(spec.clone()).await;
    assert_eq!(text(&sandbox.invoke(request("\"twice\"")).await), "true");
    tokio::time::sleep(Duration::from_millis(50)).await;
    let next = sandbox.invoke(request("1")).await;
    assert_eq!(next.result, Err(Failure::Malformed), "a left-over frame is not taken for the next answer");
    let (outcome, _) = bed.run(spec.clone(), "\"close\"").await;
    assert!(matches!(outcome.result, Err(Failure::Exit { .. })), "{outcome:?}");
    assert_eq!(text(&bed.run(spec, "1").await.0), "\"mine\"");
}

async fn layers_and_wrappers_take_part(bed: Bed) {
    let code = "import os, shared, second\ndef handler(event, context): return [shared.WHO, second.WHO, os.environ.get('WRAPPED')]\n";
    let wrapper = "#!/bin/sh\nexport WRAPPED=yes\nexec \"$@\"\n";
    let mut spec = bed.spec(PYTHON, &[("app.py", code), ("wrapper", wrapper)]);
    spec.opt = Some(bed.code(&[("python/shared.py", "WHO = 'one'"), ("python/second.py", "WHO = 'second'")]));
    assert_eq!(text(&bed.run(spec.clone(), "1").await.0), "[\"one\", \"second\", null]");
    spec.env.push(("AWS_LAMBDA_EXEC_WRAPPER".into(), bed.inside(&spec, "wrapper")));
    assert_eq!(text(&bed.run(spec, "1").await.0), "[\"one\", \"second\", \"yes\"]");

    // A wrapper may bring a client of its own, which speaks HTTP in place of our boot file.
    let own = custom(
        "os.close(3)\nid = call('GET', '/invocation/next')[2]['Lambda-Runtime-Aws-Request-Id']\ncall('POST', f'/invocation/{id}/response', b'\"own client\"')\ntime.sleep(9)",
    );
    let mut spec = bed.spec(PYTHON, &[("app.py", ""), ("wrapper", &own)]);
    spec.env.push(("AWS_LAMBDA_EXEC_WRAPPER".into(), bed.inside(&spec, "wrapper")));
    assert_eq!(text(&bed.run(spec, "1").await.0), "\"own client\"");
}

async fn fifty_at_once(bed: Bed) {
    let bed = Arc::new(bed);
    let spec = bed.spec(PYTHON, &[("app.py", "def handler(event, context): return event\n")]);
    let mut runs = tokio::task::JoinSet::new();
    for n in 0..50 {
        let (bed, mut spec) = (bed.clone(), spec.clone());
        spec.timeout = Duration::from_secs(60);
        spec.init_timeout = Duration::from_secs(60);
        runs.spawn(async move {
            let (outcome, _) = bed.run(spec, &n.to_string()).await;
            assert_eq!(text(&outcome), n.to_string());
        });
    }
    while let Some(run) = runs.join_next().await {
        run.unwrap();
    }
}
