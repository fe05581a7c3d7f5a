//! From a [`Spec`] to a command line, an environment and init settings: what each language family needs to start.
//!
//! Paths are those the function sees: `/var/task` and so on in a sandbox, the host's own under process isolation.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{
    LaunchError,
    spec::{DebugPort, ImageProcess, Spec},
};
use crate::runtimes::{Family, Interpreter, Runtimes, Serves};

/// Variables a started interpreter cannot take over later: functions that set them are started from nothing.
const READ_AT_START: [&str; 11] = [
    "AWS_LAMBDA_EXEC_WRAPPER",
    "NODE_OPTIONS",
    "NODE_EXTRA_CA_CERTS",
    "NODE_ICU_DATA",
    "NODE_PENDING_DEPRECATION",
    "UV_THREADPOOL_SIZE",
    "JAVA_TOOL_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "_JAVA_OPTIONS",
    "GLIBC_TUNABLES",
    "OPENSSL_CONF",
];

/// Families of such variables.
const READ_AT_START_PREFIXES: [&str; 4] = ["LD_", "PYTHON", "LC_", "MALLOC_"];

/// Java's boot file, below the runtime directory.
pub(crate) const JAVA_BOOT: &str = "java/boot.jar";

/// Where things are, as the function sees them.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    pub(crate) task: PathBuf,
    pub(crate) opt: Option<PathBuf>,
    pub(crate) runtime: PathBuf,
    pub(crate) runtime_api: String,
}

impl Places {
    /// Inside of a sandbox.
    pub(crate) fn inside() -> Places {
        Places {
            task: "/var/task".into(),
            opt: Some("/opt".into()),
            runtime: "/var/runtime".into(),
            runtime_api: "127.0.0.1:9001".into(),
        }
    }
}

/// What a runtime name amounts to on this host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Recipe {
    pub(crate) family: Family,
    /// None for custom runtimes.
    pub(crate) interpreter: Option<Interpreter>,
    /// Java's heap cannot change once it is started: its size class, in MB of function memory.
    pub(crate) memory_class_mb: Option<u32>,
}

impl Recipe {
    /// Looks a runtime name up.
    pub(crate) fn find(runtimes: &Runtimes, runtime: &str, memory_mb: u32) -> Result<Recipe, LaunchError> {
        let status = runtimes.find(runtime).ok_or_else(|| LaunchError::UnknownRuntime(runtime.to_owned()))?;
        let interpreter = match &status.serves {
            Serves::Exact(interpreter) => interpreter.clone(),
            Serves::StandIn(interpreter) => Some(interpreter.clone()),
            Serves::Missing { hint } => {
                return Err(LaunchError::MissingRuntime { runtime: runtime.to_owned(), hint: hint.clone() });
            }
        };
        let memory_class_mb = (status.family == Family::Java).then(|| memory_class_mb(memory_mb));
        Ok(Recipe { family: status.family, interpreter, memory_class_mb })
    }

    /// That of container images, which bring all they need.
    pub(crate) fn of_image() -> Recipe {
        Recipe { family: Family::Custom, interpreter: None, memory_class_mb: None }
    }

    /// Whether its sandboxes can be booted before they have a function.
    pub(crate) fn can_park(&self) -> bool {
        self.interpreter.is_some()
    }

    /// Whether it can be booted once and forked.
    pub(crate) fn can_fork(&self) -> bool {
        self.family == Family::Python
    }

    /// Short name for people, for example `python3.12` or `java17/512`.
    pub(crate) fn name(&self) -> String {
        let version = self.interpreter.as_ref().map_or("", |interpreter| interpreter.version.as_str());
        let mut numbers = version.split('.');
        let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
        match (self.family, self.memory_class_mb) {
            (Family::Python, _) => format!("python{major}.{minor}"),
            (Family::Node, _) => format!("nodejs{major}"),
            (Family::Java, class) => format!("java{major}/{}", class.unwrap_or_default()),
            _ => "custom".into(),
        }
    }

    /// The command line of an interpreter with our boot file, or of the user's `bootstrap`. Without a function it is that
    /// of a sandbox to be parked.
    pub(crate) fn argv(&self, places: &Places, spec: Option<&Spec>) -> Result<Vec<OsString>, LaunchError> {
        if let Some(image) = spec.and_then(|spec| spec.image.as_ref()) {
            let argv: Vec<OsString> = image.argv.iter().map(OsString::from).collect();
            return if argv.is_empty() { Err(LaunchError::InvalidEntrypoint) } else { Ok(argv) };
        }
        let Some(interpreter) = &self.interpreter else {
            return Ok(vec![bootstrap(places, spec)?.into_os_string()]);
        };
        let mut argv = vec![interpreter.program.clone().into_os_string()];
        match self.family {
            Family::Python => argv.extend(self.python_arguments(places, spec)),
            Family::Node => argv.push(places.runtime.join("node/boot.js").into_os_string()),
            _ => {
                argv.extend(java_options(self.memory_class_mb.unwrap_or(512)));
                argv.extend(spec.and_then(|spec| spec.debug).map(java_debugger));
                // Its manifest names AWS's libraries beside it, and opens what a late environment needs.
                argv.extend(["-jar".into(), places.runtime.join(JAVA_BOOT).into_os_string()]);
            }
        }
        if self.family != Family::Python && spec.is_some() {
            argv.push("--exec".into());
        }
        if let Some(wrapper) = spec.and_then(|spec| variable(spec, "AWS_LAMBDA_EXEC_WRAPPER")) {
            argv.insert(0, wrapper.into());
        }
        Ok(argv)
    }

    /// The command line of a zygote.
    pub(crate) fn zygote_argv(&self, places: &Places, import_set: &str) -> Vec<OsString> {
        let program = self.interpreter.as_ref().map(|interpreter| interpreter.program.clone()).unwrap_or_default();
        let file = places.runtime.join("python/zygote.py").into_os_string();
        vec![program.into(), "-I".into(), "-S".into(), file, import_set.into()]
    }

    fn python_arguments(&self, places: &Places, spec: Option<&Spec>) -> Vec<OsString> {
        let file = places.runtime.join("python/boot.py").into_os_string();
        match spec {
            None => vec!["-I".into(), "-S".into(), file, "common".into()],
            // Without -E: the function may set PYTHON* variables, which is why it came this way.
            Some(_) => vec!["-s".into(), "-S".into(), file, "none".into(), "--exec".into()],
        }
    }

    /// What is in the environment of every process of this runtime, before it knows its function.
    pub(crate) fn environment(&self, places: &Places) -> Vec<(String, String)> {
        let task = places.task.display();
        let own_bin = self.interpreter.as_ref().and_then(|interpreter| interpreter.program.parent());
        let own_bin = own_bin.map(|directory| format!("{}:", directory.display())).unwrap_or_default();
        let opt = places.opt.as_deref().unwrap_or(Path::new("/opt")).display();
        let mut environment = vec![
            ("PATH", format!("{own_bin}/usr/local/bin:/usr/bin:/bin:{opt}/bin")),
            ("LD_LIBRARY_PATH", format!("/lib64:/usr/lib64:{task}:{task}/lib:{opt}/lib")),
            ("LANG", "en_US.UTF-8".into()),
            ("TZ", ":UTC".into()),
            ("LAMBDA_TASK_ROOT", task.to_string()),
            ("LAMBDA_RUNTIME_DIR", places.runtime.display().to_string()),
            ("AWS_LAMBDA_RUNTIME_API", places.runtime_api.clone()),
        ];
        if places.is_inside() {
            environment.push(("_LAMBDA_TELEMETRY_LOG_FD", "4".into()));
        }
        if let (Family::Java, Some(interpreter)) = (self.family, &self.interpreter)
            && let Some(home) = interpreter.program.ancestors().nth(2)
        {
            environment.push(("JAVA_HOME", home.display().to_string()));
        }
        environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Whether a started interpreter can become this function: nothing in its environment is read at start only.
    pub(crate) fn may_be_started(&self, spec: &Spec, places: &Places) -> bool {
        if self.family == Family::Java && spec.debug.is_some() {
            return false; // its debugger is an option of the command line
        }
        let own = self.environment(places);
        spec.env.iter().all(|(name, value)| {
            let late = READ_AT_START.contains(&name.as_str())
                || READ_AT_START_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
                || (self.family == Family::Java && (name == "TZ" || name == "LANG"));
            !late || own.iter().any(|(own_name, own_value)| own_name == name && own_value == value)
        })
    }
}

impl Places {
    /// Whether these are AWS's own places. Elsewhere (process isolation) there is no telemetry pipe either: everything
    /// goes by standard output.
    fn is_inside(&self) -> bool {
        self.task == Path::new("/var/task")
    }
}

/// The whole environment of a function: what the user and AWS say wins over defaults, but not over where things are.
pub(crate) fn full_environment(recipe: &Recipe, spec: &Spec, places: &Places) -> Vec<(String, String)> {
    const OURS: [&str; 4] =
        ["AWS_LAMBDA_RUNTIME_API", "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR", "_LAMBDA_TELEMETRY_LOG_FD"];
    let mut environment = match &spec.image {
        Some(image) => image_environment(image, places),
        None => recipe.environment(places),
    };
    if spec.image.is_none() {
        environment.push(("_HANDLER".into(), spec.handler.clone()));
    }
    if let Some(credentials) = &spec.credentials {
        let address = format!("http://{}{}", places.runtime_api, super::runtime_api::CREDENTIALS_PATH);
        environment.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI".into(), address));
        environment.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN".into(), credentials.token.clone()));
    }
    if recipe.family == Family::Node && !places.is_inside() {
        environment.push(("NODE_PATH".into(), module_directories(recipe, spec, places).join(":")));
    }
    for (name, value) in &spec.env {
        // Where things are in an image says the image.
        let is_ours = OURS.contains(&name.as_str()) && (spec.image.is_none() || !name.starts_with("LAMBDA_"));
        match environment.iter_mut().find(|(known, _)| known == name) {
            Some(_) if is_ours => {}
            Some((_, known)) => known.clone_from(value),
            None => environment.push((name.clone(), value.clone())),
        }
    }
    environment
}

/// What an image's process has before anybody says more: what AWS gives every one, and what the image says itself.
fn image_environment(image: &ImageProcess, places: &Places) -> Vec<(String, String)> {
    let mut environment: Vec<(String, String)> =
        [("PATH", "/usr/local/bin:/usr/bin:/bin:/opt/bin"), ("TZ", ":UTC")].map(|(n, v)| (n.into(), v.into())).into();
    let telemetry = ("_LAMBDA_TELEMETRY_LOG_FD".to_owned(), "4".to_owned());
    let runtime_api = ("AWS_LAMBDA_RUNTIME_API".to_owned(), places.runtime_api.clone());
    for (name, value) in image.env.iter().cloned().chain([telemetry, runtime_api]) {
        match environment.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => environment.push((name, value)),
        }
    }
    environment
}

/// Body of the `I` frame.
#[derive(Serialize)]
struct Settings<'a> {
    handler: &'a str,
    /// None when the process was started with it: a wrapper may have changed it since.
    env: Option<BTreeMap<&'a str, &'a str>>,
    task_root: &'a Path,
    code_in_place: bool,
    debug: Option<DebugPort>,
    function_name: &'a str,
    function_version: &'a str,
    memory_mb: u32,
    log_group: &'a str,
    log_stream: &'a str,
    sys_path: Vec<String>,
}

/// The init settings of a managed runtime, as JSON. `started_before`: the process does not have its environment yet.
pub(crate) fn settings(recipe: &Recipe, spec: &Spec, places: &Places, started_before: bool) -> Vec<u8> {
    let environment = full_environment(recipe, spec, places);
    let settings = Settings {
        handler: &spec.handler,
        env: started_before.then(|| environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()),
        task_root: &places.task,
        code_in_place: spec.code_in_place,
        debug: spec.debug,
        function_name: &spec.function_name,
        function_version: &spec.function_version,
        memory_mb: spec.memory_mb,
        log_group: &spec.log_group,
        log_stream: &spec.log_stream,
        sys_path: module_directories(recipe, spec, places),
    };
    serde_json::to_vec(&settings).unwrap_or_default() // strings and numbers only: cannot fail
}

/// Where modules are looked for, in AWS's order; empty for AWS's own places.
fn module_directories(recipe: &Recipe, spec: &Spec, places: &Places) -> Vec<String> {
    // Inside of a sandbox the boot files know AWS's places by themselves.
    if places.is_inside() {
        return Vec::new();
    }
    let version = recipe.interpreter.as_ref().map_or("", |interpreter| interpreter.version.as_str());
    let mut numbers = version.split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let directories = match recipe.family {
        Family::Python => vec![format!("python/lib/python{major}.{minor}/site-packages"), "python".into()],
        Family::Node => vec![format!("nodejs/node{major}/node_modules"), "nodejs/node_modules".into()],
        Family::Java => vec!["java/lib".into()],
        _ => Vec::new(),
    };
    let mut all = vec![places.task.display().to_string()];
    if let Some(opt) = &places.opt {
        all.extend(directories.into_iter().map(|directory| opt.join(directory).display().to_string()));
    }
    all.extend(variable(spec, "PYTHONPATH").iter().flat_map(|path| path.split(':')).map(str::to_owned));
    all.push(places.runtime.display().to_string());
    all
}

/// The user's `bootstrap`: of the code, else of the layers.
fn bootstrap(places: &Places, spec: Option<&Spec>) -> Result<PathBuf, LaunchError> {
    let spec = spec.ok_or(LaunchError::InvalidEntrypoint)?;
    if spec.code.join("bootstrap").is_file() {
        return Ok(places.task.join("bootstrap"));
    }
    match &places.opt {
        Some(opt) if spec.opt.as_ref().is_some_and(|layers| layers.join("bootstrap").is_file()) => {
            Ok(opt.join("bootstrap"))
        }
        _ => Err(LaunchError::InvalidEntrypoint),
    }
}

fn variable<'a>(spec: &'a Spec, name: &str) -> Option<&'a str> {
    spec.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Largest power of two in the memory size, at least AWS's smallest, 128 MB.
fn memory_class_mb(memory_mb: u32) -> u32 {
    1 << memory_mb.max(128).ilog2()
}

/// JDWP, on the sandbox's own loopback.
fn java_debugger(debug: DebugPort) -> OsString {
    let suspend = if debug.wait { 'y' } else { 'n' };
    let port = debug.port;
    format!("-agentlib:jdwp=transport=dt_socket,server=y,suspend={suspend},quiet=y,address=127.0.0.1:{port}").into()
}

/// A small, quick start; a heap that leaves room for the machine's own needs within the class.
fn java_options(class_mb: u32) -> Vec<OsString> {
    let heap_mb = if class_mb <= 256 { class_mb / 2 } else { class_mb * 3 / 4 };
    [
        format!("-Xmx{heap_mb}m"),
        // By default the first heap is a 64th of the host's memory, and the warm-up touches all of its young half.
        "-Xms8m".into(),
        "-Xss1m".into(),
        "-XX:+UseSerialGC".into(),
        "-XX:TieredStopAtLevel=1".into(),
        "-XX:-UsePerfData".into(),
        "-Xshare:auto".into(),
    ]
    .map(OsString::from)
    .to_vec()
}
