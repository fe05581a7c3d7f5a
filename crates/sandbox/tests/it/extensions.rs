//! The Extensions API and the life cycle around it, as an extension and a function see them.

use std::{sync::Arc, time::Duration};

use sandbox::{Failure, InitStatus, Isolation, PoolTargets, Sandbox, Spec};

use crate::support::{Bed, Remember, no_pools, request, text};

const PYTHON: &str = "python3.12";
const ECHO: &str = "def handler(event, context): print('handled', event); return event\n";

/// An extension in Python that has registered for `events`; `rest` is what it does then.
pub(crate) fn extension(events: &str, rest: &str) -> String {
    format!(
        r#"#!/usr/bin/python3 -IS
import http.client, json, os, signal, sys, time
NAME = os.path.basename(sys.argv[0])
def say(*words): print(NAME, *words, flush=True)
def call(method, path, body=None, headers={{}}):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read().decode(), answer.headers
BASE = "/2020-01-01/extension"
def register(name=NAME, events={events}, **headers):
    return call("POST", BASE + "/register", json.dumps({{"events": events}}), {{"Lambda-Extension-Name": name, **headers}})
status, body, headers = register(**{{"Lambda-Extension-Accept-Feature": "accountId"}})
assert status == 200, body
ID = {{"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]}}
REGISTERED = json.loads(body)
def next():
    status, body, headers = call("GET", BASE + "/event/next", None, ID)
    assert status == 200, body
    return json.loads(body)
{rest}
"#
    )
}

const LOOP: &str = r"
while True:
    event = next()
    say(event['eventType'], event.get('requestId') or event.get('shutdownReason'))
    if event['eventType'] == 'SHUTDOWN': break
";

fn with(bed: &Bed, code: &str, extensions: &[(&str, &str)]) -> Spec {
    let mut spec = bed.spec(PYTHON, &[("app.py", code)]);
    let files: Vec<(String, &str)> =
        extensions.iter().map(|(name, text)| (format!("extensions/{name}"), *text)).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (name.as_str(), *text)).collect();
    spec.opt = Some(bed.code(&files));
    spec
}

/// Waits until a line has come that the background writes.
async fn heard(sink: &Remember, line: &str) -> Vec<String> {
    for _ in 0..1000 {
        let lines = sink.texts();
        if lines.iter().any(|text| text.contains(line)) {
            return lines;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("no {line:?} in {:#?}", sink.texts());
}

async fn launch(bed: &Bed, spec: Spec) -> (Sandbox, Arc<Remember>) {
    bed.launch(spec).await
}

async fn each_bed(test: impl AsyncFn(&Bed)) {
    test(&Bed::start(Isolation::Process, no_pools()).await).await;
    test(&Bed::start(Isolation::Sandbox, no_pools()).await).await;
    let zygotes = PoolTargets { zygotes: true, ..no_pools() };
    test(&Bed::start(Isolation::Sandbox, zygotes).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_external_extension_sees_the_whole_life() {
    each_bed(async |bed| {
        let own = extension("['INVOKE', 'SHUTDOWN']", &format!("say('knows', json.dumps(REGISTERED))\nsay(sorted(os.environ))\nopen('/tmp/shared{}', 'w').close()\n{LOOP}say('bye')\n", std::process::id()));
        // The extension has registered by now, and makes the file next.
        let code = format!(
            "import os, time\nshared = '/tmp/shared{}'\nfor _ in range(2000):\n    if os.path.exists(shared): break\n    time.sleep(0.005)\nprint('init', os.path.exists(shared))\n{ECHO}",
            std::process::id()
        );
        let mut spec = with(bed, &code, &[("watcher", &own)]);
        spec.env.push(("AWS_LAMBDA_LOG_STREAM_NAME".into(), "s".into()));
        let (mut sandbox, sink) = launch(bed, spec).await;
        assert!(sandbox.lingers());
        let outcome = sandbox.invoke(request("1")).await;
        assert_eq!((text(&outcome), &outcome.init.as_ref().unwrap().status), ("1", &InitStatus::Done));
        assert_eq!(text(&sandbox.invoke(request("2")).await), "2");
        assert_eq!(
            sink.extensions(),
            ["watcher Ready [Invoke, Shutdown] None"],
            "{:#?}", sink.texts()
        );
        drop(sandbox);
        let lines = heard(&sink, "watcher bye").await;
        let line = |start: &str| lines.iter().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start} in {lines:#?}"));
        assert_eq!(line("watcher knows"), "watcher knows {\"functionName\": \"greet\", \"functionVersion\": \"$LATEST\", \"handler\": \"app.handler\", \"accountId\": \"000000000000\"}");
        let environment = line("watcher [");
        for present in ["AWS_LAMBDA_RUNTIME_API", "GREETING", "AWS_REGION", "PATH"] {
            assert!(environment.contains(&format!("'{present}'")), "{environment}");
        }
        for absent in ["_HANDLER", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "AWS_LAMBDA_LOG_STREAM_NAME", "_LAMBDA_TELEMETRY_LOG_FD"] {
            assert!(!environment.contains(&format!("'{absent}'")), "{environment}");
        }
        line("init True");
        let told: Vec<&String> = lines.iter().filter(|line| line.contains("INVOKE 1111") || line.contains("SHUTDOWN")).collect();
        assert_eq!(told.len(), 3, "{lines:#?}");
        assert_eq!(told[2], "watcher SHUTDOWN spindown");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_leaves_before_the_extensions_are_done() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let slow = extension("['INVOKE']", "while True:\n    next()\n    time.sleep(0.4)\n    say('slept')\n");
    let (mut sandbox, sink) = launch(&bed, with(&bed, ECHO, &[("slow", &slow)])).await;
    sandbox.initialise().await.unwrap();
    let (early, answer) = tokio::sync::oneshot::channel();
    let mut asked = request("7");
    asked.early = Some(early);
    let invocation = tokio::spawn(async move { (sandbox.invoke(asked).await, sandbox) });
    assert_eq!(answer.await.unwrap().unwrap(), "7");
    assert!(!sink.texts().contains(&"slow slept".into()), "it still sleeps");
    let (outcome, sandbox) = invocation.await.unwrap();
    assert!(outcome.duration >= Duration::from_millis(400), "{:?}", outcome.duration);
    assert!(sink.texts().contains(&"slow slept".into()));
    drop(sandbox);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_never_asks_again_times_out_with_everything() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let deaf = extension("['INVOKE', 'SHUTDOWN']", "next()\nsay('thinks')\ntime.sleep(60)\n");
    let other = extension("['SHUTDOWN']", LOOP);
    let mut spec = with(&bed, ECHO, &[("deaf", &deaf), ("other", &other)]);
    spec.timeout = Duration::from_millis(500);
    let (mut sandbox, sink) = launch(&bed, spec).await;
    let outcome = sandbox.invoke(request("1")).await;
    assert_eq!(outcome.result, Err(Failure::Timeout));
    assert!(!sandbox.is_alive());
    heard(&sink, "other SHUTDOWN timeout").await;
    // The deaf one is killed when its two seconds are over; the place comes back.
    bed.engine.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_at_init_fails_it() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let reported = "call('POST', BASE + '/init/error', '{}', {**ID, 'Lambda-Extension-Function-Error-Type': 'Extension.NoConfig'}); sys.exit(3)\n";
    for (extension, error_type, words, state) in [
        ("#!/bin/sh\necho soon; exit 0\n".to_owned(), "Extension.Crash", "exit code 0", "bad Started [] None"),
        (extension("['INVOKE']", "sys.exit(9)"), "Extension.Crash", "exit status 9", "bad Registered [Invoke] None"),
        (extension("[]", "os.kill(os.getpid(), 9)"), "Extension.Crash", "signal: killed", "bad Registered [] None"),
        (
            extension("['SHUTDOWN']", reported),
            "Extension.InitError",
            "exit status 3",
            "bad InitError [Shutdown] Some(\"Extension.NoConfig\")",
        ),
        (
            "no program".to_owned(),
            "Extension.LaunchError",
            "fork/exec /opt/extensions/bad: exec format error",
            "bad LaunchError [] Some(\"UnknownError\")",
        ),
    ] {
        let (mut sandbox, sink) = launch(&bed, with(&bed, ECHO, &[("bad", &extension)])).await;
        let outcome = sandbox.invoke(request("1")).await;
        let failure = Failure::Extension { error_type: error_type.into(), words: words.into() };
        assert_eq!(outcome.result, Err(failure), "{:#?}", sink.texts());
        let failed = InitStatus::Failed { error_type: error_type.into() };
        assert_eq!([outcome.init.unwrap().status, outcome.init_retry.unwrap().status], [failed.clone(), failed]);
        assert_eq!(sink.extensions(), [state, state]);
    }
    let denied = with(&bed, ECHO, &[("bad", "#!/bin/sh\n")]);
    let file = denied.opt.as_ref().unwrap().join("extensions/bad");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (mut sandbox, sink) = launch(&bed, denied).await;
    let outcome = sandbox.invoke(request("1")).await;
    let words = "fork/exec /opt/extensions/bad: permission denied".into();
    assert_eq!(outcome.result, Err(Failure::Extension { error_type: "Extension.LaunchError".into(), words }));
    assert_eq!(sink.extensions()[0], "bad LaunchError [] Some(\"PermissionDenied\")");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runtime_that_ends_leaves_the_extension_its_last_words() {
    each_bed(async |bed| {
        let own = extension("['INVOKE', 'SHUTDOWN']", LOOP);
        let code = "import os\ndef handler(event, context):\n    if event == 'exit': os._exit(7)\n    return 1\n";
        let (mut sandbox, sink) = launch(bed, with(bed, code, &[("watcher", &own)])).await;
        let outcome = sandbox.invoke(request("\"exit\"")).await;
        assert_eq!(outcome.result, Err(Failure::Exit { status: Some(7), signal: None }));
        heard(&sink, "watcher SHUTDOWN failure").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_invocation_that_nobody_waits_for_leaves_the_extension_its_last_words() {
    each_bed(async |bed| {
        let own = extension("['INVOKE', 'SHUTDOWN']", LOOP);
        let code = "import time\nprint('init')\ndef handler(event, context): print('runs'); time.sleep(event)\n";
        let (mut sandbox, sink) = launch(bed, with(bed, code, &[("watcher", &own)])).await;
        tokio::select! {
            _ = sandbox.invoke(request("60")) => unreachable!("it sleeps"),
            _ = heard(&sink, "watcher INVOKE") => {}
        }
        assert!(!sandbox.is_alive());
        heard(&sink, "watcher SHUTDOWN failure").await;

        // In the middle of its init, too: the extension has registered before the function's code runs.
        let code = "import time\nprint('init')\ntime.sleep(60)\ndef handler(event, context): pass\n";
        let (mut sandbox, sink) = launch(bed, with(bed, code, &[("watcher", &own)])).await;
        tokio::select! {
            _ = sandbox.initialise() => unreachable!("it sleeps"),
            _ = heard(&sink, "init") => {}
        }
        heard(&sink, "watcher SHUTDOWN failure").await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_extension_that_ends_in_the_middle_ends_the_invocation() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let own = extension("['INVOKE']", "next()\nsys.exit(1)\n");
    let code = "import time\ndef handler(event, context): time.sleep(30)\n";
    let (mut sandbox, _) = launch(&bed, with(&bed, code, &[("watcher", &own)])).await;
    let outcome = sandbox.invoke(request("1")).await;
    let crash = Failure::Extension { error_type: "Extension.Crash".into(), words: "exit status 1".into() };
    assert_eq!(outcome.result, Err(crash));

    let reports = "next()\ncall('POST', BASE + '/exit/error', '{}', {**ID, 'Lambda-Extension-Function-Error-Type': 'Extension.Why'})\nsys.exit(1)\n";
    let (mut sandbox, _) = launch(&bed, with(&bed, code, &[("watcher", &extension("['INVOKE']", reports))])).await;
    let outcome = sandbox.invoke(request("1")).await;
    let exit = Failure::Extension { error_type: "Extension.ExitError".into(), words: "exit status 1".into() };
    assert_eq!(outcome.result, Err(exit));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_have_awss_words() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let own = extension(
        "['INVOKE']",
        r#"
def refused(answer): say(answer[0], json.loads(answer[1])["errorType"], "|", json.loads(answer[1])["errorMessage"])
refused(call("POST", BASE + "/register", "{}"))
refused(register(NAME))
refused(call("POST", BASE + "/register", "nonsense", {"Lambda-Extension-Name": "x"}))
refused(register("inner", ["SHUTDOWN"]))
refused(register("inner", ["NOTHING"]))
refused(call("GET", BASE + "/event/next"))
refused(call("GET", BASE + "/event/next", None, {"Lambda-Extension-Identifier": "x"}))
refused(call("GET", BASE + "/event/next", None, {"Lambda-Extension-Identifier": "11111111-2222-3333-4444-555555555555"}))
refused(call("POST", BASE + "/init/error", "{}", ID))
refused(call("POST", BASE + "/exit/error", "{}", {"Lambda-Extension-Identifier": "11111111-2222-3333-4444-555555555555", "Lambda-Extension-Function-Error-Type": "a"}))
for n in range(8): assert register(f"inner{n}", [])[0] == 200
refused(register("inner3", []))
assert register("inner8", [])[0] == 200
refused(register("one-more", []))
say(call("GET", BASE + "/nothing")[0])
say("done")
next()
"#,
    );
    // While the runtime initialises registration is open.
    let mut spec = with(&bed, "import time\ntime.sleep(30)\n", &[("watcher", &own)]);
    spec.init_timeout = Duration::from_secs(3);
    spec.timeout = Duration::from_secs(1);
    let (mut sandbox, sink) = launch(&bed, spec).await;
    assert_eq!(sandbox.invoke(request("1")).await.result, Err(Failure::Timeout), "{:#?}", sink.texts());
    let lines: Vec<String> = sink.texts();
    let end = lines.iter().position(|line| line == "watcher done").unwrap();
    let unknown = "11111111-2222-3333-4444-555555555555";
    let expected = [
        "watcher 403 Extension.InvalidExtensionName | Empty extension name".to_owned(),
        "watcher 403 Extension.InvalidExtensionState | State transition from Registered to Registered failed for extension watcher. Error: State transition is not allowed".to_owned(),
        "watcher 403 InvalidRequestFormat | expected ident at line 1 column 2".to_owned(),
        "watcher 403 Extension.InvalidEventType | SHUTDOWN: ShutdownEventNotSupportedForInternalExtension".to_owned(),
        "watcher 403 Extension.InvalidEventType | NOTHING: InvalidEventType".to_owned(),
        "watcher 403 Extension.MissingExtensionIdentifier | Missing Lambda-Extension-Identifier header".to_owned(),
        "watcher 403 Extension.InvalidExtensionIdentifier | Invalid Lambda-Extension-Identifier".to_owned(),
        format!("watcher 403 Extension.UnknownExtensionIdentifier | Unknown extension {unknown}"),
        "watcher 403 Extension.MissingHeader | Lambda-Extension-Function-Error-Type not found".to_owned(),
        "watcher 403 Extension.UnknownExtensionIdentifier | Unknown Lambda-Extension-Identifier".to_owned(),
        "watcher 403 Extension.InvalidExtensionState | Extension with this name already registered".to_owned(),
        "watcher 403 Extension.TooManyExtensions | Extension limit (10) reached".to_owned(),
        "watcher 404".to_owned(),
    ];
    assert_eq!(lines[..end], expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_internal_extension_lives_in_the_runtime() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    let code = r#"
import http.client, json, os, signal, sys, threading
def call(method, path, body=None, headers={}):
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(method, path, body, headers)
    answer = api.getresponse()
    return answer.status, answer.read().decode(), answer.headers
register = lambda name: call("POST", "/2020-01-01/extension/register", '{"events":["INVOKE"]}', {"Lambda-Extension-Name": name})
ID = {"Lambda-Extension-Identifier": register("inner")[2]["Lambda-Extension-Identifier"]}
def loop():
    while True: print("inner", json.loads(call("GET", "/2020-01-01/extension/event/next", None, ID)[1])["eventType"], flush=True)
threading.Thread(target=loop, daemon=True).start()
def end(*_):
    print("asked to end", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
def handler(event, context):
    return register("late")[1]
"#;
    let (mut sandbox, sink) = launch(&bed, bed.spec(PYTHON, &[("app.py", code)])).await;
    let outcome = sandbox.invoke(request("1")).await;
    assert!(text(&outcome).contains("Extension.RegistrationClosed"), "{outcome:?}");
    assert_eq!(sink.extensions(), ["inner Ready [Invoke] None"]);
    assert_eq!(text(&sandbox.invoke(request("1")).await), text(&outcome));
    assert_eq!(sink.texts().iter().filter(|line| *line == "inner INVOKE").count(), 2);
    drop(sandbox);
    // Because an extension is registered the runtime is asked before it is killed.
    heard(&sink, "asked to end").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_ones_hurt_themselves() {
    let bed = Bed::start(Isolation::Sandbox, no_pools()).await;
    // Forks without end, floods the API, and says that it is fine.
    let bomb = extension(
        "['INVOKE', 'SHUTDOWN']",
        "for n in range(200):\n    if os.fork() == 0:\n        while True: register('x' * 300)\nwhile True: next()\n",
    );
    let (mut sandbox, _) = launch(&bed, with(&bed, ECHO, &[("bomb", &bomb)])).await;
    let quiet = bed.launch(bed.spec(PYTHON, &[("app.py", ECHO)]));
    let (mut neighbour, _) = quiet.await;
    let _ = sandbox.invoke(request("1")).await;
    assert_eq!(text(&neighbour.invoke(request("5")).await), "5");
    drop((sandbox, neighbour));
    bed.engine.shutdown().await;
    assert!(matches!(
        bed.engine.launch(Arc::new(bed.spec(PYTHON, &[("app.py", ECHO)])), Arc::new(Remember::default())).await,
        Err(sandbox::LaunchError::Stopping)
    ));
}
