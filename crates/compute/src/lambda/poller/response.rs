//! What a function's answer says about its batch (`ReportBatchItemFailures`). As AWS reads it: no answer, null, an empty
//! object and an empty or null list mean success; an answer that cannot be read, or that names what is not in the batch,
//! means that all of it failed.

use serde_json::Value;

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// All of it went well.
    Success,
    /// All of it failed.
    Failure,
    /// The items at these places failed; ascending.
    Partial(Vec<usize>),
}

/// Reads an answer about items with these identifiers.
pub(super) fn read(answer: &[u8], identifiers: &[&str]) -> Verdict {
    if answer.is_empty() {
        return Verdict::Success;
    }
    let Ok(answer) = serde_json::from_slice::<Value>(answer) else { return Verdict::Failure };
    let failures = match &answer {
        Value::Null => return Verdict::Success,
        Value::Object(members) => match members.get("batchItemFailures") {
            None | Some(Value::Null) => return Verdict::Success,
            Some(Value::Array(failures)) => failures,
            Some(_) => return Verdict::Failure,
        },
        _ => return Verdict::Failure,
    };
    let place = |failure: &Value| {
        let identifier = failure.get("itemIdentifier")?.as_str()?;
        identifiers.iter().position(|known| *known == identifier)
    };
    let Some(mut places) = failures.iter().map(place).collect::<Option<Vec<usize>>>() else { return Verdict::Failure };
    places.sort_unstable();
    places.dedup();
    if places.is_empty() { Verdict::Success } else { Verdict::Partial(places) }
}

#[cfg(test)]
mod tests {
    use super::{Verdict, read};

    #[test]
    fn answers_are_read_as_aws_reads_them() {
        let known = ["a", "b", "c"];
        for success in
            ["", "null", "{}", r#"{"batchItemFailures": []}"#, r#"{"batchItemFailures": null}"#, r#"{"x": 1}"#]
        {
            assert_eq!(read(success.as_bytes(), &known), Verdict::Success, "{success}");
        }
        for failure in [
            "nonsense",
            "[]",
            "7",
            r#""text""#,
            r#"{"batchItemFailures": "a"}"#,
            r#"{"batchItemFailures": [{}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": ""}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": null}]}"#,
            r#"{"batchItemFailures": [{"ItemIdentifier": "a"}]}"#,
            r#"{"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "unknown"}]}"#,
        ] {
            assert_eq!(read(failure.as_bytes(), &known), Verdict::Failure, "{failure}");
        }
        let some =
            r#"{"batchItemFailures": [{"itemIdentifier": "c"}, {"itemIdentifier": "a"}, {"itemIdentifier": "c"}]}"#;
        assert_eq!(read(some.as_bytes(), &known), Verdict::Partial(vec![0, 2]));
    }
}
