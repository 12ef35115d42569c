use super::*;

pub(super) fn audiences(table: &mut Table) {
    let project = FirebaseDouble::PROJECT_ID;
    table.refused("`aud` must be there", signed(&without(claims(), "aud")), AUD);
    for (fact, aud) in [
        ("`aud` must not be null", json!(null)),
        ("`aud` must not be empty", json!("")),
        ("`aud` must not be another project", json!("another-project")),
        ("`aud` must not be an array that holds the project", json!([project])),
        ("`aud` must not be an array that holds the project and another", json!(["x", project])),
        ("`aud` must not be an empty array", json!([])),
        ("`aud` must not be an object", json!({project: true})),
        ("`aud` must not be a number", json!(1)),
        ("`aud` must not be a truth value", json!(true)),
        ("`aud` must not just begin with the project", json!(format!("{project}-2"))),
        ("`aud` must not be the project's beginning", json!("mymonit")),
        ("`aud` is compared with regard to case", json!(project.to_uppercase())),
        ("`aud` must have no space", json!(format!("{project} "))),
        ("`aud` must not be the issuer", json!(format!("https://securetoken.google.com/{project}"))),
    ] {
        table.refused(fact, signed(&with(claims(), "aud", aud)), AUD);
    }
    table.refused(
        "of two `aud` the last one counts",
        {
            let text = claims().to_string();
            signed_text(format!(r#"{},"aud":"last"}}"#, &text[..text.len() - 1]))
        },
        AUD,
    );
}

pub(super) fn issuers(table: &mut Table) {
    let project = FirebaseDouble::PROJECT_ID;
    let issuer = format!("https://securetoken.google.com/{project}");
    table.refused("`iss` must be there", signed(&without(claims(), "iss")), ISS);
    for (fact, iss) in [
        ("`iss` must not be null", json!(null)),
        ("`iss` must not be empty", json!("")),
        ("`iss` must not be an array that holds the issuer", json!([issuer])),
        ("`iss` must not be an array that holds the issuer and another", json!([issuer, "x"])),
        ("`iss` must not be an object", json!({"iss": issuer})),
        ("`iss` must not be another project's", json!("https://securetoken.google.com/another-project")),
        ("`iss` must not be without a project", json!("https://securetoken.google.com/")),
        ("`iss` must not be plain http", json!(issuer.replace("https", "http"))),
        ("`iss` must not end with a slash", json!(format!("{issuer}/"))),
        (
            "`iss` must not be on another host",
            json!(format!("https://securetoken.google.com.example.org/{project}")),
        ),
        ("`iss` is compared with regard to case", json!(issuer.to_uppercase())),
        ("`iss` must not be the project", json!(project)),
        (
            "`iss` must not be the session cookies' issuer",
            json!(format!("https://session.firebase.google.com/{project}")),
        ),
        ("`iss` must not be Google's accounts", json!("https://accounts.google.com")),
    ] {
        table.refused(fact, signed(&with(claims(), "iss", iss)), ISS);
    }
}

pub(super) fn subjects(table: &mut Table) {
    table.refused("`sub` must be there", signed(&without(claims(), "sub")), SUB);
    for (fact, sub) in [
        ("`sub` must not be null", json!(null)),
        ("`sub` must not be empty", json!("")),
        ("`sub` must not have 129 characters", json!("u".repeat(129))),
        ("`sub` must not have 129 characters of two bytes", json!("é".repeat(129))),
        ("`sub` must not be a number", json!(7)),
        ("`sub` must not be an array", json!([UID])),
        ("`sub` must not be an object", json!({"uid": UID})),
        ("`sub` must not be a truth value", json!(true)),
        ("`sub` must not be blank", json!("   ")),
        ("`sub` must not become another user's by trimming", json!(format!(" {UID}"))),
        ("`sub` must not become another user's by trimming its end", json!(format!("{UID}\u{2003}"))),
        ("`sub` must have no line end", json!(format!("{UID}\n"))),
        ("`sub` must have no NUL", json!(format!("{UID}\u{0}x"))),
    ] {
        table.refused(fact, signed(&with(claims(), "sub", sub)), SUB);
    }
    table.refused(
        "a `user_id` does not stand in for `sub`",
        signed(&without(with(claims(), "uid", UID), "sub")),
        SUB,
    );
}

pub(super) fn expiries(table: &mut Table) {
    table.refused("`exp` must be there", signed(&without(claims(), "exp")), EXP_ABSENT);
    for (fact, exp, reason) in [
        ("`exp` must not be null", json!(null), EXP_ABSENT),
        ("`exp` must not be a text", json!(seconds_from_now(3600).to_string()), EXP_ABSENT),
        ("`exp` must not be a date", json!("2262-01-01T00:00:00Z"), EXP_ABSENT),
        ("`exp` must not be an array", json!([seconds_from_now(3600)]), EXP_ABSENT),
        ("`exp` must not be a truth value", json!(true), EXP_ABSENT),
        ("a second ago is expired", json!(seconds_from_now(-1)), EXPIRED),
        ("59 seconds ago is expired: there is no leeway", json!(seconds_from_now(-59)), EXPIRED),
        ("the present second is expired", json!(seconds_from_now(0)), EXPIRED),
        ("a day ago is expired", json!(seconds_from_now(-DAY)), EXPIRED),
        ("1970 is expired", json!(0), EXPIRED),
        ("before 1970 is expired", json!(-1), EXPIRED),
        ("the smallest 64-bit number is expired", json!(i64::MIN), EXPIRED),
        ("far below 64 bits is expired", json!(-1e300), EXPIRED),
    ] {
        table.refused(fact, signed(&with(claims(), "exp", exp)), reason);
    }
    table.refused(
        "an expiry beyond all numbers is none",
        {
            let exp = claims()["exp"].to_string();
            signed_text(claims().to_string().replace(&format!("\"exp\":{exp}"), "\"exp\":1e400"))
        },
        PAYLOAD,
    );
}

pub(super) fn past_moments(table: &mut Table) {
    for (name, absent, future) in
        [("iat", IAT_ABSENT, IAT_FUTURE), ("auth_time", AUTH_TIME_ABSENT, AUTH_TIME_FUTURE)]
    {
        table.refused(format!("`{name}` must be there"), signed(&without(claims(), name)), absent);
        for (fact, value, reason) in [
            ("must not be null", json!(null), absent),
            ("must not be a text", json!("1650000000"), absent),
            ("must not be an array", json!([1_650_000_000]), absent),
            ("must not be a truth value", json!(false), absent),
            ("must not be 90 seconds ahead", json!(seconds_from_now(90)), future),
            ("must not be a day ahead", json!(seconds_from_now(DAY)), future),
            ("must not be in milliseconds", json!(seconds_from_now(0) * 1000), future),
            ("must not be beyond 64 bits", json!(1e300), future),
        ] {
            table.refused(format!("`{name}` {fact}"), signed(&with(claims(), name, value)), reason);
        }
    }
    for (fact, value, reason) in [
        ("`nbf` must not be half a minute ahead", json!(seconds_from_now(30)), NBF_FUTURE),
        ("`nbf` must not be a day ahead", json!(seconds_from_now(DAY)), NBF_FUTURE),
        ("`nbf` must not be a text", json!("1650000000"), NBF),
        ("`nbf` must not be null", json!(null), NBF),
    ] {
        table.refused(fact, signed(&with(claims(), "nbf", value)), reason);
    }
}
