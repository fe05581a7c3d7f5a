//! How long a template takes: `cargo run --release -p lang --example render`.
//!
//! A template of 1 KB as people write them for API Gateway (a loop over a document's list, conditions, methods), rendered
//! from a document that is read anew each time, as a gateway does.

#![allow(clippy::unwrap_used, reason = "an example")]

use std::time::Instant;

use lang::jsonpath::Path;
use lang::vtl::{Map, Rules, Template, Value, Variables, json};

const TEMPLATE: &str = r##"#set($root = $input)
#set($total = 0)
{
  "requestId": "$context.requestId",
  "stage": "$context.stage",
  "method": "$context.httpMethod",
  "path": "$context.resourcePath",
  "source": "$context.identity.sourceIp",
  "user": "$!context.authorizer.principalId",
  "customer": {
    "name": "$root.customer.name",
    "upper": "$root.customer.name.toUpperCase()",
    #if($root.customer.email && $root.customer.email != "")
    "email": "$root.customer.email.replaceAll("@.*", "@example.com")",
    #else
    "email": null,
    #end
    "vip": #if($root.customer.points > 100)true#{else}false#end
  },
  "items": [
    #foreach($item in $root.items)
    {"id": $item.id, "name": "$item.name", "price": $item.price, "index": $foreach.index}#if($foreach.hasNext),#end

    #set($total = $total + $item.price)
    #end
  ],
  ## What it comes to
  "count": $root.items.size(),
  "total": $total,
  "expensive": #if($total > 50 && $root.items.size() >= 3)"yes"#elseif($total > 20)"some"#{else}"no"#end,
  "label": "Order of $root.customer.name ($root.items.size() items)"
}
"##;

const DOCUMENT: &str = r#"{"customer": {"name": "Ada Lovelace", "email": "ada@engines.org", "points": 120}, "items": [
  {"id": 1, "name": "wheel", "price": 9.5}, {"id": 2, "name": "lever", "price": 20}, {"id": 3, "name": "card", "price": 0.25},
  {"id": 4, "name": "rod", "price": 31}]}"#;

fn main() {
    let template = Template::parse(TEMPLATE).unwrap();
    let path = Path::parse("$").unwrap();
    let render = || {
        let context = Map::new();
        for (name, value) in
            [("requestId", "r-1"), ("stage", "prod"), ("httpMethod", "POST"), ("resourcePath", "/orders")]
        {
            context.put(name, value.into());
        }
        let document = path.find(&json::read(DOCUMENT).unwrap()).unwrap().unwrap();
        let mut variables = Variables::new();
        variables.insert("input".into(), document);
        variables.insert("context".into(), Value::Map(context));
        template.render(&mut variables, &Rules::default()).unwrap()
    };
    println!("{}", render());
    let rounds = 20_000;
    let mut micros: Vec<u128> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(render());
            start.elapsed().as_nanos()
        })
        .collect();
    micros.sort_unstable();
    let at = |share: usize| micros[rounds * share / 100] / 100;
    println!(
        "template rendered: p50 {}.{} us  p99 {}.{} us  ({} bytes, {rounds} rounds)",
        at(50) / 10,
        at(50) % 10,
        at(99) / 10,
        at(99) % 10,
        TEMPLATE.len()
    );
}
