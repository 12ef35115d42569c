use super::*;

pub(super) fn signatures(table: &mut Table) {
    let mut refuses = |fact: &str, token: String, reason| table.refused(fact, token, reason);
    let (ours, second, foreign) = (TestKey::nth(0), TestKey::nth(1), TestKey::nth(2));
    let text = claims().to_string();
    let good = signed(&claims());
    let [header, payload, signature] = good.split('.').collect::<Vec<_>>().try_into().unwrap();

    refuses(
        "a foreign key is not known",
        foreign.sign(foreign.header().to_string().as_bytes(), text.as_bytes()),
        KID_UNKNOWN,
    );
    refuses(
        "a foreign key is not taken for the one it names",
        foreign.sign(ours.header().to_string().as_bytes(), text.as_bytes()),
        SIGNATURE,
    );
    refuses(
        "the second key is not taken for the first",
        second.sign(ours.header().to_string().as_bytes(), text.as_bytes()),
        SIGNATURE,
    );
    for (name, value) in [
        ("jwk", json!({"kty": "RSA", "kid": ours.kid(), "e": "AQAB", "n": "sXch"})),
        ("jku", json!("http://127.0.0.1:1/keys")),
        ("x5u", json!("http://127.0.0.1:1/certificates")),
        (
            "x5c",
            json!([foreign.certificate().lines().filter(|line| !line.starts_with('-')).collect::<String>()]),
        ),
    ] {
        let token = foreign.sign(good_header(name, value).to_string().as_bytes(), text.as_bytes());
        refuses(&format!("a token does not bring its own key (`{name}`)"), token, SIGNATURE);
    }

    refuses("a signature must be there", format!("{header}.{payload}."), SIGNATURE);
    refuses("a signature must be base64url", format!("{header}.{payload}.!!!!"), SIGNATURE);
    refuses("a signature of zeros is none", format!("{header}.{payload}.{}", base64url([0; 256])), SIGNATURE);
    refuses("a signature of one byte is none", format!("{header}.{payload}.AA"), SIGNATURE);
    refuses("a signature must be whole", good[..good.len() - 4].to_owned(), SIGNATURE);
    refuses("a signature ends where it ends", format!("{good}AAAA"), SIGNATURE);
    refuses(
        "a signature is not to be turned round",
        format!("{header}.{payload}.{}", signature.chars().rev().collect::<String>()),
        SIGNATURE,
    );
    refuses(
        "a signature belongs to its payload",
        format!("{header}.{}.{signature}", base64url(with(claims(), "sub", "somebody").to_string())),
        SIGNATURE,
    );
    refuses(
        "a signature belongs to its header",
        format!("{}.{payload}.{signature}", base64url(good_header("typ", "at+jwt").to_string())),
        SIGNATURE,
    );
    refuses(
        "header and payload are signed together with their dot",
        format!("{header}.{payload}.{}", ours.signature(&format!("{header}{payload}"))),
        SIGNATURE,
    );
    refuses(
        "the payload alone is not what is signed",
        format!("{header}.{payload}.{}", ours.signature(payload)),
        SIGNATURE,
    );
    for algorithm in [Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS512] {
        let signed = format!("{header}.{payload}");
        let other = jsonwebtoken::crypto::sign(signed.as_bytes(), &rsa_key(0), algorithm).unwrap();
        refuses(&format!("RS256 is what it says, not {algorithm:?}"), format!("{signed}.{other}"), SIGNATURE);
    }
    refuses(
        "an HMAC is no signature",
        {
            let secret = EncodingKey::from_secret(ours.certificate().as_bytes()).unwrap();
            let signed = format!("{header}.{payload}");
            let hmac = jsonwebtoken::crypto::sign(signed.as_bytes(), &secret, Algorithm::HS256).unwrap();
            format!("{signed}.{hmac}")
        },
        SIGNATURE,
    );
}
