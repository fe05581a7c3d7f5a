//! JSONPath in Jayway's dialect, which API Gateway's `$input.path()` speaks: which parts of a document are meant.
//!
//! `$.pets[?(@.price < 10)].id`. A path that can only mean one place (a definite one) finds the value there or nothing;
//! any other finds a list, perhaps an empty one. Reading is in `read.rs`, finding in `find.rs`, filters in `filter.rs`.
//! Documents are templates' values (`vtl::json` reads them), so that what is found is part of them and no copy.

mod filter;
mod find;
mod read;

use std::sync::Arc;

use crate::vtl::Value;

/// Nodes that one search may look at: a `..` within another looks at a document many times.
const VISITS_MAX: usize = 2_000_000;
/// How deep a search goes: documents that are read from text are less deep, but a tree may be made otherwise.
const DEPTH_MAX: usize = 200;
/// A path's length in bytes.
const PATH_BYTES_MAX: usize = 10_000;
/// Parentheses in a filter, filters within filters.
const FILTER_DEPTH_MAX: usize = 32;

/// A path that has been read.
#[derive(Clone, Debug)]
pub struct Path {
    steps: Vec<Step>,
    definite: bool,
}

/// Why a path is none, or was not followed to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

#[derive(Clone, Debug)]
struct Step {
    /// `..`: here and everywhere below.
    everywhere: bool,
    selector: Selector,
}

#[derive(Clone, Debug)]
enum Selector {
    /// `.name`, `['name']`
    Name(Arc<str>),
    /// `['a','b']`
    Names(Vec<Arc<str>>),
    /// `[0]`, `[0,1]`; from the end if negative.
    Indices(Vec<i64>),
    /// `[1:3]`
    Slice(Option<i64>, Option<i64>),
    /// `*`
    All,
    /// `[?(...)]`
    Filter(Arc<filter::Filter>),
    /// `.length()`
    Function(Function),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Length,
    Minimum,
    Maximum,
    Average,
    Sum,
}

impl Path {
    /// Reads a path. As Jayway, takes one without its `$`, too.
    ///
    /// # Errors
    /// Says what is no path.
    pub fn parse(text: &str) -> Result<Path, Error> {
        read::path(text)
    }

    /// Whether it can mean one place only.
    pub fn is_definite(&self) -> bool {
        self.definite
    }

    /// What the path means in a document: nothing, if it is definite and there is no such place.
    ///
    /// # Errors
    /// The search took too much.
    pub fn find(&self, document: &Value) -> Result<Option<Value>, Error> {
        find::Visits::default().find(self, document, document)
    }
}
