use super::*;

pub(super) fn accepted_tokens(table: &mut Table) {
    let mut accepts = |fact: &str, token: String| table.accepted(fact, token, UID);
    accepts("a token as Firebase writes it is accepted", signed(&claims()));
    accepts("each of the current keys may sign", {
        let key = TestKey::nth(1);
        key.sign(key.header().to_string().as_bytes(), claims().to_string().as_bytes())
    });
    accepts("additional claims are ignored", {
        let more = [
            ("email", json!(7)),
            ("admin", json!({"a": [1, {"b": null}]})),
            ("v", json!(0)),
            ("d", json!(1)),
        ];
        signed(&more.into_iter().fold(claims(), |claims, (name, value)| with(claims, name, value)))
    });
    accepts(
        "an anonymous user has no e-mail",
        signed(&without(without(claims(), "email"), "email_verified")),
    );
    accepts("user_id is not what counts", signed(&with(claims(), "user_id", "somebody-else")));
    accepts("an array as `amr` is no matter", signed(&with(claims(), "amr", json!(["a"]))));
    accepts("a payload may be written with spaces and lines", signed_text(format!("\n{:#}\t ", claims())));
    accepts("a payload may escape its characters", {
        signed_text(claims().to_string().replace("uJay", "\\u0075Jay"))
    });
    accepts("of a claim that occurs twice the last one counts", {
        signed_text(claims().to_string().replacen('{', r#"{"sub":"first","aud":"first","exp":1,"#, 1))
    });
    accepts("a token of 16 KiB is accepted", {
        let length = |filler: usize| signed(&with(claims(), "filler", "x".repeat(filler))).len();
        let filler = (11_000..13_000).rev().find(|filler| length(*filler) <= 16 * 1024).unwrap();
        signed(&with(claims(), "filler", "x".repeat(filler)))
    });

    accepts("a header may be without `typ`", headed(&without(TestKey::nth(0).header(), "typ")));
    for typ in [json!("at+jwt"), json!(""), json!(7), json!(null)] {
        accepts(&format!("`typ` is not looked at: {typ}"), headed(&good_header("typ", typ)));
    }
    for (name, value) in [
        ("crit", json!(["exp"])),
        ("crit", json!("exp")),
        ("b64", json!(true)),
        ("zip", json!("DEF")),
        ("cty", json!(["x"])),
        ("jwk", json!("no key")),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/certificates")),
        ("x5c", json!(["AAAA"])),
        ("x5t", json!(1)),
    ] {
        accepts(
            &format!("the SDK does not look at `{name}` ({value}) in the header"),
            headed(&good_header(name, value)),
        );
    }
    accepts("of a header field that occurs twice the last one counts", {
        headed_text(&TestKey::nth(0).header().to_string().replacen('{', r#"{"alg":"none","kid":"x","#, 1))
    });

    for (fact, name, value) in [
        ("an expiry may have a fraction", "exp", json!(5e9 + 0.5)),
        ("an expiry beyond 64 bits is in the future", "exp", json!(1e300)),
        ("an expiry of the greatest 64-bit number is in the future", "exp", json!(u64::MAX)),
        ("an expiry in half a minute is in the future", "exp", json!(seconds_from_now(30))),
        ("`iat` may be the present second", "iat", json!(seconds_from_now(0))),
        ("`iat` may be half a minute ahead", "iat", json!(seconds_from_now(30))),
        ("`iat` may be long ago", "iat", json!(0)),
        ("`iat` may be before 1970", "iat", json!(-1)),
        ("`iat` may have a fraction", "iat", json!(1.5e9 + 0.5)),
        ("`auth_time` may be the present second", "auth_time", json!(seconds_from_now(0))),
        ("`auth_time` may be half a minute ahead", "auth_time", json!(seconds_from_now(30))),
        ("`auth_time` may be long ago", "auth_time", json!(1)),
        ("`auth_time` may have a fraction", "auth_time", json!(1.5e9 + 0.5)),
        ("`nbf` may be in the past", "nbf", json!(seconds_from_now(-1))),
    ] {
        accepts(fact, signed(&with(claims(), name, value)));
    }

    for (fact, sub) in [
        ("a username may have one character", "u".to_owned()),
        ("a username may have 128 characters", "u".repeat(128)),
        ("a username may have 128 characters of two bytes", "é".repeat(128)),
        ("a username may have any Unicode within", "Zoë \u{1f600} 黒穴".to_owned()),
        ("a username may look like JSON", r#"{"sub":"x"}"#.to_owned()),
    ] {
        let token = signed(&with(claims(), "sub", sub.as_str()));
        table.accepted(fact, token, &sub);
    }
}
