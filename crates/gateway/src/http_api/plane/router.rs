//! Which route a request takes: a tree of path segments, so that an API of hundreds of routes is as quick as one of three.
//!
//! AWS's order: a path that matches whole, before one with a greedy variable (the longer first), before `$default`; at each
//! segment what is written out before a variable; at the end a method before `ANY`. What leads nowhere for the request's
//! method is gone back from.

use std::collections::HashMap;
use std::ops::Range;

use http::Method;

/// Where in the path each of a route's variables stands.
pub(super) type Captures = Vec<Range<usize>>;

/// The routes of a stage, by numbers.
#[derive(Debug, Default)]
pub(super) struct Router {
    root: Node,
    default: Option<usize>,
}

#[derive(Debug, Default)]
struct Node {
    literals: HashMap<Box<str>, Node>,
    variable: Option<Box<Node>>,
    /// Routes that end here.
    here: Methods,
    /// Routes whose greedy variable begins here.
    greedy: Methods,
}

#[derive(Debug, Default)]
struct Methods {
    named: Vec<(Method, usize)>,
    any: Option<usize>,
}

impl Methods {
    fn of(&self, method: &Method) -> Option<usize> {
        self.named.iter().find(|(named, _)| named == method).map(|(_, route)| *route).or(self.any)
    }

    fn add(&mut self, method: &str, route: usize) {
        match Method::from_bytes(method.as_bytes()) {
            _ if method == "ANY" => self.any = Some(route),
            Ok(method) => self.named.push((method, route)),
            Err(_) => {}
        }
    }
}

impl Router {
    /// Adds a route by its key: `GET /pets/{id}`, `ANY /{proxy+}`, `$default`. Gives its variables' names in order.
    pub(super) fn add(&mut self, key: &str, route: usize) -> Vec<String> {
        let Some((method, path)) = key.split_once(' ') else {
            self.default = Some(route);
            return Vec::new();
        };
        let (mut node, mut names) = (&mut self.root, Vec::new());
        for segment in path.trim_start_matches('/').split('/') {
            match segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
                None => node = node.literals.entry(segment.into()).or_default(),
                Some(name) => match name.strip_suffix('+') {
                    None => {
                        names.push(name.to_owned());
                        node = node.variable.get_or_insert_default();
                    }
                    Some(name) => {
                        names.push(name.to_owned());
                        node.greedy.add(method, route);
                        return names;
                    }
                },
            }
        }
        node.here.add(method, route);
        names
    }

    /// The route of a request and where in the path its variables stand. The path begins with a slash.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<(usize, Captures)> {
        let search = Search { method, path };
        let mut captures = Captures::new();
        let start = usize::from(path.starts_with('/'));
        let found = search.whole(&self.root, start, &mut captures);
        let found = found.or_else(|| {
            captures.clear();
            search.greedy(&self.root, start, &mut captures)
        });
        found.map(|route| (route, captures)).or_else(|| self.default.map(|route| (route, Captures::new())))
    }
}

struct Search<'a> {
    method: &'a Method,
    path: &'a str,
}

impl Search<'_> {
    /// The segment that begins here, and where the next one begins, if there is one.
    fn segment(&self, start: usize) -> (Range<usize>, Option<usize>) {
        match self.path[start..].find('/') {
            Some(length) => (start..start + length, Some(start + length + 1)),
            None => (start..self.path.len(), None),
        }
    }

    /// A route that matches all of the path from here.
    fn whole(&self, node: &Node, start: usize, captures: &mut Captures) -> Option<usize> {
        let (segment, next) = self.segment(start);
        let go_on = |child: &Node, captures: &mut Captures| match next {
            Some(next) => self.whole(child, next, captures),
            None => child.here.of(self.method),
        };
        if let Some(child) = node.literals.get(&self.path[segment.clone()])
            && let Some(route) = go_on(child, captures)
        {
            return Some(route);
        }
        let child = node.variable.as_deref().filter(|_| !segment.is_empty())?;
        captures.push(segment);
        let route = go_on(child, captures);
        if route.is_none() {
            captures.pop();
        }
        route
    }

    /// A route whose greedy variable stands for the rest of the path: as late as there is one.
    fn greedy(&self, node: &Node, start: usize, captures: &mut Captures) -> Option<usize> {
        let (segment, next) = self.segment(start);
        if let Some(next) = next {
            if let Some(child) = node.literals.get(&self.path[segment.clone()])
                && let Some(route) = self.greedy(child, next, captures)
            {
                return Some(route);
            }
            if let Some(child) = node.variable.as_deref().filter(|_| !segment.is_empty()) {
                captures.push(segment);
                if let Some(route) = self.greedy(child, next, captures) {
                    return Some(route);
                }
                captures.pop();
            }
        }
        let route = node.greedy.of(self.method).filter(|_| start < self.path.len())?;
        captures.push(start..self.path.len());
        Some(route)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn router(keys: &[&str]) -> Router {
        let mut router = Router::default();
        for (route, key) in keys.iter().enumerate() {
            router.add(key, route);
        }
        router
    }

    fn found(keys: &[&str], method: &str, path: &str) -> Option<String> {
        let (route, captures) = router(keys).find(&Method::from_bytes(method.as_bytes()).unwrap(), path)?;
        let values: Vec<&str> = captures.into_iter().map(|range| &path[range]).collect();
        Some(format!("{} {values:?}", keys[route]))
    }

    #[test]
    fn awss_own_examples() {
        let keys = ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];
        for (method, path, route) in [
            ("GET", "/pets/dog/1", "GET /pets/dog/1 []"),
            ("GET", "/pets/dog/2", r#"GET /pets/dog/{id} ["2"]"#),
            ("GET", "/pets/cat/1", r#"GET /pets/{proxy+} ["cat/1"]"#),
            ("POST", "/test/5", r#"ANY /{proxy+} ["test/5"]"#),
            ("GET", "/", "$default []"),
            ("GET", "/pets", r#"ANY /{proxy+} ["pets"]"#),
            ("GET", "/pets/", r#"ANY /{proxy+} ["pets/"]"#),
            ("POST", "/pets/dog/1", r#"ANY /{proxy+} ["pets/dog/1"]"#),
        ] {
            assert_eq!(found(&keys, method, path).as_deref(), Some(route), "{method} {path}");
        }
    }

    #[test]
    fn what_is_written_out_goes_before_variables_and_methods_before_any() {
        let keys =
            ["ANY /a/{x}", "GET /a/{x}", "ANY /a/b", "GET /{x}/c", "POST /a/{x}/d", "GET /{x}/{y}/{z+}", "GET /"];
        for (method, path, route) in [
            ("GET", "/a/q", Some(r#"GET /a/{x} ["q"]"#)),
            ("PUT", "/a/q", Some(r#"ANY /a/{x} ["q"]"#)),
            ("GET", "/a/b", Some("ANY /a/b []")),
            ("GET", "/a/c", Some(r#"GET /a/{x} ["c"]"#)),
            ("GET", "/b/c", Some(r#"GET /{x}/c ["b"]"#)),
            ("POST", "/a/b/d", Some(r#"POST /a/{x}/d ["b"]"#)),
            ("GET", "/a/b/d", Some(r#"GET /{x}/{y}/{z+} ["a", "b", "d"]"#)),
            ("GET", "/a/b/d/e/", Some(r#"GET /{x}/{y}/{z+} ["a", "b", "d/e/"]"#)),
            ("GET", "/a/b/", None),
            ("GET", "/a//d", None),
            ("GET", "/", Some("GET / []")),
            ("POST", "/", None),
            ("GET", "/a", None),
            ("GET", "/a/", None),
            ("GET", "", Some("GET / []")),
        ] {
            assert_eq!(found(&keys, method, path).as_deref(), route, "{method} {path}");
        }
    }

    #[test]
    fn the_longer_greedy_route_goes_first() {
        let keys = ["GET /{all+}", "GET /a/{rest+}", "ANY /a/b/{rest+}", "GET /{x}/b/{rest+}"];
        for (method, path, route) in [
            ("GET", "/a/b/c", Some(r#"ANY /a/b/{rest+} ["c"]"#)),
            ("GET", "/a/c/d", Some(r#"GET /a/{rest+} ["c/d"]"#)),
            ("GET", "/q/b/c", Some(r#"GET /{x}/b/{rest+} ["q", "c"]"#)),
            ("GET", "/q/c", Some(r#"GET /{all+} ["q/c"]"#)),
            ("POST", "/a/b/c", Some(r#"ANY /a/b/{rest+} ["c"]"#)),
            ("POST", "/a/c", None),
        ] {
            assert_eq!(found(&keys, method, path).as_deref(), route, "{method} {path}");
        }
    }

    #[test]
    fn deep_paths_end() {
        let path = "/a".repeat(10_000);
        assert_eq!(found(&["GET /a/{x}", "GET /{x}/a"], "GET", &path), None);
        assert!(found(&["GET /{all+}"], "GET", &path).is_some());
    }
}
