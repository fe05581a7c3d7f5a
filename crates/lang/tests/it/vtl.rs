//! Templates, held against what Velocity 1.7 itself answers, and against what hostile ones do.

mod hostile;
mod recorded;

use std::rc::Rc;

use lang::vtl::{Error, Fault, List, Map, Meter, Object, Rules, Template, Value, Variables, json};

/// A Java bean: a few getters, one of which answers null, and a method that throws.
struct Bean;

impl Object for Bean {
    fn property(&self, name: &str, _: &Meter) -> Result<Option<Value>, Fault> {
        Ok(match name {
            "name" => Some("bean".into()),
            "ok" => Some(true.into()),
            _ => None,
        })
    }

    fn call(&self, name: &str, _: &[Value], _: &Meter) -> Result<Option<Value>, Fault> {
        match name {
            "getName" => Ok(Some("bean".into())),
            "isOk" => Ok(Some(true.into())),
            "fail" => Err(Fault::Method("no".to_owned())),
            _ => Ok(None),
        }
    }

    fn text(&self, _: &Meter) -> Result<Option<String>, Fault> {
        Ok(Some("BEAN".to_owned()))
    }
}

/// The variables with which the recorded answers were made.
fn variables() -> Variables {
    let map = Map::new();
    map.put("k", "v".into());
    map.put("n", 7_i64.into());
    let sub = Map::new();
    sub.put("x", "y".into());
    map.put("sub", Value::Map(sub));
    let document = r#"{"a":1,"b":[{"c":5,"u":"http://x/y'\""},"s",null,true,1.5],"d":{"e":"f","g":[1]}}"#;
    [
        ("str", "Hello, World".into()),
        ("empty", "".into()),
        ("num", 5_i64.into()),
        ("dbl", Value::Float(2.5)),
        ("yes", true.into()),
        ("no", false.into()),
        ("list", Value::List(List::of(vec!["a".into(), "b".into(), "c".into()]))),
        ("none", Value::List(List::new())),
        ("map", Value::Map(map)),
        ("json", json::read(document).unwrap()),
        ("bean", Value::Object(Rc::new(Bean))),
    ]
    .into_iter()
    .map(|(name, value)| (name.into(), value))
    .collect()
}

fn render(template: &str) -> Result<String, Error> {
    Template::parse(template)?.render(&mut variables(), &Rules::default())
}
