//! Who may do what: each rule of the evaluation logic beside its refusal.

use base::{AccountId, Caller, CallerKind, Clock, Cx, Region, Timestamp};
use policy::{Attached, Context, Decision, Kind, Layer, Policies, Policy, Principal, Request, evaluate};
use proptest::prelude::*;

const OURS: &str = "111111111111";
const THEIRS: &str = "222222222222";
const QUEUE: &str = "arn:aws:sqs:us-east-1:111111111111:queue";

fn account(digits: &str) -> AccountId {
    AccountId::parse(digits).expect("twelve digits")
}

fn caller(kind: CallerKind, account_id: &str) -> Caller {
    let arn = match kind {
        CallerKind::Root => format!("arn:aws:iam::{account_id}:root"),
        CallerKind::User => format!("arn:aws:iam::{account_id}:user/team/ann"),
        CallerKind::AssumedRole => format!("arn:aws:sts::{account_id}:assumed-role/worker/session"),
        CallerKind::Service => "sns.amazonaws.com".to_owned(),
        CallerKind::Anonymous => "*".to_owned(),
    };
    let user_id =
        if kind == CallerKind::AssumedRole { "AROAXXXXXXXXXXXXXXXXX:session" } else { "AIDAXXXXXXXXXXXXXXXXX" };
    Caller { account: account(account_id), arn: arn.into(), user_id: user_id.into(), kind, access_key_id: None }
}

fn principal(kind: CallerKind, account_id: &str) -> Principal {
    Principal::of(&caller(kind, account_id))
}

fn identity(effect: &str) -> Policy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Sid":"S","Effect":"{effect}","Action":"sqs:Send*","Resource":"arn:aws:sqs:*:*:queue"}}}}"#
    );
    Policy::parse(&text, Kind::Identity).expect("an identity policy")
}

fn resource(effect: &str, principal: &str) -> Policy {
    let text = format!(
        r#"{{"Version":"2012-10-17","Statement":{{"Effect":"{effect}","Principal":{principal},"Action":"SQS:sendmessage","Resource":"{QUEUE}"}}}}"#
    );
    Policy::parse(&text, Kind::Resource).expect("a resource policy")
}

/// Which policies a case has: identity, resource, boundary, session.
#[derive(Clone, Debug, Default)]
struct Case {
    identity: Vec<Policy>,
    resource: Vec<Policy>,
    boundary: Option<Policy>,
    session: Vec<Policy>,
}

impl Case {
    fn decide(&self, principal: &Principal) -> Decision {
        fn name(policies: &[Policy]) -> Vec<Attached<'_>> {
            policies.iter().map(|policy| Attached { name: "p", policy }).collect()
        }
        let context = Context::new();
        let (action, resource_account) = ("sqs:SendMessage", account(OURS));
        let request = Request { principal, action, resource: QUEUE, resource_account, context: &context };
        let policies = Policies {
            identity: &name(&self.identity),
            resource: &name(&self.resource),
            boundary: self.boundary.as_ref().map(|policy| Attached { name: "b", policy }),
            session: &name(&self.session),
        };
        evaluate(&request, &policies)
    }
}

fn allowed_by(decision: &Decision) -> Option<Layer> {
    if let Decision::Allow { by } = decision { Some(by.layer) } else { None }
}

fn missing(decision: &Decision) -> Option<Layer> {
    if let Decision::ImplicitDeny { by } = decision { Some(*by) } else { None }
}

#[test]
fn nothing_is_allowed_by_nobody_but_to_root() {
    let case = Case::default();
    assert_eq!(missing(&case.decide(&principal(CallerKind::User, OURS))), Some(Layer::Identity));
    assert_eq!(allowed_by(&case.decide(&principal(CallerKind::Root, OURS))), Some(Layer::Root));
    assert_eq!(missing(&case.decide(&principal(CallerKind::Root, THEIRS))), Some(Layer::Resource));
    assert_eq!(missing(&case.decide(&principal(CallerKind::Anonymous, OURS))), Some(Layer::Resource));
}

#[test]
fn one_deny_beats_every_allow() {
    let user = principal(CallerKind::User, OURS);
    let all = Case {
        identity: vec![identity("Allow")],
        resource: vec![resource("Allow", r#""*""#)],
        boundary: Some(identity("Allow")),
        session: vec![identity("Allow")],
    };
    assert!(all.decide(&user).is_allowed());
    let denied = [
        (Layer::Identity, Case { identity: vec![identity("Allow"), identity("Deny")], ..all.clone() }),
        (Layer::Resource, Case { resource: vec![resource("Deny", r#""*""#)], ..all.clone() }),
        (Layer::Boundary, Case { boundary: Some(identity("Deny")), ..all.clone() }),
        (Layer::Session, Case { session: vec![identity("Deny")], ..all }),
    ];
    for (layer, case) in denied {
        let Decision::ExplicitDeny { by } = case.decide(&user) else { panic!("{layer}") };
        assert_eq!(by.layer, layer);
    }
}

#[test]
fn inside_an_account_either_side_suffices_but_the_account_only_delegates() {
    let user = principal(CallerKind::User, OURS);
    let of = |policy| Case { resource: vec![policy], ..Case::default() };
    let by_name = of(resource("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/team/ann"}"#));
    assert_eq!(allowed_by(&by_name.decide(&user)), Some(Layer::Resource));
    let by_id = of(resource("Allow", r#"{"AWS":"AIDAXXXXXXXXXXXXXXXXX"}"#));
    assert_eq!(allowed_by(&by_id.decide(&user)), Some(Layer::Resource));
    let by_account = of(resource("Allow", r#"{"AWS":"111111111111"}"#));
    assert_eq!(missing(&by_account.decide(&user)), Some(Layer::Identity));
    let other = of(resource("Allow", r#"{"AWS":"arn:aws:iam::111111111111:user/bob"}"#));
    assert_eq!(missing(&other.decide(&user)), Some(Layer::Identity));
    let only_identity = Case { identity: vec![identity("Allow")], ..Case::default() };
    assert_eq!(allowed_by(&only_identity.decide(&user)), Some(Layer::Identity));
}

#[test]
fn across_accounts_both_must_allow() {
    let user = principal(CallerKind::User, THEIRS);
    let identity = vec![identity("Allow")];
    let resource = vec![resource("Allow", r#"{"AWS":"222222222222"}"#)];
    let neither = Case::default();
    let first = Case { identity: identity.clone(), ..Case::default() };
    let second = Case { resource: resource.clone(), ..Case::default() };
    let both = Case { identity, resource, ..Case::default() };
    assert_eq!(missing(&neither.decide(&user)), Some(Layer::Identity));
    assert_eq!(missing(&first.decide(&user)), Some(Layer::Resource));
    assert_eq!(missing(&second.decide(&user)), Some(Layer::Identity));
    assert!(both.decide(&user).is_allowed());
    assert!(second.decide(&principal(CallerKind::Root, THEIRS)).is_allowed());
}

#[test]
fn boundaries_and_sessions_narrow_a_role_unless_its_session_is_named() {
    let role = principal(CallerKind::AssumedRole, OURS);
    let nothing = Policy::parse(
        r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#,
        Kind::Identity,
    )
    .unwrap();
    let narrowed = [
        (Layer::Boundary, Case { boundary: Some(nothing.clone()), ..Case::default() }),
        (Layer::Session, Case { session: vec![nothing], ..Case::default() }),
    ];
    for (layer, case) in narrowed {
        let by_identity = Case { identity: vec![identity("Allow")], ..case.clone() };
        assert_eq!(missing(&by_identity.decide(&role)), Some(layer));
        let by_role = resource("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/worker"}"#);
        assert_eq!(missing(&Case { resource: vec![by_role], ..case.clone() }.decide(&role)), Some(layer));
        let by_session = resource("Allow", r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/worker/session"}"#);
        assert!(Case { resource: vec![by_session], ..case }.decide(&role).is_allowed());
    }
    let by_role = resource("Allow", r#"{"AWS":"AROAXXXXXXXXXXXXXXXXX"}"#);
    assert!(Case { resource: vec![by_role], ..Case::default() }.decide(&role).is_allowed());
}

#[test]
fn services_and_strangers_enter_by_the_resources_policy_only() {
    let service = principal(CallerKind::Service, OURS);
    let for_sns = Case { resource: vec![resource("Allow", r#"{"Service":"sns.amazonaws.com"}"#)], ..Case::default() };
    assert!(for_sns.decide(&service).is_allowed());
    assert!(!for_sns.decide(&principal(CallerKind::Anonymous, OURS)).is_allowed());
    let for_s3 = Case { resource: vec![resource("Allow", r#"{"Service":"s3.amazonaws.com"}"#)], ..Case::default() };
    assert!(!for_s3.decide(&service).is_allowed());
    let public = Case { resource: vec![resource("Allow", r#"{"AWS":"*"}"#)], ..Case::default() };
    assert!(public.decide(&principal(CallerKind::Anonymous, OURS)).is_allowed());
    let identity = Case { identity: vec![identity("Allow")], ..Case::default() };
    assert!(!identity.decide(&principal(CallerKind::Anonymous, OURS)).is_allowed());
}

#[test]
fn not_principal_not_action_and_not_resource_mean_all_others() {
    let user = principal(CallerKind::User, OURS);
    let except = |who: &str| {
        let text = format!(
            r#"{{"Statement":{{"Effect":"Deny","NotPrincipal":{{"AWS":"{who}"}},"NotAction":"s3:*","NotResource":"arn:aws:s3:::*"}}}}"#
        );
        let resource = vec![Policy::parse(&text, Kind::Resource).unwrap()];
        Case { identity: vec![identity("Allow")], resource, ..Case::default() }
    };
    assert!(except("arn:aws:iam::111111111111:user/team/ann").decide(&user).is_allowed());
    assert!(matches!(except("arn:aws:iam::111111111111:user/bob").decide(&user), Decision::ExplicitDeny { .. }));
}

#[test]
fn conditions_and_variables_see_the_request() {
    let clock = Clock::held(Timestamp::parse_date_time("2026-11-22T16:00:00Z").unwrap());
    let mut cx = Cx::internal(account(OURS), Region::default(), clock);
    cx.caller = caller(CallerKind::User, OURS);
    let context = Context::of(&cx);
    let principal = Principal::of(&cx.caller);
    let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::home/${aws:username}/*",
        "Condition":{"DateLessThan":{"aws:CurrentTime":"2027-01-01T00:00:00Z"},"Bool":{"aws:SecureTransport":"false"},
        "ArnLike":{"aws:PrincipalArn":"arn:aws:iam::*:user/team/*"},"StringEquals":{"aws:RequestedRegion":"us-east-1"}}}}"#;
    let policy = Policy::parse(text, Kind::Identity).unwrap();
    let decide = |resource: &str| {
        let resource_account = account(OURS);
        let request =
            Request { principal: &principal, action: "s3:getobject", resource, resource_account, context: &context };
        let attached = [Attached { name: "home", policy: &policy }];
        let decision = evaluate(&request, &Policies { identity: &attached, ..Policies::default() });
        decision.denial_words(&request)
    };
    assert_eq!(decide("arn:aws:s3:::home/ann/notes"), None);
    assert_eq!(
        decide("arn:aws:s3:::home/bob/notes").as_deref(),
        Some(
            "User: arn:aws:iam::111111111111:user/team/ann is not authorized to perform: s3:getobject on resource: \
             arn:aws:s3:::home/bob/notes because no identity-based policy allows the s3:getobject action"
        )
    );
}

#[test]
fn denials_say_whose_they_are() {
    let user = principal(CallerKind::User, OURS);
    let context = Context::new();
    let (action, resource, resource_account) = ("sqs:SendMessage", "*", account(OURS));
    let request = Request { principal: &user, action, resource, resource_account, context: &context };
    let decision = Case { resource: vec![resource_deny()], ..Case::default() }.decide(&user);
    assert_eq!(
        decision.denial_words(&request).as_deref(),
        Some(
            "User: arn:aws:iam::111111111111:user/team/ann is not authorized to perform: sqs:SendMessage with an \
             explicit deny in a resource-based policy"
        )
    );
}

fn resource_deny() -> Policy {
    resource("Deny", r#""*""#)
}

fn any_policy(of_resource: bool) -> impl Strategy<Value = Policy> {
    let effects = prop_oneof![Just("Allow"), Just("Deny")];
    let names = prop_oneof![
        Just(r#""*""#),
        Just(r#"{"AWS":"111111111111"}"#),
        Just(r#"{"AWS":"arn:aws:sts::111111111111:assumed-role/worker/session"}"#)
    ];
    (effects, names).prop_map(move |(effect, name)| if of_resource { resource(effect, name) } else { identity(effect) })
}

fn any_case() -> impl Strategy<Value = Case> {
    let list = |of_resource| proptest::collection::vec(any_policy(of_resource), 0..3);
    (list(false), list(true), proptest::option::of(any_policy(false)), list(false))
        .prop_map(|(identity, resource, boundary, session)| Case { identity, resource, boundary, session })
}

fn any_principal() -> impl Strategy<Value = Principal> {
    let kinds = prop_oneof![
        Just(CallerKind::Root),
        Just(CallerKind::User),
        Just(CallerKind::AssumedRole),
        Just(CallerKind::Anonymous)
    ];
    (kinds, prop_oneof![Just(OURS), Just(THEIRS)]).prop_map(|(kind, account)| principal(kind, account))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn a_deny_never_helps_and_an_allow_never_hurts(case in any_case(), who in any_principal()) {
        let before = case.decide(&who).is_allowed();
        let mut denied = case.clone();
        denied.identity.push(identity("Deny"));
        prop_assert!(!denied.decide(&who).is_allowed());
        let mut helped = case.clone();
        helped.identity.push(identity("Allow"));
        helped.resource.push(resource("Allow", r#"{"AWS":"arn:aws:iam::111111111111:role/worker"}"#));
        prop_assert!(!before || helped.decide(&who).is_allowed());
        let mut turned = case;
        turned.identity.reverse();
        turned.resource.reverse();
        prop_assert_eq!(before, turned.decide(&who).is_allowed());
    }
}
