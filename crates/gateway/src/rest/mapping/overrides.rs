//! `$context`, and what a template may set in it: parameters of the request to the integration, headers and status of the answer.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use lang::vtl::{Fault, List, Map, Meter, Object, Value};
use serde_json::Value as Json;

use super::Answer;
use crate::edge::context::Context;

/// What a template sets: AWS applies it after all mappings, and refuses to set one thing twice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Overrides {
    /// `$context.requestOverride`
    pub(crate) request: RequestOverrides,
    /// `$context.responseOverride`
    pub(crate) response: ResponseOverrides,
}

/// What a template sets of the request to the integration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RequestOverrides {
    pub(crate) header: Vec<(String, String)>,
    pub(crate) path: Vec<(String, String)>,
    pub(crate) querystring: Vec<(String, String)>,
}

/// What a template sets of the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResponseOverrides {
    pub(crate) header: Vec<(String, String)>,
    pub(crate) status: Option<u16>,
}

/// `$context`
pub(super) struct ContextObject {
    context: Context,
    tree: OnceCell<Map>,
    overrides: Rc<RefCell<Overrides>>,
}

impl ContextObject {
    pub(super) fn new(context: Context) -> ContextObject {
        ContextObject { context, tree: OnceCell::new(), overrides: Rc::default() }
    }

    pub(super) fn overrides(&self) -> Overrides {
        self.overrides.borrow().clone()
    }

    fn tree(&self) -> &Map {
        self.tree.get_or_init(|| match value_of(&Json::Object(self.context.tree())) {
            Value::Map(map) => map,
            _ => Map::new(),
        })
    }
}

/// A document of serde's as a template's value.
fn value_of(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Integer(number),
            None => number.as_f64().map_or(Value::Null, Value::Float),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(items) => Value::List(List::json(items.iter().map(value_of).collect())),
        Json::Object(members) => {
            let map = Map::new();
            for (name, value) in members {
                map.put(name, value_of(value));
            }
            Value::Map(map)
        }
    }
}

impl Object for ContextObject {
    fn property(&self, name: &str, _: &Meter) -> Answer {
        let group = match name {
            "requestOverride" => Group::Request,
            "responseOverride" => Group::Response,
            // The commonest facts lie on the top and need no tree.
            _ if self.tree.get().is_none() => match self.context.get(name) {
                Some(fact) => return Ok(Some(fact.as_ref().into())),
                None => return Ok(self.tree().get(name)),
            },
            _ => return Ok(self.tree().get(name)),
        };
        Ok(Some(Value::Object(Rc::new(OverrideGroup { group, overrides: self.overrides.clone() }))))
    }

    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
        match (name, arguments) {
            ("get", [Value::String(name)]) => self.property(name, meter),
            (name, arguments) => lang::vtl::call(&Value::Map(self.tree().clone()), name, arguments, meter),
        }
    }

    fn set(&self, name: &str, _: &Value, _: &Meter) -> Result<bool, Fault> {
        Err(Fault::Method(format!("$context.{name} cannot be set")))
    }

    fn text(&self, meter: &Meter) -> Result<Option<String>, Fault> {
        lang::vtl::text(&Value::Map(self.tree().clone()), meter)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Request,
    Response,
}

/// `$context.requestOverride`, `$context.responseOverride`
struct OverrideGroup {
    group: Group,
    overrides: Rc<RefCell<Overrides>>,
}

impl Object for OverrideGroup {
    fn property(&self, name: &str, _: &Meter) -> Answer {
        let place = match (self.group, name) {
            (Group::Request, "header") => Place::RequestHeader,
            (Group::Request, "path") => Place::RequestPath,
            (Group::Request, "querystring") => Place::RequestQuery,
            (Group::Response, "header") => Place::ResponseHeader,
            (Group::Response, "status") => {
                return Ok(self.overrides.borrow().response.status.map(|status| i64::from(status).into()));
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::Object(Rc::new(Overridden { place, overrides: self.overrides.clone() }))))
    }

    fn set(&self, name: &str, value: &Value, meter: &Meter) -> Result<bool, Fault> {
        if (self.group, name) != (Group::Response, "status") {
            return Err(Fault::Method(format!("the override {name} does not exist")));
        }
        let text = lang::vtl::text(value, meter)?.unwrap_or_default();
        let status = text.trim().parse().ok().filter(|status| (100..=599).contains(status));
        let Some(status) = status else {
            return Err(Fault::Method(format!("the status {text:?} of an override is no HTTP status")));
        };
        match self.overrides.borrow_mut().response.status.replace(status) {
            None => Ok(true),
            Some(_) => Err(twice("status")),
        }
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some(String::new()))
    }
}

#[derive(Clone, Copy)]
enum Place {
    RequestHeader,
    RequestPath,
    RequestQuery,
    ResponseHeader,
}

/// `$context.requestOverride.header`
struct Overridden {
    place: Place,
    overrides: Rc<RefCell<Overrides>>,
}

impl Overridden {
    fn pairs<T>(&self, act: impl FnOnce(&mut Vec<(String, String)>) -> T) -> T {
        let mut overrides = self.overrides.borrow_mut();
        act(match self.place {
            Place::RequestHeader => &mut overrides.request.header,
            Place::RequestPath => &mut overrides.request.path,
            Place::RequestQuery => &mut overrides.request.querystring,
            Place::ResponseHeader => &mut overrides.response.header,
        })
    }

    fn put(&self, name: &str, value: &Value, meter: &Meter) -> Result<(), Fault> {
        let text = lang::vtl::text(value, meter)?.unwrap_or_default();
        meter.made(name.len() + text.len() + 64)?;
        self.pairs(|pairs| {
            if pairs.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                return Err(twice(name));
            }
            pairs.push((name.to_owned(), text));
            Ok(())
        })
    }
}

impl Object for Overridden {
    fn property(&self, name: &str, _: &Meter) -> Answer {
        Ok(self.pairs(|pairs| pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str().into())))
    }

    fn call(&self, name: &str, arguments: &[Value], meter: &Meter) -> Answer {
        match (name, arguments) {
            ("get", [Value::String(name)]) => self.property(name, meter),
            ("put", [Value::String(name), value]) => self.put(name, value, meter).map(|()| Some(Value::Null)),
            _ => Ok(None),
        }
    }

    fn set(&self, name: &str, value: &Value, meter: &Meter) -> Result<bool, Fault> {
        self.put(name, value, meter).map(|()| true)
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some(String::new()))
    }
}

/// AWS answers 5XX to a template that sets one thing twice.
fn twice(name: &str) -> Fault {
    Fault::Method(format!("the parameter {name} is overridden more than once"))
}
