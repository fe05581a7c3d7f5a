//! Clients of APIs for JavaScript: what `GetSdk` gives. The parts that all clients have in common are in `sdk/javascript`; what is written
//! here is what an API makes different: its address, and a function for each of its methods.
//!
//! The public face (`apigClientFactory.newClient`, names and signatures of methods, places of files) is that of AWS's clients; what is
//! behind it is our own, and needs no libraries.

use std::collections::BTreeSet;
use std::io::{Cursor, Write as _};

use serde::Serialize;
use serde_json::json;
use zip::ZipWriter;
use zip::result::ZipError;
use zip::write::SimpleFileOptions;

use super::records::Method;
use super::snapshot::Snapshot;

/// The directory in the archive.
const DIRECTORY: &str = "apiGateway-js-sdk";

/// Files that are the same for all APIs.
const COMMON: [(&str, &str); 5] = [
    ("README.md", include_str!("sdk/javascript/README.md")),
    ("lib/apiGatewayCore/apiGatewayClient.js", include_str!("sdk/javascript/lib/apiGatewayCore/apiGatewayClient.js")),
    ("lib/apiGatewayCore/sigV4Client.js", include_str!("sdk/javascript/lib/apiGatewayCore/sigV4Client.js")),
    ("lib/apiGatewayCore/simpleHttpClient.js", include_str!("sdk/javascript/lib/apiGatewayCore/simpleHttpClient.js")),
    ("lib/apiGatewayCore/utils.js", include_str!("sdk/javascript/lib/apiGatewayCore/utils.js")),
];

/// An archive of a client of what a stage serves, at this address.
pub(crate) fn javascript(snapshot: &Snapshot, invoke_url: &str, region: &str) -> Result<Vec<u8>, ZipError> {
    let client = client(snapshot, invoke_url, region);
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in COMMON.into_iter().chain([("apigClient.js", client.as_str())]) {
        archive.start_file(format!("{DIRECTORY}/{name}"), SimpleFileOptions::default().unix_permissions(0o644))?;
        archive.write_all(text.as_bytes())?;
    }
    Ok(archive.finish()?.into_inner())
}

/// `apigClient.js`. All that is the API's own is written as JSON, so that none of it can be more than a text.
fn client(snapshot: &Snapshot, invoke_url: &str, region: &str) -> String {
    let mut resources: Vec<_> = snapshot.resources.iter().collect();
    resources.sort_by(|one, two| one.path.cmp(&two.path));
    let (mut names, mut functions) = (BTreeSet::new(), String::new());
    for resource in resources {
        // A method for any verb has no function, as on AWS.
        for (verb, method) in resource.resource_methods.iter().flatten().filter(|(verb, _)| *verb != "ANY") {
            let name = unique(&mut names, &name(&resource.path, verb));
            let call = json!(Call::new(&resource.path, verb, method));
            functions.push_str(&format!(
                "        apigClient.{name} = (params, body, additionalParams) =>\n            send({call}, params, body, additionalParams);\n"
            ));
        }
    }
    include_str!("sdk/javascript/apigClient.js")
        .replace("/*INVOKE_URL*/", &json!(invoke_url).to_string())
        .replace("/*REGION*/", &json!(region).to_string())
        .replace("/*METHODS*/\n", &functions)
}

/// How a method is called.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'m> {
    verb: &'m str,
    path: &'m str,
    path_params: Vec<&'m str>,
    query_params: Vec<&'m str>,
    headers: Vec<&'m str>,
    /// Without these there is no request.
    required: Vec<&'m str>,
}

impl<'m> Call<'m> {
    fn new(path: &'m str, verb: &'m str, method: &'m Method) -> Call<'m> {
        let path_params: Vec<&str> = path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| name.trim_end_matches('+'))
            .collect();
        let mut call = Call {
            verb,
            path,
            required: path_params.clone(),
            path_params,
            query_params: Vec::new(),
            headers: Vec::new(),
        };
        for (parameter, is_required) in method.request_parameters.iter().flatten() {
            let place = parameter.strip_prefix("method.request.").and_then(|rest| rest.split_once('.'));
            let name = match place {
                Some(("querystring" | "multivaluequerystring", name)) => {
                    call.query_params.push(name);
                    name
                }
                Some(("header" | "multivalueheader", name)) => {
                    call.headers.push(name);
                    name
                }
                _ => continue,
            };
            if *is_required {
                call.required.push(name);
            }
        }
        call
    }
}

/// AWS's name of a method: the words of its path and its verb, `petsPetIdGet`.
fn name(path: &str, verb: &str) -> String {
    let path = if path == "/" { "root" } else { path };
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let verb = verb.to_ascii_lowercase();
    let mut name = String::new();
    for word in words.chain([verb.as_str()]) {
        let (first, rest) = word.split_at(1);
        match name.is_empty() {
            true => name.push_str(&first.to_ascii_lowercase()),
            false => name.push_str(&first.to_ascii_uppercase()),
        }
        name.push_str(rest);
    }
    // No name begins with a digit.
    if name.starts_with(|c: char| c.is_ascii_digit()) { format!("_{name}") } else { name }
}

/// The name, or that with a number if another method has it.
fn unique(names: &mut BTreeSet<String>, name: &str) -> String {
    let more = (2_u32..).map(|number| format!("{name}{number}"));
    let free = std::iter::once(name.to_owned()).chain(more).find(|name| names.insert(name.clone()));
    free.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rest::records::Resource;

    #[test]
    fn methods_have_awss_names() {
        for (path, verb, expected) in [
            ("/", "GET", "rootGet"),
            ("/pets/{petId}", "DELETE", "petsPetIdDelete"),
            ("/{proxy+}", "OPTIONS", "proxyOptions"),
            ("/get-track-info_by.tag", "GET", "getTrackInfoByTagGet"),
            ("/Season/{seasonId}/x", "POST", "seasonSeasonIdXPost"),
            ("/2.0/a", "PUT", "_20APut"),
            ("/~", "HEAD", "head"),
        ] {
            assert_eq!(name(path, verb), expected);
        }
    }

    #[test]
    fn nothing_of_an_api_is_more_than_a_text() {
        let method = Method {
            request_parameters: Some(BTreeMap::from([
                ("method.request.querystring.a\"b".to_owned(), true),
                ("method.request.header.x-c".to_owned(), false),
                ("method.request.path.id".to_owned(), true),
            ])),
            ..Method::default()
        };
        let methods = |verbs: &[&str]| Some(verbs.iter().map(|verb| ((*verb).to_owned(), method.clone())).collect());
        let resource = |path: &str, verbs: &[&str]| Resource {
            path: path.to_owned(),
            resource_methods: methods(verbs),
            ..Resource::default()
        };
        let resources = vec![resource("/a*/{id}", &["ANY", "GET"]), resource("/a/{id}", &["GET"])];
        let text = client(&Snapshot { resources, ..Snapshot::default() }, "https://h/\"'", "eu-west-1");
        let call = concat!(
            r#"apigClient.aIdGet = (params, body, additionalParams) =>"#,
            "\n            ",
            r#"send({"headers":["x-c"],"path":"/a*/{id}","pathParams":["id"],"queryParams":["a\"b"],"required":["id","a\"b"],"verb":"GET"}"#
        );
        assert!(text.contains(call), "{text}");
        assert!(text.contains(r#"invokeUrl: "https://h/\"'","#) && text.contains(r#"region: "eu-west-1","#));
        assert!(text.contains("apigClient.aIdGet2 = ") && !text.contains("Any ="), "{text}");
    }
}
