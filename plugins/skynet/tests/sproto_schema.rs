//! Schema text and bundles: what is understood, what is refused, and what the refusal says.

#![expect(clippy::unwrap_used, reason = "a test stops where its preparation fails")]

use portcullis_skynet::sproto::{BundleProblem, Kind, Repeat, Schema, SchemaError};

fn refusal(text: &str) -> String {
    Schema::parse(text).unwrap_err().to_string()
}

/// A field of a type, as the schema sees it.
fn field(schema: &Schema, ty: &str, name: &str) -> (Kind, Repeat) {
    let ty = schema.type_at(schema.type_(ty).unwrap()).unwrap();
    let field = ty.fields().iter().find(|field| field.name() == name).unwrap();
    (field.kind(), field.repeat())
}

#[test]
fn every_built_in_type_is_known() {
    let schema = Schema::parse(
        ".T { a 0 : integer b 1 : boolean c 2 : string d 3 : binary e 4 : double f 5 : integer(3) g 6 : *integer(0) }",
    )
    .unwrap();
    for (name, kind) in [
        ("a", Kind::Integer),
        ("b", Kind::Boolean),
        ("c", Kind::String),
        ("d", Kind::Binary),
        ("e", Kind::Double),
        ("f", Kind::Fixed(3)),
    ] {
        assert_eq!(field(&schema, "T", name), (kind, Repeat::One));
    }
    assert_eq!(field(&schema, "T", "g"), (Kind::Fixed(0), Repeat::Array));
}

#[test]
fn whitespace_comments_and_line_ends_are_free() {
    let schema =
        Schema::parse("#first\r\n.A{x 0:integer#c\n}# last\n\tping 1\n{\nrequest\nA response{}}#").unwrap();
    let ping = schema.protocol_at(schema.protocol_named("ping").unwrap()).unwrap();
    assert_eq!(ping.request(), schema.type_("A"));
    assert_eq!(ping.response(), schema.type_("ping.response"));
}

#[test]
fn an_empty_text_is_a_schema_without_types() {
    let schema = Schema::parse(" # nothing\n").unwrap();
    assert_eq!(schema.types().len(), 0);
    let bundle = schema.to_bundle().unwrap();
    assert_eq!(bundle, [0, 0], "as the original writes it");
    assert_eq!(Schema::from_bundle(&bundle).unwrap(), schema);
}

#[test]
fn names_are_found_from_the_innermost_scope_outwards() {
    let schema = Schema::parse(
        ".X { here 0 : integer }
         .A { .X {}
              .B { .C { near 0 : X  far 1 : A.X  own 2 : C } x 0 : X  built 1 : string }
              .string {} }
         .Z { x 0 : X }
         get 1 { request { .X {} x 0 : X } response X }",
    )
    .unwrap();
    let inner = Kind::Struct(schema.type_("A.X").unwrap());
    assert_eq!(field(&schema, "A.B.C", "near").0, inner);
    assert_eq!(field(&schema, "A.B.C", "far").0, inner);
    assert_eq!(field(&schema, "A.B.C", "own").0, Kind::Struct(schema.type_("A.B.C").unwrap()));
    assert_eq!(field(&schema, "A.B", "x").0, inner);
    assert_eq!(field(&schema, "A.B", "built").0, Kind::String, "built-in names win");
    let outer = schema.type_("X").unwrap();
    assert_eq!(field(&schema, "Z", "x").0, Kind::Struct(outer));
    assert_eq!(field(&schema, "get.request", "x").0, Kind::Struct(schema.type_("get.request.X").unwrap()));
    let get = schema.protocol_at(schema.protocol_tagged(1).unwrap()).unwrap();
    assert_eq!(get.response(), Some(outer), "bodies are named from the top");
}

#[test]
fn maps_know_their_key() {
    let schema = Schema::parse(
        ".E { v 9 : string id 3 : integer }  .M { a 0 : *E(v)  b 1 : *E(id)  c 2 : *E( )  d 3 : *E }",
    )
    .unwrap();
    for (name, repeat) in
        [("a", Repeat::Keyed(1)), ("b", Repeat::Keyed(0)), ("c", Repeat::Pairs), ("d", Repeat::Array)]
    {
        assert_eq!(field(&schema, "M", name).1, repeat);
    }
}

#[test]
fn protocols_are_found_by_name_and_by_tag() {
    let schema =
        Schema::parse(".T {} last 32766 { response nil } first 0 { request nil } mid 7 { request T }")
            .unwrap();
    let tags: Vec<_> = schema.protocols().map(|(id, protocol)| (id.index(), protocol.tag())).collect();
    assert_eq!(tags, [(0, 0), (1, 7), (2, 32766)]);
    let last = schema.protocol_named("last").unwrap();
    assert_eq!(schema.protocol_tagged(32766), Some(last));
    assert!(schema.protocol_at(last).unwrap().confirm());
    assert_eq!(schema.protocol_at(schema.protocol_tagged(0).unwrap()).unwrap().request(), None);
    for tag in [-1, 1, 32767, 65536, i64::MAX, i64::MIN] {
        assert_eq!(schema.protocol_tagged(tag), None);
    }
    assert_eq!(schema.protocol_named("none"), None);
    assert_eq!(schema.type_(""), None);
}

#[test]
fn a_mistake_is_named_with_its_line_and_its_remedy() {
    for (text, message) in [
        (
            ".A {\n x 0 integer }",
            "line 2: found `integer`, expected `:` between the tag and the type of a field",
        ),
        (".A { x : integer }", "line 1: found `:`, expected a tag, a number from 0 to 32766, after the name"),
        (".A { x 0 : }", "line 1: found `}`, expected the type of the field"),
        (
            ".A {\n\n",
            "line 3: found the end of the text, expected a field `name tag : type`, a nested type `.Name { … }` or `}`",
        ),
        ("A.B 1 {}", "line 1: found `A.B`, expected a name without dots"),
        ("\u{e9}", "line 1: found `é`, expected a type `.Name { … }` or a protocol `name tag { … }`"),
        ("get 1 { reply {} }", "line 1: found `reply`, expected `request`, `response` or `}`"),
        (
            ".A { x 0 : *A(y }",
            "line 1: found `}`, expected `)` after a key field or a number of decimal digits",
        ),
        (".A { x 32767 : integer }", "line 1: tag 32767 of `x` is too large; use one from 0 to 32766"),
        (
            "p 99999999999999999999 {}",
            "line 1: tag 99999999999999999999 of `p` is too large; use one from 0 to 32766",
        ),
        (".A {}\n.B {}\n.A {}", "line 3: type `A` is defined twice; rename or remove one of them"),
        (
            "get 1 { request {} }\n.get { .request {} }",
            "line 2: type `get.request` is defined twice; rename or remove one of them",
        ),
        (
            ".A {\nx 0 : integer\nx 1 : string }",
            "line 3: field `x` is defined twice in type `A`; rename or remove one of them",
        ),
        (
            ".A {\nx 0 : integer\ny 0 : string }",
            "line 3: fields `x` and `y` of type `A` share tag 0; give one of them another tag",
        ),
        ("p 1 {}\np 2 {}", "line 2: protocol `p` is defined twice; rename or remove one of them"),
        ("p 1 {}\nq 1 {}", "line 2: protocols `p` and `q` share tag 1; give one of them another tag"),
        (
            "p 1 { response nil\nresponse nil }",
            "line 2: protocol `p` has two parts `response`; remove one of them",
        ),
        (
            ".A {\nx 0 : float }",
            "line 2: type `float` of field `x` is not known from inside `A`; define `.float`, or use integer, boolean, string, binary or double",
        ),
        (
            "p 1 {\nrequest string }",
            "line 2: request type `string` of protocol `p` is not defined; define `.string` or write the struct inline as `request { … }`",
        ),
        (".A { x 0 : integer(10) }", "line 1: `x` has 10 decimal digits, but integer(n) takes n from 0 to 9"),
        (".A { x 0 : integer() }", "line 1: `x` has  decimal digits, but integer(n) takes n from 0 to 9"),
        (
            ".A { x 0 : A(x) }",
            "line 1: `x` has a key `(x)`, but only an array of a struct type can have one; write `*Type(x)` or remove the parentheses",
        ),
        (
            ".A { x 0 : *string(2) }",
            "line 1: `x` has a key `(2)`, but only an array of a struct type can have one; write `*Type(2)` or remove the parentheses",
        ),
        (
            ".A { x 0 : *A(z) }",
            "line 1: `x` is keyed by `z`, which is no field of `A`; name one of its fields",
        ),
        (
            ".A { x 0 : *A(x) }",
            "line 1: `x` is keyed by `x` of `A`, which is a struct or an array; a key must be a single built-in value",
        ),
        (
            ".A { x 0 : *A() }",
            "line 1: `x` is a map `*A()`, but `A` has 1 fields; it must have two, a key and a value",
        ),
    ] {
        assert_eq!(refusal(text), message, "{text}");
    }
}

#[test]
fn types_nest_up_to_the_limit_and_the_parser_does_not_run_out_of_stack() {
    let nested = |levels: usize| ".T {".repeat(levels) + &"}".repeat(levels);
    assert!(Schema::parse(&nested(64)).is_ok());
    assert!(refusal(&nested(65)).contains("deeper than 64"));
    assert!(refusal(&".T {".repeat(100_000)).contains("deeper than 64"));
}

#[test]
fn no_prefix_and_no_change_of_a_text_makes_the_parser_panic() {
    let text = ".A { x 0 : *B(id) y 1 : integer(2) .B { id 0 : integer n 1 : string } }\nget 1 { request A response { r 0 : *A.B() } } # é\n";
    assert!(Schema::parse(text).is_ok());
    for (cut, _) in text.char_indices() {
        let _ = Schema::parse(&text[..cut]);
        let _ = Schema::parse(&text[cut..]);
        for sign in ["{", "}", "(", ")", ".", "*", ":", "#", "0", "x", " ", "\n", "\u{1f980}"] {
            let _ = Schema::parse(&format!("{}{sign}{}", &text[..cut], &text[cut..]));
        }
    }
}

#[test]
fn a_schema_survives_its_bundle() {
    for text in [
        "quit 4 {}",
        ".A {}",
        ".A { x 32766 : *A  y 0 : integer(9)  z 5 : *B() w 6 : *B(k) }  .B { k 2 : binary  v 7 : A }",
        ".T {} a 0 {} b 1 { request T } c 2 { response T } d 3 { response nil } e 4 { request T response nil }",
    ] {
        let schema = Schema::parse(text).unwrap();
        assert_eq!(Schema::from_bundle(&schema.to_bundle().unwrap()).unwrap(), schema, "{text}");
    }
}

#[test]
fn an_absent_part_of_a_protocol_takes_one_word_each_as_in_the_original() {
    // Bytes from skynet's sprotoparser. Its loader counts words, so a joined skip would make `confirm` a response.
    let schema = Schema::parse(".T {} c 2 { response T } d 3 { response nil }").unwrap();
    let bundle = schema.to_bundle().unwrap();
    let c = [4, 0, 0, 0, 6, 0, 1, 0, 2, 0, 1, 0, 0, 0, b'c'];
    let d = [5, 0, 0, 0, 8, 0, 1, 0, 1, 0, 4, 0, 1, 0, 0, 0, b'd'];
    let protocols = [&[15, 0, 0, 0][..], &c, &[17, 0, 0, 0], &d].concat();
    assert!(bundle.ends_with(&protocols), "{bundle:?}");
}

#[test]
fn a_damaged_bundle_is_refused_or_still_a_schema_that_can_be_written() {
    let text = ".A { x 32766 : *A y 0 : integer(9) z 5 : *B() w 6 : *B(k) } .B { k 2 : binary v 7 : A } p 1 { request A }";
    let bundle = Schema::parse(text).unwrap().to_bundle().unwrap();
    for cut in 0..bundle.len() {
        assert!(Schema::from_bundle(&bundle[..cut]).is_err());
    }
    for bit in 0..bundle.len() * 8 {
        let mut damaged = bundle.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        if let Ok(schema) = Schema::from_bundle(&damaged) {
            assert_eq!(Schema::from_bundle(&schema.to_bundle().unwrap()).unwrap(), schema);
        }
    }
}

#[test]
fn a_bundle_with_a_reference_to_nowhere_is_refused() {
    let bundle = Schema::parse(".A {} p 1 { request A }").unwrap().to_bundle().unwrap();
    let mut damaged = bundle.clone();
    // The request index of the only protocol is the last word of its header, before its name.
    let at = bundle.len() - 1 - 4 - 2;
    assert_eq!(damaged[at], 2);
    damaged[at] = 4;
    let refusal = Schema::from_bundle(&damaged).unwrap_err();
    assert_eq!(refusal, SchemaError::Bundle(BundleProblem::Protocol("p".to_owned())));
}
