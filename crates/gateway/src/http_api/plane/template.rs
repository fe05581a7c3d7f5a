//! Texts with references in them: `$request.header.name`, `${context.requestId}`, `$response.body.id`, `$stageVariables.table`.
//! Parameter mappings, parameters of AWS services, identity sources and addresses of servers are such texts. They are read once;
//! stage variables are put in then.

use std::borrow::Cow;
use std::collections::BTreeMap;

use lang::jsonpath::Path;
use lang::vtl::{Meter, Rules, json};

/// How much of a body a reference into it sees: AWS cuts it off there.
const BODY_BYTES_MAX: usize = 100 * 1024;

/// A text with references in it.
#[derive(Clone, Debug, Default)]
pub(super) struct Template(Vec<Piece>);

#[derive(Clone, Debug)]
enum Piece {
    Text(String),
    Header(String),
    Query(String),
    /// A part of the body, or all of it.
    Body(Option<Path>),
    /// The request's path below the stage.
    RequestPath,
    PathParameter(String),
    Context(String),
}

/// What references refer to, in a request or a response.
pub(super) trait Known {
    /// All values of a header, joined by commas.
    fn header(&self, name: &str) -> Option<Cow<'_, str>>;
    /// All values of a query parameter, joined by commas.
    fn query(&self, name: &str) -> Option<Cow<'_, str>>;
    /// The body.
    fn body(&self) -> &[u8];
    /// The path below the stage.
    fn path(&self) -> &str;
    /// What stands for a variable of the route.
    fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>>;
    /// A variable of `$context`.
    fn context(&self, name: &str) -> Option<String>;
}

impl Template {
    /// Reads a text. What is no reference stands for itself.
    pub(super) fn parse(text: &str, variables: Option<&BTreeMap<String, String>>) -> Template {
        Template::read(text, |name| reference(name, variables))
    }

    /// Reads a server's address, where `{name}` is a variable of the route's path and only stage variables are references.
    pub(super) fn address(text: &str, variables: Option<&BTreeMap<String, String>>) -> Template {
        let of_stage = |name: &str| reference(name, variables).filter(|piece| matches!(piece, Piece::Text(_)));
        let mut pieces = Vec::new();
        for piece in Template::read(text, of_stage).0 {
            let Piece::Text(mut rest) = piece else { continue };
            while let Some((before, name, after)) = rest.split_once('{').and_then(|(before, inner)| {
                inner.split_once('}').map(|(name, after)| (before.to_owned(), name.to_owned(), after.to_owned()))
            }) {
                pieces.extend([Piece::Text(before), Piece::PathParameter(name.trim_end_matches('+').to_owned())]);
                rest = after;
            }
            pieces.push(Piece::Text(rest));
        }
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Template(pieces)
    }

    fn read(text: &str, reference: impl Fn(&str) -> Option<Piece>) -> Template {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some((before, after)) = rest.split_once('$') {
            plain.push_str(before);
            let (name, behind) = name(after);
            rest = behind;
            match reference(name) {
                Some(Piece::Text(text)) => plain.push_str(&text),
                Some(piece) => {
                    pieces.extend([Piece::Text(std::mem::take(&mut plain)), piece]);
                }
                None => {
                    plain.push('$');
                    rest = after;
                }
            }
        }
        plain.push_str(rest);
        pieces.push(Piece::Text(plain));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Template(pieces)
    }

    /// Whether it looks into the body.
    pub(super) fn reads_body(&self) -> bool {
        self.0.iter().any(|piece| matches!(piece, Piece::Body(_)))
    }

    /// The text that is the same for all requests.
    pub(super) fn constant(&self) -> String {
        let texts = self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }

    /// The text of a request or response; none if it refers only to what is not there.
    pub(super) fn text<'k>(&'k self, known: &'k (impl Known + ?Sized)) -> Option<Cow<'k, str>> {
        match &self.0[..] {
            [] => return Some(Cow::Borrowed("")),
            [piece] => return piece.text(known),
            _ => {}
        }
        let values: Vec<_> = self.0.iter().filter_map(|piece| piece.text(known)).collect();
        (!values.is_empty()).then(|| values.concat().into())
    }
}

/// The name after a dollar sign, and what follows it.
fn name(after: &str) -> (&str, &str) {
    if let Some((name, behind)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
        return (name, behind);
    }
    let end = after.find(|c: char| !(c.is_ascii_alphanumeric() || "._-[]:".contains(c))).unwrap_or(after.len());
    // A full stop or colon at the end is the sentence's, not the name's.
    let end = after[..end].trim_end_matches(['.', ':', '-', '[']).len();
    after.split_at(end)
}

/// What a name refers to.
fn reference(name: &str, variables: Option<&BTreeMap<String, String>>) -> Option<Piece> {
    if let Some(name) = name.strip_prefix("stageVariables.") {
        return Some(Piece::Text(variables.and_then(|all| all.get(name)).cloned().unwrap_or_default()));
    }
    if let Some(name) = name.strip_prefix("context.") {
        return Some(Piece::Context(name.to_owned()));
    }
    let name = name.strip_prefix("request.").or_else(|| name.strip_prefix("response."))?;
    let (place, rest) = name.split_at(name.find(['.', '[']).unwrap_or(name.len()));
    let member = rest.strip_prefix('.').map(str::to_owned);
    match (place, member) {
        ("header", Some(member)) => Some(Piece::Header(member.to_ascii_lowercase())),
        ("querystring", Some(member)) => Some(Piece::Query(member)),
        ("path", Some(member)) => Some(Piece::PathParameter(member)),
        ("path", None) if rest.is_empty() => Some(Piece::RequestPath),
        ("body", _) if rest.is_empty() => Some(Piece::Body(None)),
        ("body", _) => Path::parse(&format!("${rest}")).ok().map(|path| Piece::Body(Some(path))),
        _ => None,
    }
}

impl Piece {
    fn text<'k>(&'k self, known: &'k (impl Known + ?Sized)) -> Option<Cow<'k, str>> {
        match self {
            Piece::Text(text) => Some(Cow::Borrowed(text)),
            Piece::Header(name) => known.header(name),
            Piece::Query(name) => known.query(name),
            Piece::RequestPath => Some(Cow::Borrowed(known.path())),
            Piece::PathParameter(name) => known.path_parameter(name),
            Piece::Context(name) => known.context(name).map(Cow::Owned),
            Piece::Body(None) => Some(String::from_utf8_lossy(known.body())),
            Piece::Body(Some(path)) => part(known.body(), path).map(Cow::Owned),
        }
    }
}

/// A part of a body: texts for themselves, all else as JSON.
fn part(body: &[u8], path: &Path) -> Option<String> {
    let body = std::str::from_utf8(&body[..body.len().min(BODY_BYTES_MAX)]).ok()?;
    let found = path.find(&json::read(body).ok()?).ok()??;
    match found.as_str() {
        Some(text) => Some(text.to_owned()),
        None => json::write(&found, &Meter::new(Rules::default())).ok(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Knows one of everything.
    pub(in super::super) struct One(pub(in super::super) &'static str);

    impl Known for One {
        fn header(&self, name: &str) -> Option<Cow<'_, str>> {
            (name == "x-one").then_some("h1,h2".into())
        }
        fn query(&self, name: &str) -> Option<Cow<'_, str>> {
            (name == "One").then_some("q".into())
        }
        fn body(&self) -> &[u8] {
            self.0.as_bytes()
        }
        fn path(&self) -> &str {
            "/pets/1"
        }
        fn path_parameter(&self, name: &str) -> Option<Cow<'_, str>> {
            (name == "id").then_some("1".into())
        }
        fn context(&self, name: &str) -> Option<String> {
            (name == "requestId").then(|| "rid".to_owned())
        }
    }

    const BODY: &str = r#"{"a": {"b": [1, {"c": "deep"}]}, "n": null}"#;

    fn text(template: &str) -> Option<String> {
        let variables = BTreeMap::from([("table".to_owned(), "pets".to_owned())]);
        Template::parse(template, Some(&variables)).text(&One(BODY)).map(Cow::into_owned)
    }

    #[test]
    fn references_stand_for_what_they_name() {
        for (template, value) in [
            ("constant", "constant"),
            ("", ""),
            ("$request.header.X-One", "h1,h2"),
            ("${request.header.x-one}", "h1,h2"),
            ("$request.querystring.One", "q"),
            ("$request.path", "/pets/1"),
            ("$request.path.id", "1"),
            ("$context.requestId", "rid"),
            ("$stageVariables.table", "pets"),
            ("$request.body", BODY),
            ("$request.body.a.b[1].c", "deep"),
            ("$request.body.a.b[0]", "1"),
            ("$response.body.n", "null"),
            ("/v1/$request.path.id/${stageVariables.table}s?x=$context.requestId.", "/v1/1/petss?x=rid."),
            ("costs $5 or $", "costs $5 or $"),
            ("$request.nothing", "$request.nothing"),
            ("${open", "${open"),
            ("$stageVariables.none!", "!"),
            ("a$request.header.none", "a"),
        ] {
            assert_eq!(text(template).as_deref(), Some(value), "{template}");
        }
        for template in [
            "$request.header.none",
            "$request.querystring.one",
            "$request.body.a.c",
            "$request.body.a.b[7]",
            "$context.none",
            "$request.path.none$context.none",
        ] {
            assert_eq!(text(template), None, "{template}");
        }
        assert_eq!(Template::parse("$request.body.a", None).text(&One("no json")), None);
    }

    #[test]
    fn addresses_have_variables_in_braces() {
        let variables = BTreeMap::from([("host".to_owned(), "h.example".to_owned())]);
        let of = |text: &str| {
            Template::address(text, Some(&variables)).text(&One(BODY)).map(|text| text.into_owned()).unwrap_or_default()
        };
        assert_eq!(of("https://${stageVariables.host}/v1/{id}/x"), "https://h.example/v1/1/x");
        assert_eq!(of("http://a/{id+}"), "http://a/1");
        assert_eq!(of("http://a/$context.requestId"), "http://a/$context.requestId");
        assert_eq!(of("http://a/{none}/b"), "http://a//b");
    }
}
