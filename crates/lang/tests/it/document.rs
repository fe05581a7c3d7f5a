//! JSON and YAML, one value for both; and what wants too much.

use lang::document::{Limits, read, write_yaml};
use proptest::prelude::*;
use serde_json::{Value, json};

fn good(text: &str) -> Value {
    read(text, &Limits::default()).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn refused(text: &str, wanted: &str) {
    let error = read(text, &Limits::default()).expect_err(text).to_string();
    assert!(error.contains(wanted), "{error}");
}

#[test]
fn both_dialects() {
    assert_eq!(good(r#" {"a": [1, null, "x"]}"#), json!({"a": [1, null, "x"]}));
    assert_eq!(good("a:\n- 1\n- ~\n- x\n"), json!({"a": [1, null, "x"]}));
    assert_eq!(good("{a: [1, 'b']}"), json!({"a": [1, "b"]}));
    let yaml = "version: 2012-10-17\nyes: yes\noct: 0o17\nhex: 0x1F\nfloat: 1.50\nint: -3\nq: \"12\"\ns: '1'\nbig: 99999999999999999999\n\
                200: ok\ntrue: t\nempty:\ntext: |\n  a\n  b\nfold: >\n  a\n  b\ntagged: !!str 7\nip: 1.2.3.4\n";
    assert_eq!(
        good(yaml),
        json!({
            "version": "2012-10-17", "yes": "yes", "oct": 15, "hex": 31, "float": 1.5, "int": -3, "q": "12", "s": "1",
            "big": "99999999999999999999", "200": "ok", "true": "t", "empty": null, "text": "a\nb\n", "fold": "a b\n", "tagged": "7",
            "ip": "1.2.3.4",
        })
    );
    assert_eq!(
        good("base: &b {x: 1, y: 2}\none: {<<: *b, y: 3}\ntwo: {<<: [*b, {z: 4}]}\nlist: [*b]\n"),
        json!({"base": {"x": 1, "y": 2}, "one": {"x": 1, "y": 3}, "two": {"x": 1, "y": 2, "z": 4}, "list": [{"x": 1, "y": 2}]})
    );
}

#[test]
fn what_is_no_document() {
    refused("", "empty");
    refused("a: 1\na: 2\n", "twice");
    refused("a: *nobody\n", "");
    refused("---\na\n---\nb\n", "more than one");
    refused("? [a]\n: b\n", "no text");
    refused("{\"a\": ", "EOF");
}

#[test]
fn what_wants_too_much() {
    refused(&"[".repeat(100_000), "");
    refused(&"{\"a\":".repeat(100_000), "");
    refused(&"- ".repeat(100_000), "too deep");
    refused(&"{a: ".repeat(100_000), "");
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}, ", level - 1).repeat(10);
        laughs.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    refused(&laughs, "too many values");
    // Aliases within each other's lists are as deep as what they stand for: ninety levels, a hundred times.
    let lists = |inner: &str| format!("{}{inner}{}", "[".repeat(90), "]".repeat(90));
    let mut deep = format!("a0: &a0 {}\n", lists("x"));
    for level in 1..100 {
        deep.push_str(&format!("a{level}: &a{level} {}\n", lists(&format!("*a{}", level - 1))));
    }
    refused(&deep, "too deep");
    good(&format!("a: &a {}\nb: [[*a]]\n", lists("x")));
    // One long text is many of them.
    refused(&format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), "*a, ".repeat(1_000)), "too much text");
    // An anchor within itself names what is not there yet.
    refused("a: &a [*a]\n", "");
    refused(&"x".repeat(7 << 20), "longer than");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_text(text in "[-\\[\\]{}:,&*a<|>'\"#?! \n\t0-9~.x%@]{0,60}") {
        let _ = read(&text, &Limits::default());
    }

    /// What is written as YAML is read as the same.
    #[test]
    fn yaml_round_trips(
        keys in prop::collection::vec(".{0,6}", 0..4), texts in prop::collection::vec("(?s).{0,12}", 0..4), number in any::<i64>()
    ) {
        let inner: Value = keys.iter().zip(&texts).map(|(key, text)| (key.clone(), json!(text))).collect();
        let value = json!({"list": [inner, [texts, []], number, null, {"deep": {"er": [1, {"x": inner}]}}], "k": inner, "e": {}, "f": 1.5});
        prop_assert_eq!(good(&write_yaml(&value)), value);
    }
}
