//! Which resource a path means. A segment that stands for itself goes before `{name}`, that before `{name+}`, which takes all
//! that is left. A resource that does not have the request's method is passed over, as on AWS: what is meant is the pair.
//!
//! Each segment is looked up, not compared with all; a tree's node is visited once at most, so that no path takes long.

use std::collections::HashMap;

/// A name in a path and what stands there, as it was sent.
pub(in crate::rest) type PathParameters<'t, 'p> = Vec<(&'t str, &'p str)>;

/// The resources of an API by their paths.
#[derive(Debug, Default)]
pub(in crate::rest) struct Tree {
    root: Node,
}

#[derive(Debug, Default)]
struct Node {
    resource: Option<usize>,
    fixed: HashMap<String, Node>,
    named: Option<Box<(String, Node)>>,
    greedy: Option<(String, usize)>,
}

impl Tree {
    /// A tree of these paths; each is then known by its position.
    pub(in crate::rest) fn new<'a>(paths: impl IntoIterator<Item = &'a str>) -> Tree {
        let mut tree = Tree::default();
        for (at, path) in paths.into_iter().enumerate() {
            tree.root.add(segments(path), at);
        }
        tree
    }

    /// The resource that a path means, of those that `has` what is asked for, and what stands at the names in its path.
    pub(in crate::rest) fn find<'t, 'p>(
        &'t self,
        path: &'p str,
        has: impl Fn(usize) -> bool,
    ) -> Option<(usize, PathParameters<'t, 'p>)> {
        let mut parameters = PathParameters::new();
        let found = self.root.find(segments(path), &has, &mut parameters)?;
        Some((found, parameters))
    }
}

/// The path without the slashes at its ends. (One at the end means nothing on AWS.)
fn segments(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

impl Node {
    fn add(&mut self, path: &str, at: usize) {
        if path.is_empty() {
            self.resource = Some(at);
            return;
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        match first.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None => self.fixed.entry(first.to_owned()).or_default().add(rest, at),
            Some(name) => match name.strip_suffix('+') {
                Some(name) => self.greedy = Some((name.to_owned(), at)),
                None => {
                    let (_, below) =
                        &mut **self.named.get_or_insert_with(|| Box::new((name.to_owned(), Node::default())));
                    below.add(rest, at);
                }
            },
        }
    }

    fn find<'t, 'p>(
        &'t self,
        path: &'p str,
        has: &impl Fn(usize) -> bool,
        parameters: &mut PathParameters<'t, 'p>,
    ) -> Option<usize> {
        if path.is_empty() {
            return self.resource.filter(|at| has(*at));
        }
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        if let Some(found) = self.fixed.get(first).and_then(|node| node.find(rest, has, parameters)) {
            return Some(found);
        }
        if let Some((name, node)) = self.named.as_deref().filter(|_| !first.is_empty()) {
            parameters.push((name, first));
            if let Some(found) = node.find(rest, has, parameters) {
                return Some(found);
            }
            parameters.pop();
        }
        let (name, at) = self.greedy.as_ref().filter(|(_, at)| has(*at))?;
        parameters.push((name, path));
        Some(*at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATHS: [&str; 10] = [
        "/",
        "/pets",
        "/pets/{id}",
        "/pets/{id}/toys",
        "/pets/top",
        "/pets/top/ten",
        "/files/{path+}",
        "/files/index",
        "/{kind}/of/{what}",
        "/{any+}",
    ];

    fn find(path: &str, has: impl Fn(usize) -> bool) -> Option<(&'static str, Vec<(String, String)>)> {
        let tree = Tree::new(PATHS);
        let (at, parameters) = tree.find(path, has)?;
        Some((PATHS[at], parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()))
    }

    #[test]
    fn the_most_exact_path_is_meant() {
        for (path, resource, parameters) in [
            ("/", "/", vec![]),
            ("", "/", vec![]),
            ("/pets", "/pets", vec![]),
            ("/pets/", "/pets", vec![]),
            ("/pets/7", "/pets/{id}", vec![("id", "7")]),
            ("/pets/a%2Fb", "/pets/{id}", vec![("id", "a%2Fb")]),
            ("/pets/top", "/pets/top", vec![]),
            ("/pets/top/ten", "/pets/top/ten", vec![]),
            ("/pets/top/toys", "/pets/{id}/toys", vec![("id", "top")]),
            ("/pets/7/toys", "/pets/{id}/toys", vec![("id", "7")]),
            ("/pets/of/x", "/{kind}/of/{what}", vec![("kind", "pets"), ("what", "x")]),
            ("/pets/7/other", "/{any+}", vec![("any", "pets/7/other")]),
            ("/files/a/b/", "/files/{path+}", vec![("path", "a/b")]),
            ("/files/index", "/files/index", vec![]),
            ("/files", "/{any+}", vec![("any", "files")]),
            ("/pets//toys", "/{any+}", vec![("any", "pets//toys")]),
        ] {
            let expected = parameters.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(find(path, |_| true), Some((resource, expected)), "{path}");
        }
        assert_eq!(Tree::new(["/", "/a/{x}"]).find("/a", |_| true), None);
        assert_eq!(Tree::new(["/{x+}"]).find("/", |_| true), None);
    }

    #[test]
    fn a_resource_without_the_method_is_passed_over() {
        let not = |path: &'static str| move |at: usize| PATHS[at] != path;
        assert_eq!(find("/pets/top", not("/pets/top")).unwrap().0, "/pets/{id}");
        assert_eq!(find("/pets", not("/pets")).unwrap().0, "/{any+}");
        assert_eq!(find("/files/a", not("/files/{path+}")).unwrap().0, "/{any+}");
        assert_eq!(find("/pets/7", |_| false), None);
    }
}
