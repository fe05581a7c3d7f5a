//! The comparison of our declarations with AWS's model: pure, two trees in, a list of gaps out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::botocore::{self, Model, Reference};
use crate::declared::{self, Member, Service};

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Gap {
    /// `GetFunction input`, or a shape's name.
    pub(crate) place: String,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// AWS has no such operation.
    UnknownOperation,
    /// Method, path or status differ.
    Http { ours: String, theirs: String },
    /// AWS has this member.
    Missing(String),
    /// AWS has no such member: a slip of the pen, most likely.
    Unknown(String),
    /// It travels elsewhere.
    Binding { member: String, ours: String, theirs: String },
    /// We refuse its absence and AWS does not, or the reverse.
    Required { member: String, ours: bool },
    /// It is of another kind.
    Kind { member: String, ours: String, theirs: String },
    /// Values that AWS's set has and ours has not.
    Values(Vec<String>),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            What::UnknownOperation => write!(f, "AWS has no such operation"),
            What::Http { ours, theirs } => write!(f, "bound to `{ours}`, AWS to `{theirs}`"),
            What::Missing(member) => write!(f, "`{member}` is missing"),
            What::Unknown(member) => write!(f, "AWS has no `{member}`"),
            What::Binding { member, ours, theirs } => write!(f, "`{member}` travels in {ours}, AWS's in {theirs}"),
            What::Required { member, ours: true } => write!(f, "`{member}` is required, AWS's is not"),
            What::Required { member, ours: false } => write!(f, "`{member}` is not required, AWS's is"),
            What::Kind { member, ours, theirs } => write!(f, "`{member}` is a {ours}, AWS's a {theirs}"),
            What::Values(values) => write!(f, "values are missing: {}", values.join(", ")),
        }
    }
}

/// How much of a service stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Coverage {
    pub(crate) answered: Vec<String>,
    /// Listed as not there yet: they answer `NotImplemented`.
    pub(crate) not_yet: Vec<String>,
    /// Neither answered nor listed: they would be answered as if AWS had no such operation.
    pub(crate) unlisted: Vec<String>,
    pub(crate) gaps: Vec<Gap>,
}

/// Compares a service.
pub(crate) fn compare(service: &Service, model: &Model) -> Coverage {
    let mut walk = Walk { service, model, gaps: BTreeSet::new(), seen: BTreeSet::new() };
    for operation in &service.operations {
        walk.operation(operation);
    }
    let ours: BTreeSet<&str> = service.operations.iter().map(|o| o.name.as_str()).collect();
    let others = || model.operations.keys().filter(|name| !ours.contains(name.as_str()));
    let (not_yet, unlisted) = others().cloned().partition(|name| service.not_yet.contains(name));
    let answered = model.operations.keys().filter(|name| ours.contains(name.as_str())).cloned().collect();
    Coverage { answered, not_yet, unlisted, gaps: walk.gaps.into_iter().collect() }
}

struct Walk<'a> {
    service: &'a Service,
    model: &'a Model,
    gaps: BTreeSet<Gap>,
    /// Pairs of shapes already compared, and in which direction.
    seen: BTreeSet<(String, String, bool)>,
}

impl Walk<'_> {
    fn gap(&mut self, place: &str, what: What) {
        self.gaps.insert(Gap { place: place.to_owned(), what });
    }

    fn operation(&mut self, ours: &declared::Operation) {
        let model = self.model;
        let Some(theirs) = model.operations.get(&ours.name) else {
            return self.gap(&ours.name, What::UnknownOperation);
        };
        if self.service.protocol.starts_with("rest-") {
            self.http(ours, theirs);
        }
        self.side(&ours.name, "input", &ours.input, theirs.input.as_ref());
        self.side(&ours.name, "output", &ours.output, theirs.output.as_ref());
    }

    /// An operation's input or output. A shape that several operations share is one place, or each of its gaps would be
    /// told once for each of them.
    fn side(&mut self, operation: &str, side: &str, ours: &BTreeMap<String, Member>, theirs: Option<&Reference>) {
        let model = self.model;
        let empty = botocore::Shape::default();
        let shape = theirs.and_then(|r| model.shape(&r.shape)).unwrap_or(&empty);
        let place = match theirs.filter(|r| is_shared(model, &r.shape)) {
            Some(reference) => reference.shape.clone(),
            None => format!("{operation} {side}"),
        };
        self.members(&place, ours, shape, side == "input");
    }

    fn http(&mut self, ours: &declared::Operation, theirs: &botocore::Operation) {
        // Where the answer has a member for its status, the model's number is a mere default.
        let output = theirs.output.as_ref().and_then(|r| self.model.shape(&r.shape));
        let open = output.is_some_and(|s| s.members.values().any(|m| m.location.as_deref() == Some("statusCode")));
        let binding = |method: &str, uri: &str, code: Option<u16>| match open {
            true => format!("{method} {uri}"),
            false => format!("{method} {uri} → {}", code.unwrap_or(200)),
        };
        let wanted = binding(&theirs.http.method, &theirs.http.request_uri, theirs.http.response_code);
        let given = ours.http.as_ref().map_or("nothing".to_owned(), |h| binding(&h.method, &h.uri, h.status));
        if given != wanted {
            self.gap(&ours.name, What::Http { ours: given, theirs: wanted });
        }
    }

    fn members(&mut self, place: &str, ours: &BTreeMap<String, Member>, theirs: &botocore::Shape, input: bool) {
        for (name, reference) in &theirs.members {
            // Some models name a member one way and write it another; ours has one name.
            let written = reference.location_name.as_ref().and_then(|n| ours.get(n));
            match ours.get(name).or(written) {
                None => self.gap(place, What::Missing(name.clone())),
                Some(member) => self.member(place, name, member, reference, theirs, input),
            }
        }
        let known = |name: &String| {
            theirs.members.contains_key(name) || theirs.members.values().any(|r| r.location_name.as_ref() == Some(name))
        };
        for name in ours.keys().filter(|name| !known(name)) {
            self.gap(place, What::Unknown(name.clone()));
        }
    }

    fn member(
        &mut self,
        place: &str,
        name: &str,
        ours: &Member,
        reference: &Reference,
        parent: &botocore::Shape,
        input: bool,
    ) {
        let required = parent.required.iter().any(|r| r == name);
        // What an answer always holds is AWS's promise to its clients; only inputs are refused for it.
        if input && ours.required != required {
            self.gap(place, What::Required { member: name.to_owned(), ours: ours.required });
        }
        if self.service.protocol.starts_with("rest-") {
            let (given, wanted) = (our_binding(ours), their_binding(name, reference, parent));
            if !given.eq_ignore_ascii_case(&wanted) {
                self.gap(place, What::Binding { member: name.to_owned(), ours: given, theirs: wanted });
            }
        }
        self.shapes(place, name, &Item::of(ours), &reference.shape, input);
    }

    fn shapes(&mut self, place: &str, name: &str, ours: &Item<'_>, theirs: &str, input: bool) {
        let model = self.model;
        let Some(shape) = model.shape(theirs) else { return };
        if ours.kind != shape.kind() {
            let (given, wanted) = (ours.kind.to_owned(), shape.kind().to_owned());
            return self.gap(place, What::Kind { member: name.to_owned(), ours: given, theirs: wanted });
        }
        match (shape.member.as_ref().or(shape.value.as_ref()), ours.item) {
            (Some(item), Some(held)) => {
                let held = Item { shape: &held.shape, kind: &held.kind, item: None };
                self.shapes(place, &format!("{name}[]"), &held, &item.shape, input);
            }
            // Our description does not say what the list holds: compare by AWS's name, if we have that shape.
            (Some(item), None) => self.named(&item.shape, &item.shape, input),
            (None, _) => self.named(ours.shape, theirs, input),
        }
    }

    /// Compares two shapes once; those we have not by that name are primitives.
    fn named(&mut self, ours: &str, theirs: &str, input: bool) {
        let (service, model) = (self.service, self.model);
        let (Some(our_shape), Some(shape)) = (service.shapes.get(ours), model.shape(theirs)) else {
            return;
        };
        if !self.seen.insert((ours.to_owned(), theirs.to_owned(), input)) {
            return;
        }
        if !shape.values.is_empty() && !our_shape.values.is_empty() {
            let missing: Vec<String> = shape.values.iter().filter(|v| !our_shape.values.contains(v)).cloned().collect();
            if !missing.is_empty() {
                self.gap(theirs, What::Values(missing));
            }
        }
        if matches!(shape.kind(), "structure" | "union") {
            self.members(theirs, &our_shape.members, shape, input);
        }
    }
}

fn is_shared(model: &Model, shape: &str) -> bool {
    let sides = model.operations.values().flat_map(|o| [&o.input, &o.output]).flatten();
    sides.filter(|reference| reference.shape == shape).count() > 1
}

struct Item<'a> {
    shape: &'a str,
    kind: &'a str,
    item: Option<&'a declared::Item>,
}

impl Item<'_> {
    fn of(member: &Member) -> Item<'_> {
        Item { shape: &member.shape, kind: &member.kind, item: member.item.as_ref() }
    }
}

fn our_binding(member: &Member) -> String {
    match &member.location_name {
        Some(name) if member.location != "body" => format!("{} {name}", member.location),
        _ => member.location.clone(),
    }
}

fn their_binding(name: &str, reference: &Reference, parent: &botocore::Shape) -> String {
    match (&reference.location, &reference.location_name) {
        (None, _) if parent.payload.as_deref() == Some(name) => "payload".to_owned(),
        (None, _) => "body".to_owned(),
        (Some(location), Some(at)) => format!("{location} {at}"),
        (Some(location), None) => location.clone(),
    }
}
