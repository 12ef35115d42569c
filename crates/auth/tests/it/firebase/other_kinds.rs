use super::*;

pub(super) fn tokens_of_other_kinds(table: &mut Table) {
    let project = FirebaseDouble::PROJECT_ID;
    let account = "firebase-adminsdk@mymonit-test.iam.gserviceaccount.com";
    let now = seconds_from_now(0);
    let custom = json!({
        "iss": account, "sub": account, "uid": UID, "iat": now, "exp": now + 3600,
        "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit",
    });
    table.refused(
        "a custom token is no ID token",
        TestKey::nth(0).sign(br#"{"alg":"RS256","typ":"JWT"}"#, custom.to_string().as_bytes()),
        KID_ABSENT,
    );
    table.refused("a custom token with a key id is no ID token", signed(&custom), AUD);
    table.refused(
        "a legacy custom token is no ID token",
        {
            let legacy = json!({"v": 0, "d": {"uid": UID}, "iat": now});
            jsonwebtoken::encode(
                &Header::new(Algorithm::HS256),
                &legacy,
                &EncodingKey::from_secret(b"s").unwrap(),
            )
            .unwrap()
        },
        ALG,
    );
    table.refused(
        "a session cookie is no ID token",
        signed(&with(claims(), "iss", format!("https://session.firebase.google.com/{project}"))),
        ISS,
    );
    table.refused(
        "a Google sign-in token is no ID token",
        {
            signed(&with(
                with(claims(), "iss", "https://accounts.google.com"),
                "aud",
                "x.apps.googleusercontent.com",
            ))
        },
        AUD,
    );
    table.refused(
        "another project's ID token is refused",
        signed(&mymonit_test_support::tokens::claims("another-project", UID)),
        AUD,
    );
    table.refused("an emulator's token is refused", unsigned_token(&claims()), ALG);
    table.refused(
        "an event of a blocking function is no ID token",
        {
            let event = with(claims(), "event_type", "beforeSendSms");
            signed(&without(with(event, "aud", format!("{project}.cloudfunctions.net/")), "sub"))
        },
        AUD,
    );
    table.refused(
        "an event without a user is no ID token",
        signed(&without(with(claims(), "event_type", "beforeSendEmail"), "sub")),
        SUB,
    );
}
