//! Cross-origin resource sharing: a URL's settings. A URL without any says nothing of its own, and the function may. What
//! browsers are told by them is in `cloud::proxy::cors`.

use cloud::proxy::cors::{Policy, Settings};
use serde::{Deserialize, Serialize};
use shape::Shape;

/// A URL's settings for browsers.
#[derive(Shape, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cors {
    /// Whether cookies and other credentials may come along.
    pub allow_credentials: Option<bool>,
    /// Headers that requests may have.
    #[shape(length(0..=100))]
    pub allow_headers: Option<Vec<CorsHeader>>,
    /// Methods that requests may have; `*` is all.
    #[shape(length(0..=6))]
    pub allow_methods: Option<Vec<CorsMethod>>,
    /// Pages that may send requests; `*` is all.
    #[shape(length(0..=100))]
    pub allow_origins: Option<Vec<CorsOrigin>>,
    /// Headers of answers that pages may see.
    #[shape(length(0..=100))]
    pub expose_headers: Option<Vec<CorsHeader>>,
    /// How many seconds browsers may remember all this.
    #[shape(range(0..=86_400))]
    pub max_age: Option<i32>,
}

/// A header's name.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Header", length(0..=1024), pattern = ".*")]
pub struct CorsHeader(pub String);

/// A method. AWS allows six characters, which is how it refuses `OPTIONS`.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Method", length(0..=6), pattern = ".*")]
pub struct CorsMethod(pub String);

/// An origin: scheme, host and perhaps port.
#[derive(Shape, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[shape(name = "Origin", length(1..=253), pattern = ".*")]
pub struct CorsOrigin(pub String);

impl Cors {
    /// As it is kept and shown: AWS writes names of headers small.
    pub(crate) fn kept(mut self) -> Cors {
        let headers = self.allow_headers.iter_mut().chain(&mut self.expose_headers).flatten();
        headers.for_each(|header| header.0.make_ascii_lowercase());
        self
    }

    /// What browsers are told.
    pub(super) fn policy(&self) -> Policy {
        let names = |names: &Option<Vec<CorsHeader>>| names.iter().flatten().map(|one| one.0.clone()).collect();
        Policy::new(Settings {
            credentials: self.allow_credentials == Some(true),
            origins: self.allow_origins.iter().flatten().map(|one| one.0.clone()).collect(),
            methods: self.allow_methods.iter().flatten().map(|one| one.0.clone()).collect(),
            headers: names(&self.allow_headers),
            exposed: names(&self.expose_headers),
            max_age_secs: self.max_age,
        })
    }
}
