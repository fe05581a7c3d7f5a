//! A limit to the work of weighing a body. Models that name each other twice double the work with each level, and so do models that
//! name themselves twice with each level of the body: a few lines of either would keep a processor for ever.
//!
//! The library below has no such limit, but keywords of one's own: one that counts is put into every part of a model, and once all
//! steps are taken it leaves by unwinding, quietly, to where the body was to be weighed. It stands in the part's `allOf`, before all
//! that goes on whatever fails (`anyOf`, `oneOf`, `not`): a keyword of one's own would come last of all, and where something fails
//! before it there is no step to count, since all above fails as well.

use std::cell::Cell;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use jsonschema::paths::Location;
use jsonschema::{Keyword, ValidationError};
use serde_json::{Map, Value, json};
use wire::route::percent;

/// How many parts of models one body may be held against, each as often as it happens. AWS tells no limit; a body of 10 MB with a
/// million values stays below it. (Unoptimized tests wait for fewer.)
const STEPS_MAX: u32 = if cfg!(test) { 50_000 } else { 5_000_000 };

/// The keyword that counts.
pub(super) const KEYWORD: &str = "x-updraft-step";

thread_local! {
    /// Weighing a body waits for nothing, and so stays on its thread.
    static LEFT: Cell<u32> = const { Cell::new(0) };
}

/// All steps are taken.
struct Exhausted;

/// Does something within the limit; none if it wanted more.
pub(super) fn limited<T>(act: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(STEPS_MAX);
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(done) => Some(done),
        Err(why) if why.is::<Exhausted>() => None,
        Err(panic) => resume_unwind(panic),
    }
}

/// Puts the keyword into every part of models that can be come to: from the top, or by a reference.
pub(super) fn count_in(models: &mut HashMap<String, Value>) {
    let mut places = vec![String::new()];
    models.values().for_each(|model| add_places(model, &mut places));
    places.sort_unstable();
    places.dedup();
    for model in models.values_mut() {
        places.iter().for_each(|place| model.pointer_mut(place).into_iter().for_each(count_in_part));
    }
}

/// Adds the places to which references lead, within whichever model.
fn add_places(value: &Value, places: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            let place = reference.and_then(|reference| reference.split_once('#')).map(|(_, place)| place);
            places.extend(place.map(|place| percent::decode(place, false).into_owned()));
            members.values().for_each(|value| add_places(value, places));
        }
        Value::Array(items) => items.iter().for_each(|item| add_places(item, places)),
        _ => {}
    }
}

fn count_in_part(part: &mut Value) {
    let Value::Object(members) = part else { return };
    let is_done =
        |all: &Value| all.as_array().and_then(|all| all.last()).is_some_and(|last| last.get(KEYWORD).is_some());
    if members.get("allOf").is_some_and(is_done) {
        return;
    }
    for (name, value) in members.iter_mut() {
        match (name.as_str(), value) {
            ("properties" | "patternProperties" | "definitions" | "dependencies", Value::Object(parts)) => {
                parts.values_mut().for_each(count_in_part);
            }
            ("allOf" | "anyOf" | "oneOf" | "items", Value::Array(parts)) => parts.iter_mut().for_each(count_in_part),
            ("not" | "items" | "additionalItems" | "additionalProperties", value) => count_in_part(value),
            _ => {}
        }
    }
    // Beside a reference nothing counts. (Draft 4)
    if !members.contains_key("$ref")
        && let Value::Array(all) = members.entry("allOf").or_insert_with(|| Value::Array(Vec::new()))
    {
        all.push(json!({ KEYWORD: true }));
    }
}

/// Whether a model names another, or itself: without that nothing is weighed twice.
pub(super) fn has_references(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => members.contains_key("$ref") || members.values().any(has_references),
        Value::Array(items) => items.iter().any(has_references),
        _ => false,
    }
}

/// The keyword itself: everything is as it should be.
pub(super) struct Step;

impl<'i> Keyword<'i> for Step {
    fn validate(&self, _: &'i Value) -> Result<(), ValidationError<'i>> {
        LEFT.with(|left| match left.get().checked_sub(1) {
            Some(less) => left.set(less),
            None => resume_unwind(Box::new(Exhausted)),
        });
        Ok(())
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.validate(instance).is_ok()
    }
}

pub(super) fn step<'a>(
    _: &'a Map<String, Value>,
    _: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(Step))
}
