//! `$input`: the body and the request's parameters.

use std::cell::OnceCell;
use std::sync::Arc;

use lang::jsonpath::Path;
use lang::vtl::{Fault, Map, Meter, Object, Value, json};

use super::{Answer, Inputs, Pairs};

/// What an empty body is to `$input.body` and `$input.json('$')`.
const EMPTY_BODY: &str = "{}";

pub(super) struct Input {
    body: Arc<str>,
    /// The body as JSON, once it has been asked for. Templates share it: what one changes is changed.
    document: OnceCell<Value>,
    params: Map,
}

impl Input {
    pub(super) fn new(inputs: &Inputs<'_>) -> Input {
        let params = Map::new();
        for (place, pairs) in [("path", inputs.path), ("querystring", inputs.querystring), ("header", inputs.header)] {
            params.put(place, Value::Map(last_values(pairs)));
        }
        Input { body: String::from_utf8_lossy(inputs.body).into(), document: OnceCell::new(), params }
    }

    /// The body as a document. As the lenient reader that AWS has, takes text that is no JSON for a string.
    fn document(&self) -> &Value {
        self.document.get_or_init(|| match self.body.trim() {
            "" => Value::text(""),
            text => json::read(text).unwrap_or_else(|_| text.into()),
        })
    }

    /// What a path finds. What it does not is an empty string, as AWS's own examples rely on.
    fn find(&self, path: &str) -> Result<Value, Fault> {
        let fault = |error: lang::jsonpath::Error| Fault::Method(format!("Invalid JSONPath: {error}"));
        let path = Path::parse(path).map_err(fault)?;
        Ok(path.find(self.document()).map_err(fault)?.unwrap_or_else(|| "".into()))
    }

    fn json(&self, path: &str, meter: &Meter) -> Result<Value, Fault> {
        if self.body.trim().is_empty() && path == "$" {
            return Ok(EMPTY_BODY.into());
        }
        let text = json::write(&self.find(path)?, meter)?;
        meter.made(text.len())?;
        Ok(text.into())
    }

    /// A parameter: of the path, else of the query string, else a header.
    fn param(&self, name: &str) -> Value {
        let places = ["path", "querystring", "header"];
        let in_place = |place: &str| match self.params.get(place) {
            Some(Value::Map(pairs)) => Some(pairs),
            _ => None,
        };
        let found = places.iter().filter_map(|place| in_place(place)).find_map(|pairs| pairs.get(name));
        // Headers' names have no case.
        let header = || {
            in_place("header")?.entries().into_iter().find_map(|(key, value)| {
                key.value().as_str().is_some_and(|key| key.eq_ignore_ascii_case(name)).then_some(value)
            })
        };
        found.or_else(header).unwrap_or_else(|| "".into())
    }
}

/// Of a name that comes several times, the last value counts.
fn last_values(pairs: &Pairs) -> Map {
    let map = Map::new();
    for (name, value) in pairs {
        map.put(name, value.as_str().into());
    }
    map
}

impl Object for Input {
    fn property(&self, name: &str, _: &Meter) -> Answer {
        Ok(match name {
            "body" if self.body.is_empty() => Some(EMPTY_BODY.into()),
            "body" => Some(Value::String(self.body.clone())),
            "params" => Some(Value::Map(self.params.clone())),
            _ => None,
        })
    }

    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
        meter.step(self.body.len() as u64 / 64)?;
        match (name, arguments) {
            ("path", [Value::String(path)]) => match self.find(path)? {
                Value::Null => Ok(Some("".into())),
                found => Ok(Some(found)),
            },
            ("json", [Value::String(path)]) => self.json(path, meter).map(Some),
            ("params", []) => Ok(Some(Value::Map(self.params.clone()))),
            ("params", [Value::String(name)]) => Ok(Some(self.param(name))),
            ("getBody", []) => self.property("body", meter),
            _ => Ok(None),
        }
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some(String::new()))
    }
}
