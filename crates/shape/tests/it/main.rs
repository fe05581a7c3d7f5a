//! What the derive makes of a declaration, and what validation says of values.

use std::collections::BTreeMap;

use shape::{Kind, Place, Shape, Value, validate};

#[derive(Shape, Debug, Clone, PartialEq)]
#[shape(length(1..=3), pattern = "[a-z]+")]
struct Word(String);

#[derive(Shape, Debug, Clone, PartialEq)]
enum State {
    Active,
    #[shape(value = "x86_64")]
    X86,
    #[shape(unknown)]
    Other(String),
}

#[derive(Shape, Debug, Clone, PartialEq)]
#[shape(union, rename_all = "camelCase")]
enum Choice {
    Text(Word),
    Nested(Box<Thing>),
}

#[derive(Shape, Debug, Clone, PartialEq)]
struct Thing {
    #[shape(label, length(1..=5))]
    function_name: String,
    #[shape(query = "Qualifier")]
    qualifier: Option<String>,
    #[shape(range(1..=10))]
    size: Option<i32>,
    state: Option<State>,
    words: Option<Vec<Word>>,
    #[shape(name = "sub")]
    nested: Option<Box<Thing>>,
    choice: Option<Choice>,
    tags: Option<BTreeMap<String, Word>>,
}

fn thing(name: &str) -> Thing {
    Thing {
        function_name: name.to_owned(),
        qualifier: None,
        size: None,
        state: None,
        words: None,
        nested: None,
        choice: None,
        tags: None,
    }
}

fn refusal(thing: Thing) -> String {
    validate::check(Thing::SCHEMA, &thing.into_value()).expect_err("must be refused").message
}

#[test]
fn a_struct_gives_its_schema() {
    let members = Thing::SCHEMA.members();
    assert_eq!(members[0].name, "FunctionName");
    assert!(members[0].required && !members[1].required);
    assert_eq!(members[1].place, Place::Query("Qualifier"));
    assert_eq!(members[5].name, "sub");
    assert_eq!(members[5].target().name, "Thing", "a shape may contain itself");
    assert!(matches!(State::SCHEMA.kind, Kind::Enum(["Active", "x86_64"])));
    assert_eq!(Choice::SCHEMA.members()[0].name, "text");
}

#[test]
fn values_convert_both_ways() {
    let whole = Thing {
        qualifier: Some("1".into()),
        size: Some(7),
        state: Some(State::X86),
        words: Some(vec![Word("ab".into())]),
        nested: Some(Box::new(thing("in"))),
        choice: Some(Choice::Nested(Box::new(thing("un")))),
        tags: Some(BTreeMap::from([("k".to_owned(), Word("v".into()))])),
        ..thing("f")
    };
    assert_eq!(Thing::from_value(whole.clone().into_value()), Ok(whole));
    assert_eq!(State::from_value(Value::String("new".into())), Ok(State::Other("new".into())));
    assert!(Thing::from_value(Value::Bool(true)).is_err());
}

#[test]
fn violations_are_worded_as_aws_words_them() {
    assert!(validate::check(Thing::SCHEMA, &thing("good").into_value()).is_ok());
    let missing = validate::check(Thing::SCHEMA, &Value::empty(Thing::SCHEMA)).expect_err("required").message;
    assert_eq!(
        missing,
        "1 validation error detected: Value null at 'functionName' failed to satisfy constraint: Member must not be null"
    );
    assert_eq!(
        refusal(Thing { size: Some(11), ..thing("too long") }),
        "2 validation errors detected: Value 'too long' at 'functionName' failed to satisfy constraint: Member must have \
         length less than or equal to 5; Value '11' at 'size' failed to satisfy constraint: Member must have value less \
         than or equal to 10"
    );
    assert_eq!(
        refusal(Thing { state: Some(State::Other("odd".into())), ..thing("f") }),
        "1 validation error detected: Value 'odd' at 'state' failed to satisfy constraint: Member must satisfy enum \
         value set: [Active, x86_64]"
    );
    assert_eq!(
        refusal(Thing { words: Some(vec![Word("ok".into()), Word("NO".into())]), ..thing("f") }),
        "1 validation error detected: Value '[ok, NO]' at 'words' failed to satisfy constraint: Member must satisfy \
         constraint: [Member must have length less than or equal to 3, Member must have length greater than or equal to \
         1, Member must satisfy regular expression pattern: [a-z]+, Member must not be null]"
    );
    assert!(refusal(Thing { nested: Some(Box::new(thing(""))), ..thing("f") }).contains("at 'sub.functionName'"));
}
