//! What a document may and may not hold.

use policy::{Kind, Policy, TEXT_MAX_BYTES, counted_length};
use proptest::prelude::*;

fn refusal(text: &str, kind: Kind) -> String {
    Policy::parse(text, kind).expect_err(text).to_string()
}

fn with(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": {statement}}}"#)
}

#[test]
fn whole_documents_are_read() {
    for (text, kind) in [
        (r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#, Kind::Identity),
        (
            r#"[{"Sid":"","Effect":"Deny","NotAction":["iam:*","s3:Get?"],"NotResource":["arn:aws:s3:::b/${aws:username}"]}]"#,
            Kind::Identity,
        ),
        (r#"{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}"#, Kind::Resource),
        (
            r#"{"Effect":"Allow","Principal":{"Service":["lambda.amazonaws.com"]},"Action":"sts:AssumeRole"}"#,
            Kind::Trust,
        ),
        (
            r#"{"Effect":"Allow","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:root","AROAIIIIIIIIIIIIIIIII"],"Federated":"cognito-identity.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"NumericLessThan":{"aws:MultiFactorAuthAge":300},"Bool":{"aws:SecureTransport":true},"StringEquals":{"sts:ExternalId":["a","b"]}}}"#,
            Kind::Trust,
        ),
        (
            r#"{"Sid":"with space","Effect":"Allow","NotPrincipal":{"AWS":"arn:aws:iam::123456789012:user/a"},"Action":"sqs:*","Resource":"arn:aws:sqs:us-east-1:123456789012:q"}"#,
            Kind::Resource,
        ),
    ] {
        Policy::parse(&with(text), kind).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    }
}

#[test]
fn refusals_have_iams_words() {
    const SYNTAX: &str = "Syntax errors in policy.";
    const VENDOR: &str = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
    for (statement, words) in [
        ("[]", SYNTAX),
        ("1", SYNTAX),
        (r#"{"Action":"*","Resource":"*"}"#, "Missing required field Effect"),
        (r#"{"Effect":"allow","Action":"*","Resource":"*"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Resource":"*"}"#, "Policy statement must contain actions."),
        (r#"{"Effect":"Allow","Action":[],"Resource":"*"}"#, "Policy statement must contain actions."),
        (r#"{"Effect":"Allow","Action":"*"}"#, "Policy statement must contain resources."),
        (r#"{"Effect":"Allow","Action":"GetObject","Resource":"*"}"#, VENDOR),
        (r#"{"Effect":"Allow","Action":"s3:","Resource":"*"}"#, VENDOR),
        (r#"{"Effect":"Allow","Action":"*","Resource":"bucket"}"#, "Resource bucket must be in ARN format or \"*\"."),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}"#,
            "Policy document should not specify a principal.",
        ),
        (r#"{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Action":"*","Resource":"*","Efect":"Deny"}"#, SYNTAX),
        (r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Strange":{"aws:a":"b"}}}"#, SYNTAX),
        (r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"key":"b"}}}"#, VENDOR),
        (r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:a":null}}}"#, SYNTAX),
        (
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"300.1.1.1"}}}"#,
            SYNTAX,
        ),
        (
            r#"{"Sid":"a-b","Effect":"Allow","Action":"*","Resource":"*"}"#,
            "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
        ),
        (
            r#"[{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}]"#,
            "Statement IDs (SID) in a single policy must be unique.",
        ),
    ] {
        assert_eq!(refusal(&with(statement), Kind::Identity), words, "{statement}");
    }
    assert_eq!(refusal("{", Kind::Identity), SYNTAX);
    assert_eq!(refusal(r#"{"Version":"2012-10-17"}"#, Kind::Identity), SYNTAX);
    let version = r#"{"Version":"2020-01-01","Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}"#;
    assert_eq!(refusal(version, Kind::Identity), "Policy document must be version 2012-10-17 or greater.");
    let long = " ".repeat(TEXT_MAX_BYTES + 1);
    assert!(refusal(&long, Kind::Identity).contains("131072"));
    assert_eq!(counted_length(" a \n b\t"), 2);
}

#[test]
fn resource_and_trust_policies_need_principals() {
    let refused = |principal: &str| {
        refusal(
            &with(&format!(r#"{{"Effect":"Allow","Principal":{principal},"Action":"sts:AssumeRole"}}"#)),
            Kind::Trust,
        )
    };
    for (principal, given) in [
        (r#"{"AWS":"arn:aws:iam::123456789012:user/*"}"#, "\"AWS\":\"arn:aws:iam::123456789012:user/*\""),
        (r#"{"AWS":"somebody"}"#, "\"AWS\":\"somebody\""),
        (r#"{"AWS":"arn:aws:s3:::bucket"}"#, "\"AWS\":\"arn:aws:s3:::bucket\""),
        (r#"{"Service":"*.amazonaws.com"}"#, "\"Service\":\"*.amazonaws.com\""),
        (r#"{"Aws":"*"}"#, "\"Aws\":\"*\""),
    ] {
        assert_eq!(refused(principal), format!("Invalid principal in policy: {given}"));
    }
    let nobody = with(r#"{"Effect":"Allow","Action":"sts:AssumeRole"}"#);
    assert_eq!(refusal(&nobody, Kind::Trust), "Missing required field Principal");
    let resource = with(r#"{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}"#);
    assert_eq!(refusal(&resource, Kind::Trust), "Has prohibited field Resource");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn no_text_panics(text in r#"[{}\[\]:,"a-zA-Z0-9*$ ]{0,60}"#, effect in "Allow|Deny|x", value in "[ -~]{0,12}") {
        let _ = Policy::parse(&text, Kind::Identity);
        let value = value.replace(['\\', '"'], "");
        let text = with(&format!(r#"{{"Effect":"{effect}","Principal":{{"AWS":"{value}"}},"Action":"{value}","Resource":"arn:{value}","Condition":{{"StringLike":{{"aws:x":"{value}"}}}}}}"#));
        let _ = Policy::parse(&text, Kind::Resource);
    }
}
