//! Routing by method, path and constant query parts: Smithy's `http` trait, read backwards.
//!
//! Paths are split at their raw slashes and decoded after, so that `arn%3A…%2F…` is one label. A trailing slash makes no
//! difference, as on AWS (ListFunctions is `/2015-03-31/functions/` in the model and `…/functions` in practice), except
//! to a greedy label, which keeps it. The most literal route wins.

use super::percent;

/// Label values by the label's name, decoded.
pub type Labels = Vec<(&'static str, String)>;

/// An operation's HTTP binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpBinding {
    /// The method, in capitals.
    pub method: &'static str,
    /// The template: `/2015-03-31/functions/{FunctionName}/code`, `/{Bucket}/{Key+}?acl`.
    pub uri: &'static str,
    /// The status of success, unless a `status_code` member says otherwise.
    pub status: u16,
}

/// A matched route.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The operation: its position in the list the router was built from.
    pub operation: usize,
    /// The path's labels.
    pub labels: Labels,
}

/// No route matched.
#[derive(Debug, PartialEq, Eq)]
pub enum Miss {
    /// Nothing has this path: AWS answers 404 `UnknownOperationException`.
    Path,
    /// The path exists with these methods only: 405, and these are `Allow`.
    Method(Vec<&'static str>),
}

/// Finds operations by request line. Build once for each service.
#[derive(Debug)]
pub struct RestRouter {
    /// Most literal first.
    routes: Vec<Route>,
}

#[derive(Debug)]
struct Route {
    method: &'static str,
    segments: Vec<Segment>,
    query: Vec<(&'static str, Option<&'static str>)>,
    operation: usize,
}

/// Ordered by precedence.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(&'static str),
    Label(&'static str),
    Greedy(&'static str),
}

impl RestRouter {
    /// A router over these operations; those without a binding have no route.
    pub fn new(bindings: impl IntoIterator<Item = Option<HttpBinding>>) -> RestRouter {
        let bound = bindings.into_iter().enumerate().filter_map(|(at, binding)| Some((at, binding?)));
        let mut routes: Vec<Route> = bound.map(|(operation, binding)| Route::new(operation, &binding)).collect();
        routes.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.query.len().cmp(&a.query.len())));
        RestRouter { routes }
    }

    /// The operation for this method, raw path and raw query string.
    pub fn find(&self, method: &str, path: &str, query: Option<&str>) -> Result<Found, Miss> {
        let query = query.unwrap_or_default();
        let path: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        let mut methods = Vec::new();
        for route in &self.routes {
            if !route.accepts(&path, query) {
                continue;
            }
            if route.method == method {
                return Ok(Found { operation: route.operation, labels: route.labels(&path) });
            }
            if !methods.contains(&route.method) {
                methods.push(route.method);
            }
        }
        Err(if methods.is_empty() { Miss::Path } else { Miss::Method(methods) })
    }
}

/// Segment by segment, a literal before a label before a greedy one before nothing: `/portals/{Arn+}/settings` must be
/// tried before `/portals/{Arn+}`, which would take it all.
fn rank(route: &Route) -> Vec<u8> {
    let order = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Label(_) => 1,
        Segment::Greedy(_) => 2,
    };
    route.segments.iter().map(order).chain([3]).collect()
}

impl Route {
    fn new(operation: usize, binding: &HttpBinding) -> Route {
        let (path, query) = binding.uri.split_once('?').unwrap_or((binding.uri, ""));
        let segments = path.split('/').filter(|segment| !segment.is_empty()).map(segment).collect();
        let query = query.split('&').filter(|part| !part.is_empty());
        let query = query.map(|part| part.split_once('=').map_or((part, None), |(k, v)| (k, Some(v)))).collect();
        Route { method: binding.method, segments, query, operation }
    }

    fn accepts(&self, path: &[&str], query: &str) -> bool {
        self.accepts_path(path)
            && self.query.iter().all(|(key, value)| match (percent::find(query, key), value) {
                (Some(found), Some(value)) => found == *value,
                (found, _) => found.is_some(),
            })
    }

    fn accepts_path(&self, path: &[&str]) -> bool {
        let mut rest = path;
        for (at, segment) in self.segments.iter().enumerate() {
            let after = self.segments.len() - at - 1;
            match (segment, rest) {
                (Segment::Literal(literal), [found, ..]) if same(literal, found) => rest = &rest[1..],
                (Segment::Label(_), [found, ..]) if !found.is_empty() => rest = &rest[1..],
                (Segment::Greedy(_), [found, ..]) if !found.is_empty() && rest.len() > after => {
                    rest = &rest[rest.len() - after..];
                }
                _ => return false,
            }
        }
        matches!(rest, [] | [""])
    }

    fn labels(&self, path: &[&str]) -> Labels {
        let mut labels = Vec::with_capacity(2);
        let mut from = 0;
        for (at, segment) in self.segments.iter().enumerate() {
            match segment {
                Segment::Literal(_) => from += 1,
                Segment::Label(name) => {
                    labels.push((*name, percent::decode(path[from], false).into_owned()));
                    from += 1;
                }
                Segment::Greedy(name) => {
                    let until = path.len() - (self.segments.len() - at - 1);
                    let parts: Vec<_> = path[from..until].iter().map(|part| percent::decode(part, false)).collect();
                    labels.push((*name, parts.join("/")));
                    from = until;
                }
            }
        }
        labels
    }
}

fn segment(text: &'static str) -> Segment {
    match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        None => Segment::Literal(text),
        Some(label) => match label.strip_suffix('+') {
            Some(label) => Segment::Greedy(label),
            None => Segment::Label(label),
        },
    }
}

fn same(literal: &str, found: &str) -> bool {
    literal == found || found.contains('%') && percent::decode(found, false) == literal
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROUTES: &[(&str, &str)] = &[
        ("GET", "/2015-03-31/functions/"),
        ("POST", "/2015-03-31/functions"),
        ("GET", "/2015-03-31/functions/{FunctionName}"),
        ("DELETE", "/2015-03-31/functions/{FunctionName}"),
        ("GET", "/2015-03-31/functions/special"),
        ("GET", "/tags/{Resource+}"),
        ("GET", "/bucket/{Key+}/tail"),
        ("GET", "/bucket/{Key+}/tail?acl"),
        ("GET", "/bucket/{Key+}/tail?kind=x"),
    ];

    fn router() -> RestRouter {
        RestRouter::new(ROUTES.iter().map(|(method, uri)| Some(HttpBinding { method, uri, status: 200 })))
    }

    fn found(method: &str, path: &str, query: Option<&str>) -> Result<(usize, Vec<String>), Miss> {
        router().find(method, path, query).map(|f| (f.operation, f.labels.into_iter().map(|(_, v)| v).collect()))
    }

    #[test]
    fn the_most_literal_route_wins_and_labels_are_decoded() {
        assert_eq!(found("GET", "/2015-03-31/functions", None), Ok((0, vec![])));
        assert_eq!(found("GET", "/2015-03-31/functions/", None), Ok((0, vec![])));
        assert_eq!(found("POST", "/2015-03-31/functions/", None), Ok((1, vec![])));
        assert_eq!(found("GET", "/2015-03-31/functions/special", None), Ok((4, vec![])));
        let arn = "arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af%2Fx";
        let decoded = "arn:aws:lambda:us-east-1:000000000000:function:f/x".to_owned();
        assert_eq!(found("GET", &format!("/2015-03-31/functions/{arn}/"), None), Ok((2, vec![decoded])));
        assert_eq!(found("GET", "/tags/a/b%20c/", None), Ok((5, vec!["a/b c/".to_owned()])));
        assert_eq!(found("GET", "/bucket/a/b/tail", Some("x=1")), Ok((6, vec!["a/b".to_owned()])));
        assert_eq!(found("GET", "/bucket/a/b/tail", Some("acl")), Ok((7, vec!["a/b".to_owned()])));
        assert_eq!(found("GET", "/bucket/a/tail", Some("kind=x")), Ok((8, vec!["a".to_owned()])));
    }

    #[test]
    fn misses_tell_path_from_method() {
        assert_eq!(found("GET", "/elsewhere", None), Err(Miss::Path));
        assert_eq!(found("GET", "", None), Err(Miss::Path));
        assert_eq!(found("GET", "/bucket/tail", None), Err(Miss::Path));
        assert_eq!(found("GET", "/2015-03-31/functions//x", None), Err(Miss::Path));
        let Err(Miss::Method(mut methods)) = found("PUT", "/2015-03-31/functions/f", None) else {
            panic!("the path exists");
        };
        methods.sort_unstable();
        assert_eq!(methods, ["DELETE", "GET"]);
    }
}
