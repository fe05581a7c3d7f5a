//! What the engine's tests share: an engine, functions written on the spot, a sink that remembers.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use sandbox::{Config, Engine, Isolation, LogSink, Outcome, PoolTargets, Request, Sandbox, Search, Spec};

/// Remembers what a sandbox writes.
#[derive(Default)]
pub(crate) struct Remember {
    lines: Mutex<Vec<(i64, String)>>,
    begun: AtomicUsize,
    extensions: Mutex<Vec<String>>,
}

impl LogSink for Remember {
    fn line(&self, at_ms: i64, text: Bytes) {
        self.lines.lock().unwrap().push((at_ms, String::from_utf8_lossy(&text).trim_end_matches('\n').to_owned()));
    }

    fn invoke_begins(&self) {
        self.begun.fetch_add(1, Ordering::SeqCst);
    }

    fn extension(&self, state: &sandbox::engine::ExtensionState) {
        let words = format!("{} {} {:?} {:?}", state.name, state.state, state.events, state.error_type);
        self.extensions.lock().unwrap().push(words);
    }
}

impl Remember {
    pub(crate) fn texts(&self) -> Vec<String> {
        self.lines.lock().unwrap().iter().map(|(_, text)| text.clone()).collect()
    }

    /// Where extensions stood when init was over.
    pub(crate) fn extensions(&self) -> Vec<String> {
        self.extensions.lock().unwrap().clone()
    }

    /// Requests that have begun.
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

/// An engine and the directory it lives in.
pub(crate) struct Bed {
    pub(crate) engine: Engine,
    pub(crate) isolation: Isolation,
    pub(crate) directory: tempfile::TempDir,
}

impl Bed {
    pub(crate) async fn start(isolation: Isolation, pools: PoolTargets) -> Bed {
        Bed::start_with(isolation, pools, |_| ()).await
    }

    pub(crate) async fn start_with(isolation: Isolation, pools: PoolTargets, change: impl FnOnce(&mut Config)) -> Bed {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut config = Config::new(directory.path().join("instance"));
        (config.isolation, config.pools, config.search) = (isolation, pools, search());
        config.spawner_program = vec![env!("CARGO_BIN_EXE_updraft-spawner").into()];
        change(&mut config);
        Bed { engine: Engine::start(config).await.expect("the engine starts"), isolation, directory }
    }

    /// Writes files into a new code tree.
    pub(crate) fn code(&self, files: &[(&str, &str)]) -> PathBuf {
        let count = fs::read_dir(self.directory.path()).unwrap().count();
        let tree = self.directory.path().join(format!("code{count}"));
        for (name, text) in files {
            let path = tree.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        tree
    }

    /// A file of the code, as the function sees it.
    pub(crate) fn inside(&self, spec: &Spec, file: &str) -> String {
        let task = if self.isolation == Isolation::Process { spec.code.clone() } else { "/var/task".into() };
        task.join(file).display().to_string()
    }

    pub(crate) fn spec(&self, runtime: &str, files: &[(&str, &str)]) -> Spec {
        spec(runtime, self.code(files))
    }

    pub(crate) async fn launch(&self, spec: Spec) -> (Sandbox, Arc<Remember>) {
        let sink = Arc::new(Remember::default());
        let sandbox = self.engine.launch(Arc::new(spec), sink.clone()).await.expect("a sandbox starts");
        (sandbox, sink)
    }

    /// Launches and invokes once.
    pub(crate) async fn run(&self, spec: Spec, payload: &str) -> (Outcome, Vec<String>) {
        let (mut sandbox, sink) = self.launch(spec).await;
        let outcome = sandbox.invoke(request(payload)).await;
        (outcome, sink.texts())
    }
}

/// Where this machine's interpreters are.
pub(crate) fn search() -> Search {
    #[expect(clippy::disallowed_methods, reason = "tests look where their runner looks")]
    let variable = |name| std::env::var(name).unwrap_or_default();
    Search {
        path: variable("PATH").split(':').map(PathBuf::from).collect(),
        home: Some(variable("HOME").into()),
        java_home: None,
    }
}

pub(crate) fn spec(runtime: &str, code: PathBuf) -> Spec {
    Spec {
        runtime: runtime.into(),
        architecture: Default::default(),
        handler: "app.handler".into(),
        code,
        image: None,
        code_in_place: false,
        debug: None,
        opt: None,
        env: vec![("AWS_REGION".into(), "us-east-1".into()), ("GREETING".into(), "hello".into())],
        credentials: None,
        memory_mb: 1769,
        tmp_mb: 512,
        timeout: Duration::from_secs(10),
        init_timeout: Duration::from_secs(10),
        function_name: "greet".into(),
        function_version: "$LATEST".into(),
        log_group: "/aws/lambda/greet".into(),
        log_stream: "stream".into(),
        owner: "000000000000".into(),
    }
}

pub(crate) fn request(payload: &str) -> Request {
    Request {
        request_id: "11111111-2222-3333-4444-555555555555".into(),
        function_arn: "arn:aws:lambda:us-east-1:000000000000:function:greet".into(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        ..Request::default()
    }
}

pub(crate) fn no_pools() -> PoolTargets {
    PoolTargets { python: 0, node: 0, java: 0, zygotes: false }
}

pub(crate) fn text(outcome: &Outcome) -> &str {
    std::str::from_utf8(outcome.result.as_ref().expect("an answer")).expect("text")
}
