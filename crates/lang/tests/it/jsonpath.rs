//! Paths, held against what Jayway's library itself finds (`tests/data/jayway.json`).

use lang::jsonpath::Path;
use lang::vtl::{List, Meter, Rules, Value, json};
use proptest::prelude::*;
use serde_json::Value as Json;

fn recorded() -> Json {
    serde_json::from_str(include_str!("../data/jayway.json")).unwrap()
}

fn find(path: &str, document: &Value) -> Result<Option<String>, String> {
    let found = Path::parse(path).and_then(|path| path.find(document)).map_err(|error| error.to_string())?;
    Ok(found.map(|value| json::write(&value, &Meter::new(Rules::default())).unwrap()))
}

/// What differs on purpose: Jayway 2.4 takes an open bracket at the end, refuses blanks in slices, and does not know how to
/// read `anyof` yet.
const LENIENT: [&str; 3] = ["$.store.book[", "$.nums[1 : 3]", "$.objs[?(@.k anyof [2,9])]"];

#[test]
fn finds_as_jayway() {
    let recorded = recorded();
    let document = json::read(recorded["document"].as_str().unwrap()).unwrap();
    let mut wrong = Vec::new();
    for case in recorded["cases"].as_array().unwrap() {
        let path = case["path"].as_str().unwrap();
        if LENIENT.contains(&path) {
            continue;
        }
        let got = find(path, &document);
        let good = match (&got, case["error"].as_str()) {
            (Err(_), Some("invalid")) | (Ok(None), Some("absent")) => true,
            (Ok(Some(got)), None) => case["json"] == got.as_str(),
            _ => false,
        };
        if !good {
            wrong.push(format!("{path}\n  wanted {case}\n  got    {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn documents_keep_order_and_numbers() {
    let text = r#"{"z":1,"a":[1.0,12345678901234567890,0.12345678901234567890,-0.5,1e3],"m":"\u00e9\ud834\udd1e\n/\"","n":{}}"#;
    let document = json::read(text).unwrap();
    assert_eq!(
        find("$", &document),
        Ok(Some(
            r#"{"z":1,"a":[1.0,12345678901234567890,0.12345678901234567890,-0.5,1000.0],"m":"é𝄞\n/\"","n":{}}"#
                .to_owned()
        ))
    );
    for wrong in [
        "",
        "{",
        "[1,",
        "{\"a\"}",
        "{'a':1}",
        "[1]x",
        "tru",
        "01x",
        "-",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "{\"a\":1,}",
        "nul",
    ] {
        assert!(json::read(wrong).is_err(), "{wrong}");
    }
    assert!(json::read(&"[".repeat(100_000)).is_err());
    assert!(json::read(&format!("{}{}", "[".repeat(100), "]".repeat(100))).is_ok());
}

#[test]
fn searches_end() {
    let document = json::read(&format!("{}1{}", "[[".repeat(45), "],0]".repeat(45))).unwrap();
    let error = find(&format!("${}", "..*".repeat(12)), &document).unwrap_err();
    assert!(error.contains("too many"), "{error}");
    let list: Value = Value::List(List::of((0..3_000_i64).map(Value::Integer).collect()));
    let error = find("$[?($[?(@ > 0)])]", &list).unwrap_err();
    assert!(error.contains("too many"), "{error}");
    for path in [
        "$[?(".repeat(2_000),
        "$[?(!".repeat(500),
        format!("$[?({}@.a)]", "!".repeat(5_000)),
        format!("$[?({})]", "(".repeat(5_000)),
    ] {
        assert!(Path::parse(&path).is_err(), "{path}");
    }
    assert!(Path::parse(&".a".repeat(10_000)).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(&[
        "$", "@", ".", "..", "*", "[", "]", "[?(", ")]", "(", ")", "a", "store", "book", "'a'", "\"b\"", "0", "-1", ":", ",", " ",
        "==", "<", "=~", "/x/", "/(/", "&&", "||", "!", "in", "[1]", ".length()", ".sum()", "null", "1.5", "ü",
    ][..]), 0..20)) {
        let document = json::read(recorded()["document"].as_str().unwrap()).unwrap();
        let _ = find(&pieces.concat(), &document);
    }

    #[test]
    fn any_document(text in ".{0,100}") {
        let _ = json::read(&text);
    }

    /// What serde_json writes is read back as the same.
    #[test]
    fn documents_round_trip(keys in prop::collection::vec(".{0,8}", 0..5), number in any::<f64>(), whole in any::<i64>()) {
        prop_assume!(number.is_finite());
        let document: Json = keys.iter().map(|key| (key.clone(), serde_json::json!([key, whole, null, true, {"n": number}]))).collect();
        let value = json::read(&document.to_string()).unwrap();
        let back: Json = serde_json::from_str(&json::write(&value, &Meter::new(Rules::default())).unwrap()).unwrap();
        prop_assert_eq!(back, document);
    }
}
