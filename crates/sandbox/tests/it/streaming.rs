//! Streamed answers through the engine: parts as they are written, slow callers, callers who hang up, and every way in
//! which an answer can end in its middle.

use std::{fs, time::Duration};

use bytes::Bytes;
use sandbox::{Failure, Outcome, Outlet, Part, Request, Sandbox, Spec};

use crate::engine::{custom, twice};
use crate::support::{Bed, no_pools, request, text};

twice! {
    beds: parts_arrive_before_the_handler_ends
        a_custom_runtime_streams_over_http
        a_streamed_answer_is_collected_for_a_caller_who_wants_it_whole
        an_answer_may_end_in_its_middle
        a_caller_who_hangs_up_is_not_waited_for
        a_slow_caller_slows_the_handler;
    isolations:
}

/// A streaming function of Node.js: `e` is the event, `s` the stream, `go` waits until the test says so.
fn node(bed: &Bed, body: &str) -> Spec {
    let code = format!(
        "const fs = require('fs');\n\
         const go = async () => {{ while (!fs.existsSync(process.env.LAMBDA_TASK_ROOT + '/go')) \
         await new Promise((f) => setTimeout(f, 5)); }};\n\
         exports.handler = awslambda.streamifyResponse(async (e, s) => {{ {body} }});\n"
    );
    bed.spec("nodejs20.x", &[("app.js", &code)])
}

fn go(spec: &Spec) {
    fs::write(spec.code.join("go"), "").unwrap();
}

/// Runs one request in the background; the parts as they come, and the outcome.
fn invoke(
    mut sandbox: Sandbox,
    payload: &str,
) -> (tokio::sync::mpsc::Receiver<Part>, tokio::task::JoinHandle<(Sandbox, Outcome)>) {
    let (outlet, parts) = Outlet::new();
    let asked = sandbox::Request { outlet: Some(outlet), ..request(payload) };
    let done = tokio::spawn(async move {
        let outcome = sandbox.invoke(asked).await;
        (sandbox, outcome)
    });
    (parts, done)
}

fn begin(content_type: &str) -> Option<Part> {
    Some(Part::Begin { content_type: content_type.to_owned() })
}

fn chunk(text: &'static str) -> Option<Part> {
    Some(Part::Chunk(Bytes::from_static(text.as_bytes())))
}

async fn parts_arrive_before_the_handler_ends(bed: Bed) {
    let spec = node(&bed, "s.setContentType('text/plain'); s.write('first'); await go(); s.end('last');");
    let (sandbox, _) = bed.launch(spec.clone()).await;
    let (mut parts, done) = invoke(sandbox, "null");
    assert_eq!(parts.recv().await, begin("text/plain"));
    assert_eq!(parts.recv().await, chunk("first"));
    assert!(!done.is_finished());
    go(&spec);
    assert_eq!(parts.recv().await, chunk("last"));
    assert_eq!(parts.recv().await, Some(Part::End));
    let (mut sandbox, outcome) = done.await.unwrap();
    assert_eq!(outcome.result, Ok(Bytes::new()), "what went out is not repeated");
    assert_eq!(text(&sandbox.invoke(request("null")).await), "firstlast", "and the sandbox lives on");
}

async fn a_custom_runtime_streams_over_http(bed: Bed) {
    let bootstrap = custom(
        r#"
go = os.path.join(os.environ["LAMBDA_TASK_ROOT"], "go")
while True:
    status = 403
    while status == 403:  # a hang-up is perhaps not noticed yet
        status, body, headers = call("GET", "/invocation/next")
    id, event = headers["lambda-runtime-aws-request-id"], json.loads(body)
    path = f"{BASE}/invocation/{id}/response"
    if event == "odd":
        odd = call("POST", f"/invocation/{id}/response", b"x", {"Lambda-Runtime-Function-Response-Mode": "odd"})
        call("POST", f"/invocation/{id}/response", json.dumps([odd[0], json.loads(odd[1])]))
        continue
    api.putrequest("POST", path)
    for name, value in (("Lambda-Runtime-Function-Response-Mode", "streaming"), ("Transfer-Encoding", "chunked"),
                        ("Content-Type", "text/x"), ("Trailer", "Lambda-Runtime-Function-Error-Type")):
        api.putheader(name, value)
    api.endheaders()
    api.send(b"5\r\nfirst\r\n")
    if event == "cut":
        api.close()
        continue
    while not os.path.exists(go): time.sleep(0.005)
    if event is None:  # the test has seen the first part, so the server knows that this answer is being streamed
        other = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        other.request("GET", BASE + "/invocation/next")
        refused = other.getresponse()
        assert refused.status == 403 and b"from InvocationResponse to Ready" in refused.read()
    if event == "fail":
        import base64
        document = base64.b64encode(b'{"errorType":"Own","errorMessage":"m"}').decode()
        api.send(f"0\r\nLambda-Runtime-Function-Error-Type: Handler.Own\r\nLambda-Runtime-Function-Error-Body: {document}\r\n\r\n".encode())
    else:
        api.send(b"4\r\nlast\r\n0\r\n\r\n")
    answer = api.getresponse()
    assert (answer.status, answer.read().strip()) == (202, b'{"status":"OK"}')
"#,
    );
    let spec = bed.spec("provided.al2023", &[("bootstrap", &bootstrap)]);
    let (sandbox, sink) = bed.launch(spec.clone()).await;
    let (mut parts, done) = invoke(sandbox, "null");
    assert_eq!(parts.recv().await, begin("text/x"));
    assert_eq!(parts.recv().await, chunk("first"));
    assert!(!done.is_finished());
    go(&spec);
    assert_eq!(parts.recv().await, chunk("last"));
    assert_eq!(parts.recv().await, Some(Part::End));
    let (sandbox, outcome) = done.await.unwrap();
    assert_eq!(outcome.result, Ok(Bytes::new()));

    let (mut parts, done) = invoke(sandbox, "\"fail\"");
    assert_eq!((parts.recv().await, parts.recv().await), (begin("text/x"), chunk("first")));
    assert_eq!(parts.recv().await, None, "no end of the good sort");
    let (sandbox, outcome) = done.await.unwrap();
    let payload = Bytes::from_static(b"{\"errorType\":\"Own\",\"errorMessage\":\"m\"}");
    assert_eq!(
        outcome.result,
        Err(Failure::Function { payload, error_type: "Handler.Own".into() }),
        "{:?}",
        sink.texts()
    );

    let (mut parts, done) = invoke(sandbox, "\"cut\"");
    assert_eq!((parts.recv().await, parts.recv().await), (begin("text/x"), chunk("first")));
    let (mut sandbox, outcome) = done.await.unwrap();
    let is_truncated = |failure: &Failure| matches!(failure, Failure::Function { error_type, .. } if error_type == "Runtime.TruncatedResponse");
    assert!(outcome.result.as_ref().is_err_and(is_truncated), "{outcome:?}");

    // Its own id: the runtime may have asked for the event before its hang-up was seen, been given it again, and answer it late.
    let odd = Request { request_id: "22222222-2222-3333-4444-555555555555".into(), ..request("\"odd\"") };
    let outcome = sandbox.invoke(odd).await;
    let refusal =
        "[400, {\"errorMessage\": \"Invalid function response mode\", \"errorType\": \"InvalidFunctionResponseMode\"}]";
    assert_eq!(text(&outcome), refusal);
}

async fn a_streamed_answer_is_collected_for_a_caller_who_wants_it_whole(bed: Bed) {
    let spec = node(&bed, "s.write('a'); s.write(Buffer.alloc(e)); s.end('z');");
    let (mut sandbox, _) = bed.launch(spec).await;
    assert_eq!(text(&sandbox.invoke(request("1")).await), "a\0z");
    let outcome = sandbox.invoke(request("6291555")).await;
    assert!(matches!(outcome.result, Err(Failure::ResponseTooLarge { limit: 6_291_556, .. })), "{outcome:?}");
    assert!(!sandbox.is_alive());
}

async fn an_answer_may_end_in_its_middle(bed: Bed) {
    for (body, failure) in [
        ("s.write('x'); throw new RangeError('no');", "Function"),
        ("s.write('x'); await new Promise((f) => setTimeout(f, 50)); process.exit(3);", "Exit { status: Some(3)"),
        ("s.write('x'); await new Promise((f) => setTimeout(f, 60000));", "Timeout"),
    ] {
        let spec = Spec { timeout: Duration::from_secs(2), ..node(&bed, body) };
        let (sandbox, _) = bed.launch(spec).await;
        let (mut parts, done) = invoke(sandbox, "null");
        assert_eq!((parts.recv().await, parts.recv().await), (begin("application/octet-stream"), chunk("x")), "{body}");
        assert_eq!(parts.recv().await, None, "{body}");
        let (sandbox, outcome) = done.await.unwrap();
        let seen = format!("{:?}", outcome.result.expect_err("a failure"));
        assert!(seen.starts_with(failure), "{body}: {seen}");
        assert_eq!(sandbox.is_alive(), failure == "Function", "{body}");
    }
}

async fn a_caller_who_hangs_up_is_not_waited_for(bed: Bed) {
    let body = "for (let i = 0; i < 100; i++) if (!s.write(Buffer.alloc(65536))) \
                await new Promise((f) => s.once('drain', f)); s.end(); console.log('wrote it all');";
    let (sandbox, sink) = bed.launch(node(&bed, body)).await;
    let (mut parts, done) = invoke(sandbox, "null");
    assert_eq!(parts.recv().await, begin("application/octet-stream"));
    drop(parts);
    let (sandbox, outcome) = done.await.unwrap();
    assert_eq!(outcome.result, Ok(Bytes::new()));
    assert!(sink.texts().iter().any(|line| line.contains("wrote it all")), "{:?}", sink.texts());
    assert!(sandbox.is_alive());
}

async fn a_slow_caller_slows_the_handler(bed: Bed) {
    let body = "let n = 0; for (; n < 500; n++) { if (!s.write(Buffer.alloc(65536))) { console.log('full at', n); await new Promise((f) => s.once('drain', f)); } } s.end();";
    let (sandbox, sink) = bed.launch(node(&bed, body)).await;
    let (mut parts, done) = invoke(sandbox, "null");
    // It stops once nothing more fits in: the same count twice, some time apart, of a handler that would go on.
    let mut before = usize::MAX;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = sink.texts().len();
        if now == before && now > 0 {
            break;
        }
        before = now;
    }
    assert!(before < 100, "{before} of 500 parts of 64 KB were written for a caller who takes none");
    let mut bytes = 0;
    while let Some(part) = parts.recv().await {
        if let Part::Chunk(chunk) = part {
            bytes += chunk.len();
        }
    }
    assert_eq!(bytes, 500 * 65_536);
    assert_eq!(done.await.unwrap().1.result, Ok(Bytes::new()));
}
