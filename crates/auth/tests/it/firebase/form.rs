use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;

use super::*;

pub(super) fn malformed_tokens(table: &mut Table) {
    let mut refuses = |fact: &str, token: String, reason| table.refused(fact, token, reason);
    let good = signed(&claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();

    refuses("nothing is no token", String::new(), SEGMENTS);
    refuses("a word is no token", "canary".to_owned(), SEGMENTS);
    refuses("two segments are too few", format!("{header}.{payload}"), SEGMENTS);
    refuses("a fourth segment is too many", format!("{good}.{signature}"), SEGMENTS);
    refuses("a trailing dot is a fourth segment", format!("{good}."), SEGMENTS);
    refuses("five segments are an encrypted token", format!("{good}.{payload}.{signature}"), SEGMENTS);
    refuses("three empty segments are no token", "..".to_owned(), HEADER);
    refuses("the header must not be empty", format!(".{payload}.{signature}"), HEADER);
    refuses("the payload must not be empty", format!("{header}..{signature}"), PAYLOAD);
    refuses("the scheme does not belong to the token", format!("Bearer {good}"), HEADER);
    refuses("a space before is not cut off", format!(" {good}"), HEADER);
    refuses("a space behind is not cut off", format!("{good} "), SIGNATURE);
    refuses("a line end behind is not cut off", format!("{good}\n"), SIGNATURE);
    refuses("quotes do not belong to the token", format!("\"{good}\""), HEADER);
    refuses("a NUL is no part of a token", format!("{header}\0.{payload}.{signature}"), HEADER);
    refuses("a token is ASCII", format!("{header}.\u{1f600}.{signature}"), PAYLOAD);
    refuses("a percent-encoded token is none", good.replace('.', "%2E"), SEGMENTS);

    let standard = "eyJhbGciOiJSUzI1NiIsInR5cCI6Ij8/Pj4+In0";
    refuses("the alphabet is base64url's", segments(standard, payload), HEADER);
    let text = claims().to_string();
    // With trailing spaces, so that padding would be due.
    let padded = |text: &str| URL_SAFE.encode(format!("{text:0$}", (text.len() / 3 + 1) * 3 + 1));
    let padded_header = padded(&TestKey::nth(0).header().to_string());
    assert!(padded_header.ends_with('='));
    refuses("a padded header is refused", segments(&padded_header, payload), HEADER);
    refuses("a padded payload is refused", segments(header, &padded(&text)), PAYLOAD);
    refuses("a padded signature is refused", format!("{good}=="), SIGNATURE);
    refuses(
        "a line break within is refused",
        format!("{header}.{}\n{}.{signature}", &payload[..8], &payload[8..]),
        PAYLOAD,
    );
    refuses("a dangling character is refused", segments(&format!("{}A", base64url("{ }")), payload), HEADER);

    for (fact, text) in [
        ("a header that is no JSON is refused", "canary"),
        ("an empty header is refused", ""),
        ("a header that is an array is refused", r#"["RS256"]"#),
        ("a header that is a text is refused", r#""RS256""#),
        ("a header that is null is refused", "null"),
        ("a header that is cut off is refused", r#"{"alg":"RS256""#),
        ("a header with something behind is refused", r#"{"alg":"RS256"}{}"#),
    ] {
        refuses(fact, headed_text(text), HEADER);
    }
    refuses(
        "a header that is no UTF-8 is refused",
        TestKey::nth(0).sign(b"{\"alg\":\"\xff\"}", b"{}"),
        HEADER,
    );
    for (fact, payload) in [
        ("a payload that is no JSON is refused", "canary".to_owned()),
        ("a payload that is an array is refused", format!("[{text}]")),
        ("a payload that is a text is refused", json!(text).to_string()),
        ("a payload that is a number is refused", "7".to_owned()),
        ("a payload that is null is refused", "null".to_owned()),
        ("a payload that is cut off is refused", text[..text.len() - 1].to_owned()),
        ("a payload with something behind is refused", format!("{text}x")),
        ("a payload with a byte order mark is refused", format!("\u{feff}{text}")),
        ("a payload with a comment is refused", format!("{text}//")),
        ("a payload in single quotes is refused", text.replace('"', "'")),
        ("a payload with NaN is refused", text.replacen('{', "{\"x\":NaN,", 1)),
        (
            "a payload of a thousand nested arrays is refused",
            text.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(1000), "]".repeat(1000)), 1),
        ),
    ] {
        refuses(fact, signed_text(payload), PAYLOAD);
    }
    refuses("a payload that is no UTF-8 is refused", signed_text(b"{\"sub\":\"\xff\"}"), PAYLOAD);
    refuses(
        "a payload that is UTF-16 is refused",
        signed_text(text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>()),
        PAYLOAD,
    );
    refuses(
        "a long token is refused before it is read",
        signed(&with(claims(), "x", "x".repeat(13_000))),
        TOO_LONG,
    );
    refuses("a megabyte is refused before it is read", "x".repeat(1 << 20), TOO_LONG);
    refuses("a megabyte of dots is refused before it is read", ".".repeat(1 << 20), TOO_LONG);
}

pub(super) fn headers(table: &mut Table) {
    let mut refuses = |fact: &str, token: String, reason| table.refused(fact, token, reason);
    let header = || TestKey::nth(0).header();

    refuses("a header must name an algorithm", headed(&without(header(), "alg")), ALG);
    for alg in [
        json!(null),
        json!(""),
        json!("rs256"),
        json!("RS256 "),
        json!("RS256\u{0}"),
        json!(["RS256"]),
        json!(256),
    ] {
        refuses(
            &format!("the algorithm is the text RS256, not {alg:?}"),
            headed(&good_header("alg", alg)),
            ALG,
        );
    }
    for alg in ["none", "None", "NONE", "nOnE"] {
        let token = headed(&good_header("alg", alg));
        let unsigned = &token[..=token.rfind('.').unwrap()];
        refuses(&format!("an unsigned token is refused (`{alg}`)"), unsigned.to_owned(), ALG);
        refuses(&format!("a signed token that says `{alg}` is refused"), token, ALG);
    }
    for algorithm in
        [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512]
    {
        let token = by(algorithm, &rsa_key(0));
        refuses(&format!("{algorithm:?} by the right key is refused"), token, ALG);
    }
    for alg in ["ES256", "ES384", "EdDSA", "HS256", "HS384", "HS512", "RSA1_5", "dir"] {
        refuses(&format!("the algorithm {alg} is refused"), headed(&good_header("alg", alg)), ALG);
    }
    for algorithm in [Algorithm::HS256, Algorithm::HS384, Algorithm::HS512] {
        let secret = EncodingKey::from_secret(TestKey::nth(0).certificate().as_bytes()).unwrap();
        refuses(
            &format!("{algorithm:?} with the certificate as its secret is refused"),
            by(algorithm, &secret),
            ALG,
        );
    }
    refuses(
        "of two algorithms the last one counts",
        headed_text(&good_header("alg", "none").to_string().replacen('{', r#"{"alg":"RS256","#, 1)),
        ALG,
    );

    refuses("a header must name its key", headed(&without(header(), "kid")), KID_ABSENT);
    for kid in [json!(null), json!(1), json!([TestKey::nth(0).kid()]), json!({}), json!(true)] {
        refuses(
            &format!("the key is named by a text, not {kid}"),
            headed(&good_header("kid", kid)),
            KID_ABSENT,
        );
    }
    let kid = TestKey::nth(0).kid();
    for (fact, kid) in [
        ("an empty key id names no key", String::new()),
        ("a key id in capitals names another key", kid.to_uppercase()),
        ("a key id with a space names another key", format!("{kid} ")),
        ("the beginning of a key id names another key", kid[..6].to_owned()),
        ("a path is no key id", "../../../../dev/null".to_owned()),
        ("an address is no key id", "http://127.0.0.1:1/".to_owned()),
        ("a long key id is just another unknown one", "k".repeat(5000)),
        ("a name of JavaScript's objects is no key id", "__proto__".to_owned()),
    ] {
        refuses(fact, headed(&good_header("kid", kid)), KID_UNKNOWN);
    }
}
