//! `not-yet`: list entries for all operations of a model, to paste into a service that answers none or few of them.

use std::process::ExitCode;

use crate::botocore::Model;
use crate::{Arguments, Failure, declared};

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let [service] = arguments.words.as_slice() else {
        return Err("which service?".into());
    };
    let known = known(service, arguments);
    let model = Model::load(service)?;
    for (name, operation) in model.operations.iter().filter(|(name, _)| !known.contains(name)) {
        if model.metadata.protocol.starts_with("rest-") {
            println!("    NotYet::http({name:?}, {:?}, {:?}),", operation.http.method, operation.http.request_uri);
        } else {
            println!("    NotYet::rpc({name:?}),");
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the service answers or lists already; nothing for a service that we do not declare yet, or cannot build.
fn known(service: &str, arguments: &Arguments) -> Vec<String> {
    let services = declared::load(&crate::root(), arguments.value("schemas")).unwrap_or_else(|failure| {
        eprintln!("all operations follow, as our own are not known: {failure}");
        Vec::new()
    });
    let ours = services.into_iter().find(|s| s.service == service);
    ours.map_or_else(Vec::new, |s| s.operations.into_iter().map(|o| o.name).chain(s.not_yet).collect())
}
