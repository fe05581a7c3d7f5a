//! An AWS operation, declared once: its input struct is the operation.

use std::future::Future;
use std::sync::Arc;

use base::{Arn, Cx, Error};
use shape::{Kind, Mismatch, Place, Schema, Shape, Value};
use wire::route::HttpBinding;

use crate::{BoxFuture, Service};

/// An operation of the service `S`; implemented for its input shape.
pub trait Operation<S: Service>: Shape {
    /// Its name, HTTP binding and kind of access.
    const META: Meta;

    /// What it answers.
    type Output: Shape;

    /// States which permissions on which resources the caller needs. Nothing stated means the action on `*`.
    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        let _ = (cx, need);
    }

    /// Does it. The input has been validated and the caller authorized.
    fn run(self, service: &S, cx: &Cx) -> impl Future<Output = Result<Self::Output, Error>> + Send;
}

/// What an operation is called, how it is bound to HTTP and what it does to state.
#[derive(Clone, Copy, Debug)]
pub struct Meta {
    /// AWS's name: `GetFunction`.
    pub name: &'static str,
    /// Whether it changes anything.
    pub access: Access,
    /// Its binding under the HTTP-binding protocols.
    pub http: Option<HttpBinding>,
    /// The IAM action where it is not the operation's name (`Invoke` needs `lambda:InvokeFunction`).
    pub action: Option<&'static str>,
    /// May be called without a signature.
    pub open: bool,
}

/// Whether an operation changes anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It only reads.
    Read,
    /// It changes state or has effects.
    Write,
}

impl Meta {
    /// An operation that only reads.
    pub const fn read(name: &'static str) -> Meta {
        Meta { name, access: Access::Read, http: None, action: None, open: false }
    }

    /// An operation that changes state or has effects.
    pub const fn write(name: &'static str) -> Meta {
        Meta { name, access: Access::Write, http: None, action: None, open: false }
    }

    /// Binds it to a method and path template, answering 200.
    pub const fn http(self, method: &'static str, uri: &'static str) -> Meta {
        Meta { http: Some(HttpBinding { method, uri, status: 200 }), ..self }
    }

    /// The status of a success where it is not 200. Follows [`Meta::http`].
    pub const fn status(self, status: u16) -> Meta {
        match self.http {
            Some(HttpBinding { method, uri, .. }) => Meta { http: Some(HttpBinding { method, uri, status }), ..self },
            None => panic!("status() follows http()"),
        }
    }

    /// Names the IAM action where it is not the operation's own name.
    pub const fn action(self, action: &'static str) -> Meta {
        Meta { action: Some(action), ..self }
    }

    /// Lets it be called without a signature.
    pub const fn open(self) -> Meta {
        Meta { open: true, ..self }
    }

    /// The IAM action without its service prefix.
    pub const fn action_name(&self) -> &'static str {
        match self.action {
            Some(action) => action,
            None => self.name,
        }
    }
}

/// The permissions that a request needs, gathered before it runs.
#[derive(Debug, Default)]
pub struct Authz {
    needs: Vec<Need>,
}

/// One permission: an action on a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The action without its service prefix; none for the operation's own.
    pub action: Option<&'static str>,
    /// The resource's ARN.
    pub resource: String,
}

impl Authz {
    /// The operation's own action on this resource.
    pub fn on(&mut self, resource: impl Into<Arn>) {
        self.needs.push(Need { action: None, resource: resource.into().to_string() });
    }

    /// Another action on this resource, besides.
    pub fn also(&mut self, action: &'static str, resource: impl Into<Arn>) {
        self.needs.push(Need { action: Some(action), resource: resource.into().to_string() });
    }

    /// What was stated; the operation's own action on `*` if nothing was.
    pub fn into_needs(self) -> Vec<Need> {
        if self.needs.is_empty() {
            return vec![Need { action: None, resource: "*".to_owned() }];
        }
        self.needs
    }
}

/// An operation's entry in its service's list, its types erased.
pub struct Op<S> {
    /// Its declaration.
    pub meta: Meta,
    /// The schema of its input.
    pub input: &'static Schema,
    /// The schema of its output.
    pub output: &'static Schema,
    pub(crate) prepare: Prepare<S>,
}

/// From a decoded input to a request that can be authorized and run.
pub(crate) type Prepare<S> = fn(Value) -> Result<Box<dyn Prepared<S>>, Mismatch>;

/// A decoded request of one operation, ready to be authorized and run.
pub(crate) trait Prepared<S>: Send {
    fn authorize(&self, cx: &Cx, need: &mut Authz);
    fn run(self: Box<Self>, service: Arc<S>, cx: Cx) -> BoxFuture<'static, Result<Value, Error>>;
}

impl<S: Service, O: Operation<S>> Prepared<S> for O {
    fn authorize(&self, cx: &Cx, need: &mut Authz) {
        Operation::authorize(self, cx, need);
    }
    fn run(self: Box<Self>, service: Arc<S>, cx: Cx) -> BoxFuture<'static, Result<Value, Error>> {
        Box::pin(async move { Operation::run(*self, &service, &cx).await.map(Shape::into_value) })
    }
}

/// The list entry of an operation.
pub const fn op<S: Service, O: Operation<S>>() -> Op<S> {
    Op {
        meta: O::META,
        input: O::SCHEMA,
        output: <O::Output as Shape>::SCHEMA,
        prepare: |value| Ok(Box::new(O::from_value(value)?)),
    }
}

/// Refuses at compile time a list with a bad declaration: an operation named twice, or a path label that is no required
/// label member of the input (and the reverse).
pub const fn check<S: Service>(operations: &[Op<S>]) {
    let mut at = 0;
    while at < operations.len() {
        let operation = &operations[at];
        let mut other = at + 1;
        while other < operations.len() {
            assert!(!same(operation.meta.name, operations[other].meta.name), "an operation is listed twice");
            other += 1;
        }
        if let Some(http) = &operation.meta.http {
            check_labels(http.uri, operation.input);
        }
        at += 1;
    }
}

const fn check_labels(uri: &'static str, input: &'static Schema) {
    let Kind::Struct(members) = input.kind else { panic!("an operation's input is a structure") };
    let mut labels = 0;
    let mut at = 0;
    while at < members.len() {
        if matches!(members[at].place, Place::Label) {
            assert!(members[at].required, "a label member cannot be optional");
            assert!(names_label(uri, members[at].name), "a label member is missing from the path");
            labels += 1;
        }
        at += 1;
    }
    let (bytes, mut braces, mut at) = (uri.as_bytes(), 0, 0);
    while at < bytes.len() {
        braces += (bytes[at] == b'{') as usize;
        at += 1;
    }
    assert!(braces == labels, "a path label has no label member");
}

/// Whether the template has `{name}` or `{name+}`.
const fn names_label(uri: &str, name: &str) -> bool {
    let (uri, name) = (uri.as_bytes(), name.as_bytes());
    let mut start = 0;
    while start < uri.len() {
        if uri[start] == b'{' {
            let mut at = 0;
            while at < name.len() && start + 1 + at < uri.len() && uri[start + 1 + at] == name[at] {
                at += 1;
            }
            let end = start + 1 + at;
            if at == name.len() && end < uri.len() && (uri[end] == b'}' || uri[end] == b'+') {
                return true;
            }
        }
        start += 1;
    }
    false
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}
