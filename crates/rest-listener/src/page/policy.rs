use http::HeaderValue;

use super::SignIn;

/// Where Firebase's SDK signs users in and renews their tokens.
const FIREBASE: [&str; 2] = ["https://identitytoolkit.googleapis.com", "https://securetoken.googleapis.com"];

/// Allows the page its own script and style, and requests to this service and to where its users
/// sign in. No text can become script or markup.
pub(super) fn content_security_policy(sign_in: &SignIn) -> HeaderValue {
    let elsewhere: Vec<&str> = match sign_in {
        SignIn::Evaluation(_) => Vec::new(),
        SignIn::Firebase(project) => match &project.emulator {
            Some(emulator) => vec![emulator],
            None => FIREBASE.to_vec(),
        },
    };
    let connect: Vec<_> = ["'self'"].into_iter().chain(elsewhere).collect();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; connect-src {}; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
        connect.join(" ")
    );
    // Origins consist of visible ASCII characters.
    HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from_static("default-src 'none'"))
}
