//! Templates that want too much: each ends in an error, soon, whatever it does.

use lang::vtl::{Rules, Template, Variables};
use proptest::prelude::*;

use super::{render, variables};

#[track_caller]
fn refused(template: &str, wanted: &str) {
    let error = render(template).expect_err(template);
    assert!(error.what.contains(wanted), "{template}: {error}");
}

/// `#foreach` within each other, each of a thousand rounds.
fn loops(levels: usize, body: &str) -> String {
    let begin: String = (0..levels).map(|level| format!("#foreach($v{level} in [1..1000])")).collect();
    format!("{begin}{body}{}", "#end".repeat(levels))
}

#[test]
fn loops_end() {
    refused(&loops(4, "x"), "steps");
    refused(&loops(9, ""), "steps");
    // One loop alone is cut off, as Velocity does.
    assert_eq!(
        render("#foreach($x in [1..5000])#end#foreach($x in [1..1000])#if(!$foreach.hasNext)$x#end#end"),
        Ok("1000".into())
    );
}

#[test]
fn growth_ends() {
    refused(&format!("#set($x = 'aaaaaaaaaaaaaaaa'){}", loops(1, r#"#set($x = "$x$x")"#)), "limit of");
    refused(&format!("#set($x = 'aaaaaaaaaaaaaaaa'){}", loops(1, "#set($x = $x + $x)")), "limit of");
    refused(&format!("#set($x = [1]){}$x", loops(1, "#set($x = [$x, $x])")), "limit of");
    let twice = loops(1, "#set($x = [$x, $x])#set($y = [$y, $y])");
    refused(&format!("#set($x = [1])#set($y = [1]){twice}#if($x == $y)#end"), "limit of");
    refused(&format!("#set($x = []){}$x", loops(1, "#set($x = {'a': $x})")), "nesting");
    refused("#set($x = [1..2000000000])", "memory");
    refused("#set($x = [-9223372036854775808..9223372036854775807])", "memory");
    refused(&format!("#set($x = 'a'){}", loops(1, r#"#set($x = $x.replace("a", "aaaa"))"#)), "limit of");
    refused(&format!("#set($x = 'a'){}", loops(1, r#"#set($x = $x.replaceAll("a", "aaaa"))"#)), "limit of");
    refused(&format!("#set($x = 'a'){}", loops(1, r#"#set($x = $x.replace("", "aaaa"))"#)), "limit of");
    refused(&format!("#set($x = []){}", loops(1, "#set($y = $x.add(1))#set($y = $x.addAll($x))")), "limit of");
    refused(&loops(3, "xxxxxxxxxxxxxxxxxxxxxxxxxxxx"), "limit of");
}

#[test]
fn what_holds_itself_is_harmless() {
    assert_eq!(render("#set($x = [])$x.add($x) $x"), Ok("true [(this Collection)]".into()));
    assert_eq!(render("#set($x = {})$!x.put('a', $x) $x"), Ok(" {a=(this Map)}".into()));
    refused("#set($x = [])#set($y = [$x])$x.add($y) $x", "nesting");
    refused("#set($x = [])#set($y = [$x])#set($z = [])#set($w = [$z])$x.add($y)$z.add($w)#if($x == $z)#end", "nesting");
    refused("#foreach($e in $map.entrySet())#set($q = $map.put('sub', $e))#end$map", "nesting");
    // From the outside in: a chain that no single value knows to be long.
    let chain = "#set($root = [])#set($last = $root)#foreach($a in [1..1000])#foreach($b in [1..100])\
                 #set($next = [])#set($q = $last.add($next))#set($last = $next)#end#end";
    assert_eq!(render(chain), Ok(String::new()));
    refused(&format!("{chain}$root"), "nesting");
    // From the inside out.
    let chain = "#set($root = [])#foreach($a in [1..1000])#foreach($b in [1..100])#set($root = [$root])#end#end";
    assert_eq!(render(chain), Ok(String::new()));
    let chain = "#set($root = {})#foreach($a in [1..1000])#foreach($b in [1..100])#set($root = {'a': $root})#end#end";
    assert_eq!(render(chain), Ok(String::new()));
}

#[test]
fn recursion_ends() {
    refused("#macro(m)#m()#end#m()", "macros within each other");
    refused("#macro(a)#b()#end#macro(b)#a()#end#a()", "macros within each other");
    refused("#set($t = '#evaluate($t)')#evaluate($t)", "nesting");
    refused("#define($a)$b#end#define($b)#evaluate('$a$a')#end#set($t = '#evaluate($t)')#evaluate($t)", "nesting");
    // Arguments by name, each twice in the next.
    refused(
        r#"#macro(m $x $n)#if($n > 0)#set($k = $n - 1)#m("$x$x$x$x" $k)#else$x#end#end#m("aaaaaaaaaaaaaaaa" 19)"#,
        "limit of",
    );
    let deep = |open: &str, close: &str| format!("{}1{}", open.repeat(5_000), close.repeat(5_000));
    for template in [
        format!("#set($x = {})", deep("(", ")")),
        format!("#set($x = {})", deep("[", "]")),
        format!("#set($x = {})", deep("{'a':", "}")),
        format!("#if({})#end", "!".repeat(20_000) + "true"),
        deep("#if(true)", "#end"),
        deep("#foreach($x in [1])", "#end"),
        deep("#define($x)", "#end"),
        deep("#@m()", "#end"),
        deep("$x[$x.m(", ")]"),
        "#set($x=\"".repeat(5_000),
        "$x[".repeat(5_000),
        "\\".repeat(50_000),
        "$".repeat(50_000),
        "#".repeat(50_000),
        "${".repeat(50_000),
        "#[[".repeat(5_000),
    ] {
        let _ = render(&template);
    }
    refused(&deep("#if(true)", "#end"), "nested too deeply");
    // Long is not deep.
    let sum = format!("#set($x = 0{})$x", " + 1".repeat(20_000));
    assert_eq!(render(&sum), Ok("20000".into()));
}

#[test]
fn patterns_are_linear() {
    let evil = "#set($x = 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!')$x.matches('(a+)+$')";
    assert_eq!(render(evil), Ok("false".into()));
    refused("$str.matches('(((((a{100}){100}){100}){100}){100})')", "regular expression");
    refused("$str.matches('(?=a)')", "regular expression");
}

#[test]
fn errors_have_places() {
    let error = render("{\n  \"a\": #if($x\n}").unwrap_err();
    assert_eq!((error.line, error.column), (3, 1), "{error}");
    let error = render("ä\n  $str.charAt(99)").unwrap_err();
    assert_eq!((error.line, error.column), (2, 3), "{error}");
    assert!(error.what.contains("99"), "{error}");
    let error = render("#parse('x')").unwrap_err();
    assert_eq!((error.what.as_str(), error.line), ("#parse is not supported", 1));
    assert!(Template::parse(&"x".repeat(2 << 20)).is_err());
}

#[test]
fn templates_are_shared_between_threads() {
    let template = Template::parse("$str#foreach($x in $list)$x#end").unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let template = template.clone();
            std::thread::spawn(move || template.render(&mut variables(), &Rules::default()))
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Ok("Hello, Worldabc".into()));
    }
}

/// Pieces of the language, to be thrown together.
const PIECES: [&str; 66] = [
    "$str",
    "$list",
    "$map",
    "$json",
    "$nope",
    "$num",
    "$!",
    "${",
    "}",
    "$",
    "#",
    "\\",
    "#set(",
    "#if(",
    "#elseif(",
    "#else",
    "#end",
    "#foreach(",
    "$x in ",
    "#macro(m ",
    "#m(",
    "#@m(",
    "#define(",
    "#evaluate(",
    "#stop",
    "#break",
    "#[[",
    "]]#",
    "##",
    "#*",
    "*#",
    "(",
    ")",
    "[",
    "]",
    "{",
    ":",
    ",",
    "..",
    ".",
    " ",
    "\n",
    "\"",
    "'",
    "=",
    "==",
    "&&",
    "||",
    "!",
    " and ",
    "<",
    "+",
    "-",
    "*",
    "/",
    "%",
    "1",
    "2.5",
    "true",
    "a",
    ".add(",
    ".put('a', ",
    ".get(0)",
    ".substring(1)",
    "$list)",
    "ü𝄞",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_pieces(pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 0..40)) {
        let limits = Rules { steps: 100_000, memory_bytes: 1 << 20, text_bytes: 1 << 18, ..Rules::default() };
        if let Ok(template) = Template::parse(&pieces.concat()) {
            let _ = template.render(&mut variables(), &limits);
        }
    }

    #[test]
    fn any_text(text in ".{0,200}") {
        if let Ok(template) = Template::parse(&text) {
            let _ = template.render(&mut Variables::new(), &Rules::default());
        }
    }

    /// What holds neither a dollar, a hash nor a backslash is rendered as it is.
    #[test]
    fn plain_text_is_itself(text in "[^$#\\\\]{0,200}") {
        prop_assert_eq!(Template::parse(&text).unwrap().render(&mut Variables::new(), &Rules::default()), Ok(text));
    }

    /// Java's methods with any arguments.
    #[test]
    fn any_method(
        on in prop::sample::select(&["$str", "$list", "$map", "$num", "$dbl", "$yes", "$json.b", "'ü𝄞x'", "$map.entrySet()"][..]),
        name in prop::sample::select(&[
            "add", "addAll", "charAt", "clear", "contains", "get", "indexOf", "lastIndexOf", "put", "putAll", "remove", "replace",
            "replaceAll", "set", "split", "subList", "substring", "startsWith", "compareTo", "valueOf", "parseInt", "iterator",
        ][..]),
        arguments in prop::collection::vec(
            prop::sample::select(&["-1", "0", "1", "2", "99", "9223372036854775807", "''", "'o'", "'(.)'", "'$1'", "$list", "$map", "$nope", "$str"][..]),
            0..3,
        ),
    ) {
        let template = format!("#set($x = {on})$x.{name}({}) $x", arguments.join(", "));
        let _ = Template::parse(&template).unwrap().render(&mut variables(), &Rules::default());
    }
}
