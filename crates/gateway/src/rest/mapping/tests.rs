//! Templates as AWS's pages show them, and what is known of how API Gateway renders.

use base::Timestamp;

use super::*;

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn map(template: &str, body: &str) -> Result<Rendered, Error> {
    let mut context = Context::new(Timestamp::from_millis(1_583_348_638_390));
    context.set("identity.sourceIp", "10.0.0.1".to_owned());
    context.set("stage", "prod");
    context.set("status", 200_u16);
    render(
        &parse(template)?,
        &Inputs {
            body: &Bytes::from(body.to_owned()),
            path: &pairs(&[("id", "7"), ("both", "path")]),
            querystring: &pairs(&[
                ("type", "dog"),
                ("both", "query"),
                ("many", "1"),
                ("many", "2"),
                ("q", "it's \"x\""),
            ]),
            header: &pairs(&[("Accept", "*/*"), ("X-Only", "h"), ("both", "header")]),
            context: &context,
            stage_variables: &[("table".to_owned(), "pets".to_owned())].into(),
        },
    )
}

#[track_caller]
fn check(template: &str, body: &str, wanted: &str) {
    assert_eq!(map(template, body).unwrap_or_else(|error| panic!("{template}: {error}")).body, wanted, "{template}");
}

const PETS: &str =
    r#"{"pets": [{"id": 1, "type": "dog", "price": 249.99}, {"id": 2, "type": "cat", "price": 124.99}], "a/b": null}"#;

#[test]
fn bodies() {
    check("$input.body", PETS, PETS);
    check("$input.json('$')", r#"{ "b" : 1, "a": [ "x/y", 'z' ]}"#, r#""{ \"b\" : 1, \"a\": [ \"x/y\", 'z' ]}""#);
    check("$input.json('$')", r#"{ "b" : 1, "a": [ "x/y", null ]}"#, r#"{"b":1,"a":["x/y",null]}"#);
    check(
        "$input.json('$.pets[0]') $input.json('$.pets[*].id')",
        PETS,
        r#"{"id":1,"type":"dog","price":249.99} [1,2]"#,
    );
    check(r#"$input.json("$.pets[0].type") $input.path("$.pets[0].type")"#, PETS, "\"dog\" dog");
    // Objects look as Java's, lists as JSON.
    check("$input.path('$.pets[0]')", PETS, "{id=1, type=dog, price=249.99}");
    check("$input.path('$.pets')", r#"{"pets": [{"u": "a/b"}]}"#, r#"[{"u":"a\/b"}]"#);
    check("$input.path('$')", r#"{"a": 1, "b": [{"c": 5}]}"#, r#"{a=1, b=[{"c":5}]}"#);
    check(
        "$input.path('$.pets').size() $input.path('$.pets[0].price') $input.path('$.pets.length()')",
        PETS,
        "2 249.99 2",
    );
    // A form is a string to the lenient reader.
    check("{\"body\": $input.json('$')}", "a=1&b=%20", r#"{"body": "a=1&b=%20"}"#);
}

#[test]
fn nothing_is_empty() {
    check("<$input.body> <$input.json('$')> <$input.path('$')>", "", "<{}> <{}> <>");
    check("<$input.path('$.none')> <$input.json('$.none')> <$input.path('$.pets[9].id')>", PETS, "<> <\"\"> <>");
    check(
        "#set($root = $input.path('$'))<$root.none> <$root.none.deeper> <$undefined> <$!undefined>",
        PETS,
        "<> <> <> <>",
    );
    check(
        "<$context.none> <$context.none.none> <$stageVariables.none> <$input.params('none')> <$context.authorizer.x>",
        "",
        "<> <> <> <> <>",
    );
    check("#if($input.path('$.ShardCount') == '')5#else$input.path('$.ShardCount')#end", "{}", "5");
    check("#if($input.path('$.a/b') == '')null is, too#end $input.json('$.a/b')", PETS, "null is, too null");
    check("#set($root = $input.path('$'))#if($root.none)AWS is so#end", PETS, "AWS is so");
}

#[test]
fn parameters() {
    check("$input.params('id') $input.params('type') $input.params('X-Only') $input.params('x-only')", "", "7 dog h h");
    check(
        "$input.params('both') $input.params().querystring.both $input.params().header.get('both')",
        "",
        "path query header",
    );
    check("$input.params('many') $input.params().path", "", "2 {id=7, both=path}");
    check(
        "#set($allParams = $input.params())\n{\"params\" : {\n#foreach($type in $allParams.keySet())\n#set($params = $allParams.get($type))\n\
         \"$type\" : {\n#foreach($paramName in $params.keySet())\n\"$paramName\" : \"$util.escapeJavaScript($params.get($paramName))\"\n\
         #if($foreach.hasNext),#end\n#end\n}\n#if($foreach.hasNext),#end\n#end\n}}",
        "",
        "{\"params\" : {\n\"path\" : {\n\"id\" : \"7\"\n,\"both\" : \"path\"\n}\n,\"querystring\" : {\n\"type\" : \"dog\"\n,\"both\" : \
         \"query\"\n,\"many\" : \"2\"\n,\"q\" : \"it\\'s \\\"x\\\"\"\n}\n,\"header\" : {\n\"Accept\" : \"*\\/*\"\n,\"X-Only\" : \"h\"\n,\
         \"both\" : \"header\"\n}\n}}",
    );
}

#[test]
fn utilities() {
    check(
        "$util.escapeJavaScript($input.body)",
        "it's \"q\" \\ /\na\tb\u{1}é𝄞",
        r#"it\'s \"q\" \\ \/\na\tb\u0001\u00E9\uD834\uDD1E"#,
    );
    check(r#"$util.escapeJavaScript($input.body).replaceAll("\\'","'")"#, "it's", "it's");
    check("$util.urlEncode($input.body)", "a b+c&d=e/é~*-._'\"", "a+b%2Bc%26d%3De%2F%C3%A9%7E*-._%27%22");
    check("$util.urlDecode('a+b%2Bc%C3%A9')", "", "a b+cé");
    check("$util.base64Encode('hé') $util.base64Decode('aMOp')", "", "aMOp hé");
    check("#set($o = $util.parseJson($input.body))$o.a.b[1] $o.a", r#"{"a": {"b": [1, "x"]}}"#, "x {b=[1,\"x\"]}");
    check("$util.escapeJavaScript($input.json('$'))", r#"{"a": 'b'}"#, r#"\"{\\\"a\\\": \'b\'}\""#);
    check("<$util.escapeJavaScript($input.params('none'))> <$util.toJson($input.body)>", "", "<> <>");
    for wrong in ["$util.parseJson('{')", "$util.urlDecode('%zz')", "$util.base64Decode('?')", "$input.path('$[')"] {
        assert!(map(wrong, "").is_err(), "{wrong}");
    }
}

#[test]
fn context_and_stage_variables() {
    check(
        "$context.stage $context.identity.sourceIp ${context.requestTimeEpoch} $context.status",
        "",
        "prod 10.0.0.1 1583348638390 200",
    );
    check("$context.identity $context.get('stage') $context.containsKey('stage')", "", "{sourceIp=10.0.0.1} prod true");
    check(
        "$stageVariables.table ${stageVariables.table}s $stageVariables['table'] $stageVariables.get('table')",
        "",
        "pets petss pets pets",
    );
    assert!(map("#set($context.stage = 'x')", "").is_err());
}

#[test]
fn overrides() {
    let rendered = map(
        "#set($context.requestOverride.header.X-New = \"$input.params('type')-$context.stage\")\
         #set($context.requestOverride.path.id = 9)#set($context.requestOverride.querystring['q'] = 'v')\
         #set($context.responseOverride.status = 400)#set($context.responseOverride.header.hello = $input.path('$.pets[0].id'))\
         $context.requestOverride.header.X-New $context.responseOverride.status",
        PETS,
    )
    .unwrap();
    assert_eq!(rendered.body, "dog-prod 400");
    let request = &rendered.overrides.request;
    assert_eq!((&request.header, &request.path), (&pairs(&[("X-New", "dog-prod")]), &pairs(&[("id", "9")])));
    assert_eq!(request.querystring, pairs(&[("q", "v")]));
    assert_eq!(
        rendered.overrides.response,
        overrides::ResponseOverrides { header: pairs(&[("hello", "1")]), status: Some(400) }
    );
    // As text, too; and nothing is set by reading.
    assert_eq!(map("#set($context.responseOverride.status = '404')", "").unwrap().overrides.response.status, Some(404));
    assert_eq!(
        map("$context.responseOverride.status$context.requestOverride.path.id", "").unwrap(),
        Rendered::default()
    );
    for wrong in [
        "#set($context.responseOverride.status = 400)#set($context.responseOverride.status = 401)",
        "#set($context.requestOverride.header.A = 'x')#set($context.requestOverride.header.a = 'y')",
        "#set($context.responseOverride.status = 'ok')",
        "#set($context.responseOverride.status = 99)",
        "#set($context.responseOverride.body = 'x')",
        "#set($context.requestOverride.status = 400)",
    ] {
        assert!(map(wrong, "").is_err(), "{wrong}");
    }
}

/// The photo example of AWS's pages, with a document that the template changes.
#[test]
fn documents_are_javas() {
    check(
        "#set($inputRoot = $input.path('$'))\n{ \"photos\": [\n#foreach($elem in $inputRoot.photos.photo)\n  {\n    \"id\": \"$elem.id\",\n    \
         \"title\": \"$elem.title\",\n    \"ispublic\": $elem.ispublic\n  }#if($foreach.hasNext),#end\n\n#end\n]}",
        r#"{"photos": {"page": 1, "photo": [{"id": "12345678901", "title": "Sample", "ispublic": true}, {"id": "2", "title": "b", "ispublic": 0}]}}"#,
        "{ \"photos\": [\n  {\n    \"id\": \"12345678901\",\n    \"title\": \"Sample\",\n    \"ispublic\": true\n  },\n  {\n    \"id\": \"2\",\n    \
         \"title\": \"b\",\n    \"ispublic\": 0\n  }\n]}",
    );
    check(
        "#set($root = $input.path('$'))#set($root.added = \"$context.stage\")$!root.put('n', 1)#set($x = $root.pets.add('z'))$input.json('$')",
        r#"{"pets": []}"#,
        r#"{"pets":["z"],"added":"prod","n":1}"#,
    );
    check("#set($n = 0)$n.parseInt('123')", "", "123");
}

#[test]
fn what_runs_away_ends() {
    assert!(
        map("#foreach($a in [1..1000])#foreach($b in [1..1000])#foreach($c in [1..1000])x#end#end#end", "").is_err()
    );
    assert!(map("#set($r = $input.path('$'))#set($r.self = $r)$input.json('$')", "{}").is_err());
    assert!(map("#set($r = $input.path('$'))#set($r.self = $r)$input.path('$..x')", "{}").is_err());
    assert!(parse(&"x".repeat(301 * 1024)).is_err());
    assert!(map("#if(", "").is_err());
}
