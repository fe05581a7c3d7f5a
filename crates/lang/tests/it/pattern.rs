//! Event patterns, held against documents: data in, decisions out.

use lang::pattern::Pattern;
use proptest::prelude::*;
use serde_json::{Value, json};

#[track_caller]
fn check(pattern: Value, good: &[Value], bad: &[Value]) {
    let read = Pattern::parse(&pattern.to_string()).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    for document in good {
        assert!(read.matches(document), "{pattern} should match {document}");
    }
    for document in bad {
        assert!(!read.matches(document), "{pattern} should not match {document}");
    }
}

#[test]
fn literals() {
    check(json!({"a": ["x"]}), &[json!({"a": "x", "b": 1}), json!({"a": ["y", "x"]})], &[json!({}), json!({"a": "y"})]);
    check(json!({"a": [1]}), &[json!({"a": 1}), json!({"a": 1.0})], &[json!({"a": "1"}), json!({"a": true})]);
    check(json!({"a": [null]}), &[json!({"a": null})], &[json!({}), json!({"a": "null"}), json!({"a": 0})]);
    check(json!({"a": [true, ""]}), &[json!({"a": true}), json!({"a": ""})], &[json!({"a": "true"})]);
    check(json!({"a": ["x"], "b": [2]}), &[json!({"a": "x", "b": 2})], &[json!({"a": "x"}), json!({"b": 2})]);
}

#[test]
fn nesting() {
    let pattern = json!({"a": {"b": {"c": ["x"]}}});
    check(pattern.clone(), &[json!({"a": {"b": {"c": "x"}}})], &[json!({"a": {"b": "x"}}), json!({"a": 1}), json!(7)]);
    check(pattern, &[json!({"a": [{"b": 1}, {"b": {"c": "x"}}]})], &[json!({"a": []})]);
    let same_element = json!({"a": {"x": [1], "y": [2]}});
    check(same_element, &[json!({"a": [{"x": 1, "y": 2}]})], &[json!({"a": [{"x": 1}, {"y": 2}]})]);
}

#[test]
fn texts() {
    check(json!({"a": [{"prefix": "ab"}]}), &[json!({"a": "abc"})], &[json!({"a": "xab"}), json!({"a": 1}), json!({})]);
    check(json!({"a": [{"suffix": ".png"}]}), &[json!({"a": "x.png"})], &[json!({"a": "x.PNG"})]);
    check(json!({"a": [{"equals-ignore-case": "Alice"}]}), &[json!({"a": "aLICE"})], &[json!({"a": "alic"})]);
    check(json!({"a": [{"prefix": {"equals-ignore-case": "ab"}}]}), &[json!({"a": "ABc"})], &[json!({"a": "a"})]);
    check(json!({"a": [{"suffix": {"equals-ignore-case": ".Png"}}]}), &[json!({"a": "x.pNG"})], &[json!({"a": "g"})]);
    let wildcard = json!({"a": [{"wildcard": "/*/bin/*.rs"}]});
    check(wildcard, &[json!({"a": "/x/y/bin/z.rs"})], &[json!({"a": "/bin/z.rs"}), json!({"a": "/x/bin/z.rst"})]);
    check(json!({"a": [{"wildcard": "a*a"}]}), &[json!({"a": "aa"}), json!({"a": "aba"})], &[json!({"a": "a"})]);
    check(json!({"a": [{"wildcard": r"\*\\*"}]}), &[json!({"a": r"*\x"})], &[json!({"a": "x"})]);
}

#[test]
fn anything_but() {
    check(
        json!({"a": [{"anything-but": "x"}]}),
        &[json!({"a": "y"}), json!({"a": 1})],
        &[json!({"a": "x"}), json!({})],
    );
    check(json!({"a": [{"anything-but": [1, 2]}]}), &[json!({"a": 3})], &[json!({"a": 2.0})]);
    check(json!({"a": [{"anything-but": {"prefix": "x"}}]}), &[json!({"a": "ax"})], &[json!({"a": "xa"})]);
    check(json!({"a": [{"anything-but": {"suffix": ["x", "y"]}}]}), &[json!({"a": "xz"})], &[json!({"a": "zy"})]);
    check(json!({"a": [{"anything-but": {"wildcard": "*x*"}}]}), &[json!({"a": "y"})], &[json!({"a": "yxy"})]);
    check(json!({"a": [{"anything-but": {"equals-ignore-case": ["X"]}}]}), &[json!({"a": "y"})], &[json!({"a": "x"})]);
}

#[test]
fn numbers() {
    check(
        json!({"a": [{"numeric": [">", 0, "<=", 5]}]}),
        &[json!({"a": 5}), json!({"a": 0.1})],
        &[json!({"a": 0}), json!({"a": 5.01}), json!({"a": "3"}), json!({})],
    );
    check(json!({"a": [{"numeric": ["=", 3.018e2]}]}), &[json!({"a": 301.8})], &[json!({"a": 301})]);
    check(json!({"a": [{"numeric": ["<", -1]}]}), &[json!({"a": -2})], &[json!({"a": -1})]);
}

#[test]
fn presence() {
    check(json!({"a": [{"exists": true}]}), &[json!({"a": null}), json!({"a": []})], &[json!({}), json!({"a": {}})]);
    check(json!({"a": [{"exists": false}]}), &[json!({}), json!({"b": 1})], &[json!({"a": null})]);
    check(json!({"a": {"b": [{"exists": false}]}}), &[json!({}), json!({"a": {"c": 1}})], &[json!({"a": {"b": 1}})]);
    check(json!({"a": [{"exists": false}, "x"]}), &[json!({}), json!({"a": "x"})], &[json!({"a": "y"})]);
}

#[test]
fn networks() {
    check(json!({"a": [{"cidr": "10.0.0.0/24"}]}), &[json!({"a": "10.0.0.255"})], &[json!({"a": "10.0.1.0"})]);
    check(json!({"a": [{"cidr": "2001:db8::/32"}]}), &[json!({"a": "2001:db8:1::1"})], &[json!({"a": "10.0.0.1"})]);
    check(json!({"a": [{"cidr": "0.0.0.0/0"}]}), &[json!({"a": "1.2.3.4"})], &[json!({"a": "nowhere"})]);
}

#[test]
fn alternatives() {
    check(
        json!({"s": ["x"], "$or": [{"a": [1]}, {"b": {"c": [2]}}]}),
        &[json!({"s": "x", "a": 1}), json!({"s": "x", "b": {"c": 2}})],
        &[json!({"s": "x"}), json!({"a": 1}), json!({"s": "x", "a": 2, "b": {"c": 3}})],
    );
    check(json!({"$or": ["x"]}), &[json!({"$or": "x"})], &[json!({})]);
    check(json!({"d": {"$or": [{"a": [1]}, {"a": [2]}]}}), &[json!({"d": {"a": 2}})], &[json!({"d": {"a": 3}})]);
}

#[test]
fn what_is_no_pattern_is_refused() {
    for text in [
        "",
        "[]",
        "{",
        "null",
        "{}",
        r#"{"a": "x"}"#,
        r#"{"a": []}"#,
        r#"{"a": 1}"#,
        r#"{"a": {}}"#,
        r#"{"a": [["x"]]}"#,
        r#"{"a": [{"prefix": 1}]}"#,
        r#"{"a": [{"prefix": ""}]}"#,
        r#"{"a": [{"unknown": "x"}]}"#,
        r#"{"a": [{"prefix": "x", "suffix": "y"}]}"#,
        r#"{"a": [{"exists": "yes"}]}"#,
        r#"{"a": [{"numeric": []}]}"#,
        r#"{"a": [{"numeric": [">"]}]}"#,
        r#"{"a": [{"numeric": [">", "1"]}]}"#,
        r#"{"a": [{"numeric": [">", 5, "<", 1]}]}"#,
        r#"{"a": [{"numeric": ["<", 1, ">", 0]}]}"#,
        r#"{"a": [{"numeric": ["=", 6e9]}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0"}]}"#,
        r#"{"a": [{"cidr": "10.0.0.0/33"}]}"#,
        r#"{"a": [{"wildcard": "a**"}]}"#,
        r#"{"a": [{"wildcard": "\\x"}]}"#,
        r#"{"a": [{"anything-but": []}]}"#,
        r#"{"a": [{"anything-but": {"numeric": [">", 1]}}]}"#,
        r#"{"a": [{}]}"#,
    ] {
        assert!(Pattern::parse(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(pattern in ".{0,80}", document in ".{0,80}") {
        let document: Value = serde_json::from_str(&document).unwrap_or(Value::String(document));
        if let Ok(pattern) = Pattern::parse(&pattern) {
            pattern.matches(&document);
        }
    }

    #[test]
    fn wildcards_agree_with_a_plain_search(text in "[ab]{0,8}", pieces in proptest::collection::vec("[ab]{1,2}", 1..4)) {
        let read = Pattern::parse(&json!({"t": [{"wildcard": pieces.join("*")}]}).to_string()).unwrap();
        prop_assert_eq!(read.matches(&json!({"t": text.clone()})), searched(&pieces, &text));
    }
}

/// Tries every place for every piece.
fn searched(pieces: &[String], text: &str) -> bool {
    match pieces {
        [] => text.is_empty(),
        [only] => text == only,
        [first, rest @ ..] => {
            text.strip_prefix(first.as_str()).is_some_and(|left| (0..=left.len()).any(|at| searched(rest, &left[at..])))
        }
    }
}
