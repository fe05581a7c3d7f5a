//! Aliases: names of versions, the rules about what they point at, and who gets the requests.

use std::collections::BTreeMap;

use base::Arn;
use cloud::Service;
use compute::lambda::alias::{AliasConfiguration, AliasRoutingConfiguration};
use compute::lambda::operations::{
    AddPermission, CreateAlias, DeleteAlias, DeleteFunction, GetAlias, GetFunctionConfiguration, GetPolicy,
    ListAliases, PublishVersion, RemovePermission, UpdateAlias, UpdateFunctionCode, UpdateFunctionConfiguration,
};

use crate::cloud_in_memory::{World, app, refused};

const INVALID: &str = "InvalidParameterValueException";
const MISSING: &str = "ResourceNotFoundException";
const ARN: &str = "arn:aws:lambda:us-east-1:000000000000:function:f";

/// A function `f` with so many versions.
async fn with_versions(count: usize) -> World {
    let world = World::new().await;
    world.create("f").await;
    for number in 1..=count {
        let code = Some(app(&number.to_string()));
        let update = UpdateFunctionCode { function_name: "f".into(), zip_file: code, ..Default::default() };
        world.call(update).await.unwrap();
        world.settled("f").await;
        world.call(PublishVersion { function_name: "f".into(), ..Default::default() }).await.unwrap();
    }
    world
}

fn create(name: &str, version: &str) -> CreateAlias {
    CreateAlias {
        function_name: "f".into(),
        name: name.into(),
        function_version: version.into(),
        ..CreateAlias::default()
    }
}

fn update(name: &str) -> UpdateAlias {
    UpdateAlias { function_name: "f".into(), name: name.into(), ..UpdateAlias::default() }
}

fn weights(weights: &[(&str, f64)]) -> Option<AliasRoutingConfiguration> {
    let weights: BTreeMap<String, f64> = weights.iter().map(|(version, w)| ((*version).to_owned(), *w)).collect();
    Some(AliasRoutingConfiguration { additional_version_weights: Some(weights) })
}

async fn get(world: &World, name: &str) -> AliasConfiguration {
    world.call(GetAlias { function_name: "f".into(), name: name.into() }).await.expect("the alias is there")
}

/// The versions that requests go to, by number of requests.
async fn drawn(world: &World, qualifier: &str, requests: usize) -> BTreeMap<String, usize> {
    let mut seen = BTreeMap::new();
    for _ in 0..requests {
        let resolved = world.lambda.resolve(&world.cx(), "f", Some(&qualifier.into())).await.expect("it resolves");
        assert_eq!(resolved.invoked_arn.to_string(), format!("{ARN}:{qualifier}"), "the alias stays in the ARN");
        *seen.entry(resolved.version.clone()).or_insert(0) += 1;
    }
    seen
}

#[tokio::test]
async fn an_alias_is_made_shown_moved_and_deleted() {
    let world = with_versions(2).await;
    let made = world.call(CreateAlias { description: Some("now".to_owned()), ..create("live", "1") }).await.unwrap();
    assert_eq!(made.alias_arn.as_deref(), Some(&*format!("{ARN}:live")));
    assert_eq!(made.function_version.as_deref(), Some("1"));
    assert_eq!(made.description.as_deref(), Some("now"));
    assert!(made.routing_config.is_none(), "absent, not empty");
    assert_eq!(get(&world, "live").await.revision_id, made.revision_id);
    assert_eq!(drawn(&world, "live", 3).await, [("1".to_owned(), 3)].into());

    let moved = world.call(UpdateAlias { function_version: Some("2".into()), ..update("live") }).await.unwrap();
    assert_ne!(moved.revision_id, made.revision_id);
    assert_eq!(moved.description.as_deref(), Some("now"), "what is absent stays");
    assert_eq!(drawn(&world, "live", 3).await, [("2".to_owned(), 3)].into(), "the very next request goes there");
    let of_alias = GetFunctionConfiguration { function_name: "f:live".into(), qualifier: None };
    let shown = world.call(of_alias).await.unwrap();
    assert_eq!((shown.version.as_deref(), shown.function_arn), (Some("2"), moved.alias_arn));

    let delete = || DeleteAlias { function_name: "f".into(), name: "live".into() };
    world.call(delete()).await.unwrap();
    world.call(delete()).await.expect("what is not there is deleted already");
    let words = format!("Cannot find alias arn: {ARN}:live");
    refused(world.call(GetAlias { function_name: "f".into(), name: "live".into() }).await, 404, MISSING, &words);
    let gone = world.lambda.resolve(&world.cx(), "f", Some(&"live".into())).await;
    refused(gone, 404, MISSING, &format!("Function not found: {ARN}:live"));
}

#[tokio::test]
async fn an_alias_may_point_at_latest() {
    let world = with_versions(1).await;
    let made = world.call(create("edge", "$LATEST")).await.unwrap();
    assert_eq!(made.function_version.as_deref(), Some("$LATEST"));
    assert_eq!(drawn(&world, "edge", 1).await, [("$LATEST".to_owned(), 1)].into());
}

#[tokio::test]
async fn requests_are_shared_out_by_weight() {
    let world = with_versions(2).await;
    let made =
        world.call(CreateAlias { routing_config: weights(&[("2", 0.25)]), ..create("live", "1") }).await.unwrap();
    let shown = made.routing_config.unwrap().additional_version_weights.unwrap();
    assert_eq!(shown, BTreeMap::from([("2".to_owned(), 0.25)]));
    let seen = drawn(&world, "live", 4_000).await;
    // 1,000 are expected; 8 standard deviations are 220.
    assert!((780..=1_220).contains(&seen["2"]), "{seen:?}");

    world.call(UpdateAlias { routing_config: weights(&[("2", 1.0)]), ..update("live") }).await.unwrap();
    assert_eq!(drawn(&world, "live", 100).await, [("2".to_owned(), 100)].into());
    world.call(UpdateAlias { routing_config: weights(&[("2", 0.0)]), ..update("live") }).await.unwrap();
    assert_eq!(drawn(&world, "live", 100).await, [("1".to_owned(), 100)].into());
    let none = Some(AliasRoutingConfiguration::default());
    let cleared = world.call(UpdateAlias { routing_config: none, ..update("live") }).await.unwrap();
    assert!(cleared.routing_config.is_none());
}

#[tokio::test]
async fn wrong_aliases_are_refused_in_awss_words_and_change_nothing() {
    let world = with_versions(2).await;
    world.call(create("live", "1")).await.unwrap();
    let with = |routing_config, version| CreateAlias { routing_config, ..create("new", version) };
    let constraint = "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, Member must \
                      have value greater than or equal to 0.0, Member must not be null]";
    let routing = "at 'routingConfig.additionalVersionWeights' failed to satisfy constraint";
    let validation =
        |shown: &str, rest: &str| format!("1 validation error detected: Value '{{{shown}}}' {routing}: {rest}");
    for (alias, status, code, words) in [
        (create("live", "2"), 409, "ResourceConflictException", format!("Alias already exists: {ARN}:live")),
        (create("new", "10"), 404, MISSING, format!("Function not found: {ARN}:10")),
        (with(weights(&[("10", 0.5)]), "1"), 404, MISSING, format!("Function not found: {ARN}:10")),
        (
            with(weights(&[("1", 0.5), ("2", 0.5)]), "1"),
            400,
            INVALID,
            "Number of items in AdditionalVersionWeights cannot be greater than 1".to_owned(),
        ),
        (
            with(weights(&[("1", 0.5)]), "1"),
            400,
            INVALID,
            "Invalid function version 1. Function version 1 is already included in routing configuration.".to_owned(),
        ),
        (
            with(weights(&[("2", 0.5)]), "$LATEST"),
            400,
            INVALID,
            "$LATEST is not supported for an alias pointing to more than 1 version".to_owned(),
        ),
        (with(weights(&[("2", 2.0)]), "1"), 400, "ValidationException", validation("2=2.0", constraint)),
        (with(weights(&[("2", -1.0)]), "1"), 400, "ValidationException", validation("2=-1.0", constraint)),
        (
            with(weights(&[("$LATEST", 0.5)]), "1"),
            400,
            "ValidationException",
            validation("$LATEST=0.5", "Map keys must satisfy constraint: [Member must have length"),
        ),
        (
            create("12", "1"),
            400,
            "ValidationException",
            "1 validation error detected: Value '12' at 'name' failed to satisfy constraint: Member must satisfy \
             regular expression pattern: (?!^[0-9]+$)([a-zA-Z0-9-_]+)"
                .to_owned(),
        ),
        (
            create("new", "one"),
            400,
            "ValidationException",
            "1 validation error detected: Value 'one' at 'functionVersion' failed".to_owned(),
        ),
    ] {
        refused(world.call(alias).await, status, code, &words);
    }
    let list = ListAliases { function_name: "f".into(), ..ListAliases::default() };
    assert_eq!(world.call(list).await.unwrap().aliases.unwrap().len(), 1);
    assert_eq!(get(&world, "live").await.function_version.as_deref(), Some("1"));
}

#[tokio::test]
async fn a_function_that_is_not_there_has_no_aliases() {
    let world = World::new().await;
    let name = || "f".into();
    let of_version = format!("Function not found: {ARN}:1");
    let function = format!("Function not found: {ARN}");
    refused(world.call(create("live", "1")).await, 404, MISSING, &of_version);
    refused(world.call(update("live")).await, 404, MISSING, &function);
    refused(world.call(GetAlias { function_name: name(), name: "live".into() }).await, 404, MISSING, &function);
    refused(world.call(DeleteAlias { function_name: name(), name: "live".into() }).await, 404, MISSING, &function);
    refused(world.call(ListAliases { function_name: name(), ..Default::default() }).await, 404, MISSING, &function);
}

#[tokio::test]
async fn the_versions_of_an_alias_have_one_role() {
    let world = with_versions(1).await;
    let role = Some("arn:aws:iam::000000000000:role/other".to_owned());
    let other = UpdateFunctionConfiguration { function_name: "f".into(), role, ..Default::default() };
    world.call(other).await.unwrap();
    world.settled("f").await;
    world.call(PublishVersion { function_name: "f".into(), ..Default::default() }).await.unwrap();
    let two = CreateAlias { routing_config: weights(&[("2", 0.5)]), ..create("live", "1") };
    refused(world.call(two).await, 400, INVALID, "The versions that an alias points at must have the same");
    world.call(create("live", "2")).await.expect("one at a time may have any");
}

#[tokio::test]
async fn an_old_revision_is_refused() {
    let world = with_versions(2).await;
    let made = world.call(create("live", "1")).await.unwrap();
    let to_two = |revision_id| UpdateAlias { function_version: Some("2".into()), revision_id, ..update("live") };
    let words = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API";
    refused(world.call(to_two(Some("old".to_owned()))).await, 412, "PreconditionFailedException", words);
    assert_eq!(get(&world, "live").await.function_version.as_deref(), Some("1"));
    world.call(to_two(made.revision_id)).await.expect("the present one is taken");
}

#[tokio::test]
async fn aliases_are_listed_by_name_in_pages_and_by_version() {
    let world = with_versions(2).await;
    for (name, version) in [("c", "1"), ("a", "1"), ("b", "2")] {
        world.call(create(name, version)).await.unwrap();
    }
    let routed = CreateAlias { routing_config: weights(&[("1", 0.1)]), ..create("d", "2") };
    world.call(routed).await.unwrap();
    let (mut seen, mut marker) = (Vec::new(), None);
    loop {
        let list = ListAliases { function_name: "f".into(), marker, max_items: Some(1), function_version: None };
        let page = world.call(list).await.unwrap();
        seen.extend(page.aliases.unwrap().into_iter().map(|alias| alias.name.unwrap()));
        marker = page.next_marker;
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["a", "b", "c", "d"]);
    let of = |version: &str| ListAliases {
        function_name: "f".into(),
        function_version: Some(version.into()),
        ..ListAliases::default()
    };
    let names = |page: Vec<AliasConfiguration>| page.into_iter().map(|a| a.name.unwrap()).collect::<Vec<_>>();
    assert_eq!(names(world.call(of("1")).await.unwrap().aliases.unwrap()), ["a", "c", "d"]);
    assert_eq!(names(world.call(of("9")).await.unwrap().aliases.unwrap()), [""; 0]);
}

#[tokio::test]
async fn a_version_in_use_stays() {
    let world = with_versions(2).await;
    world.call(create("live", "2")).await.unwrap();
    world.call(CreateAlias { routing_config: weights(&[("1", 0.5)]), ..create("both", "2") }).await.unwrap();
    let delete = |version: &str| DeleteFunction { function_name: "f".into(), qualifier: Some(version.into()) };
    let words = "Unable to delete version because the following aliases reference it: ";
    refused(world.call(delete("1")).await, 409, "ResourceConflictException", &format!("{words}[both]"));
    refused(world.call(delete("2")).await, 409, "ResourceConflictException", &format!("{words}[both, live]"));
    world.call(DeleteAlias { function_name: "f".into(), name: "both".into() }).await.unwrap();
    world.call(delete("1")).await.expect("nobody needs it any more");
    refused(world.call(delete("live")).await, 400, INVALID, "Deletion of aliases is not currently supported.");
    world.call(DeleteFunction { function_name: "f".into(), qualifier: None }).await.unwrap();
    world.create("f").await;
    let list = ListAliases { function_name: "f".into(), ..ListAliases::default() };
    assert!(world.call(list).await.unwrap().aliases.unwrap().is_empty(), "the function took its aliases along");
}

#[tokio::test]
async fn an_alias_has_a_policy_of_its_own() {
    let world = with_versions(1).await;
    let made = world.call(create("live", "1")).await.unwrap();
    let add = |revision_id| AddPermission {
        function_name: "f".into(),
        qualifier: Some("live".into()),
        statement_id: "s3".to_owned(),
        action: "lambda:InvokeFunction".to_owned(),
        principal: "s3.amazonaws.com".to_owned(),
        revision_id,
        ..AddPermission::default()
    };
    let stale = add(Some("old".to_owned()));
    refused(world.call(stale).await, 412, "PreconditionFailedException", "The Revision Id provided");
    let statement = world.call(add(made.revision_id.clone())).await.unwrap().statement.unwrap();
    assert!(statement.contains(&format!("\"Resource\":\"{ARN}:live\"")), "{statement}");
    let policy = || GetPolicy { function_name: "f".into(), qualifier: Some("live".into()) };
    let shown = world.call(policy()).await.unwrap();
    assert!(shown.policy.unwrap().contains(&statement));
    assert_ne!(shown.revision_id, made.revision_id);
    assert_eq!(shown.revision_id, get(&world, "live").await.revision_id);

    let (cx, arn) = (world.cx(), |text: &str| Arn::parse(text).unwrap());
    assert!(world.lambda.resource_policy(&cx, &arn(&format!("{ARN}:live"))).await.is_some(), "it decides on invokes");
    for other in [ARN.to_owned(), format!("{ARN}:1"), format!("{ARN}:$LATEST")] {
        assert!(world.lambda.resource_policy(&cx, &arn(&other)).await.is_none(), "{other} has none");
    }
    let remove = RemovePermission {
        function_name: "f".into(),
        statement_id: "s3".to_owned(),
        qualifier: Some("live".into()),
        revision_id: None,
    };
    world.call(remove).await.unwrap();
    refused(world.call(policy()).await, 404, MISSING, "The resource you requested does not exist.");

    world.call(add(None)).await.unwrap();
    world.call(DeleteAlias { function_name: "f".into(), name: "live".into() }).await.unwrap();
    world.call(create("live", "1")).await.unwrap();
    refused(world.call(policy()).await, 404, MISSING, "The resource you requested does not exist.");
    for (name, words) in [("no", "Cannot find alias arn"), ("no$", "Function not found")] {
        let nowhere = AddPermission { qualifier: Some(name.into()), ..add(None) };
        refused(world.call(nowhere).await, 404, MISSING, &format!("{words}: {ARN}:{name}"));
    }
}
