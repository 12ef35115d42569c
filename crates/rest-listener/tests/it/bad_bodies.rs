use std::convert::Infallible;

use bytes::Bytes;
use http_body_util::StreamBody;
use hyper::body::Frame;
use reqwest::Method;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde_json::{Map, Value, json};

use crate::raw::RawClient;
use crate::site::{Answer, Site, Who, finish};

/// An endpoint that takes a body, and a good one.
struct Endpoint {
    method: Method,
    path: &'static str,
    body: Value,
    /// The fields that are text, with the greatest number of characters.
    texts: &'static [(&'static str, usize)],
    /// The fields that may be left out.
    optional: &'static [&'static str],
}

fn endpoints() -> Vec<Endpoint> {
    let user = json!({
        "user_id": "S001", "name": "Peter Higg", "username": "uid", "email": "phigg@home.cern", "role": "SCIENTIST"
    });
    let texts: &[_] = &[("user_id", 30), ("name", 100), ("username", 128), ("email", 254), ("role", 9)];
    let experiment =
        json!({"experiment_id": 1, "name": "device-vibrations", "description": "", "archived": false});
    let name: &[_] = &[("name", 255), ("description", 2_000)];
    vec![
        Endpoint { method: Method::POST, path: "/users/", body: user.clone(), texts, optional: &[] },
        Endpoint {
            method: Method::PUT,
            path: "/users/S001",
            body: user,
            texts,
            optional: &["user_id", "role"],
        },
        Endpoint {
            method: Method::POST,
            path: "/experiments/",
            body: json!({"name": "x", "description": "y"}),
            texts: name,
            optional: &["description"],
        },
        Endpoint {
            method: Method::PUT,
            path: "/experiments/1",
            body: experiment,
            texts: name,
            optional: &["experiment_id", "description", "archived"],
        },
    ]
}

impl Endpoint {
    async fn send(&self, site: &Site, body: impl Into<reqwest::Body>) -> Answer {
        site.send(self.method.clone(), self.path, Who::Admin, body).await
    }

    fn with(&self, field: &str, value: Value) -> String {
        let mut body = self.body.clone();
        body[field] = value;
        body.to_string()
    }

    fn without(&self, field: &str) -> String {
        let mut body: Map<_, _> = self.body.as_object().unwrap().clone();
        body.remove(field).unwrap();
        Value::Object(body).to_string()
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        self.body.as_object().unwrap().keys().map(String::as_str)
    }
}

#[tokio::test]
async fn a_missing_field_is_named() {
    let site = Site::start().await;
    for endpoint in endpoints() {
        for field in endpoint.fields() {
            let answer = endpoint.send(&site, endpoint.without(field)).await;
            if endpoint.optional.contains(&field) {
                let expected = if endpoint.method == Method::POST { 201 } else { 200 };
                assert_eq!(answer.status, expected, "{field}: {answer:?}");
            } else {
                assert_eq!(answer.names(field), format!("`{field}` is missing"));
            }
        }
    }
}

#[tokio::test]
async fn a_field_of_a_wrong_type_is_named_and_null_is_one_too() {
    let site = Site::start().await;
    for endpoint in endpoints() {
        for (field, _) in endpoint.texts {
            for wrong in [Value::Null, json!(true), json!(1), json!(1.5), json!([]), json!({"a": "b"})] {
                let detail = endpoint.send(&site, endpoint.with(field, wrong)).await.names(field);
                assert_eq!(detail, format!("`{field}` must be a string"));
            }
        }
    }
    let experiment = &endpoints()[3];
    for wrong in [Value::Null, json!("1"), json!(1.5), json!(-1), json!(4_294_967_296_u64), json!([1])] {
        let detail =
            experiment.send(&site, experiment.with("experiment_id", wrong)).await.names("experiment_id");
        assert_eq!(detail, "`experiment_id` must be an integer from 0 to 4294967295");
    }
    // To JSON that is the same number.
    let answer = experiment.send(&site, experiment.with("experiment_id", json!(1.0))).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn blank_long_and_control_text_is_refused_by_field_name() {
    let site = Site::start().await;
    for endpoint in endpoints() {
        for (field, max) in endpoint.texts {
            let too_long = "x".repeat(max + 1);
            // A description may be blank.
            let blank: &[_] = if *field == "description" { &[] } else { &["", "   ", "\u{2003}"] };
            for wrong in [blank, &["a\u{0}b", "a\nb", "a\u{7f}b", "a\u{85}b", &too_long]].concat() {
                let answer = endpoint.send(&site, endpoint.with(field, wrong.into())).await;
                answer.names(field);
            }
        }
    }
}

#[tokio::test]
async fn other_rules_of_fields_name_them_too() {
    let site = Site::start().await;
    let user = &endpoints()[0];
    for (field, wrong) in [
        ("user_id", "me"),
        ("user_id", ".."),
        ("email", "plain"),
        ("email", "a@b@c"),
        ("role", "admin"),
        ("role", "AUDITOR"),
    ] {
        user.send(&site, user.with(field, wrong.into())).await.names(field);
    }
}

#[tokio::test]
async fn a_repeated_field_is_named() {
    let site = Site::start().await;
    for endpoint in endpoints() {
        for field in endpoint.fields() {
            let body = endpoint.body.to_string().replacen(
                '{',
                &format!("{{\"{field}\":{},", endpoint.body[field]),
                1,
            );
            assert_eq!(
                endpoint.send(&site, body).await.names(field),
                format!("`{field}` occurs twice in the body")
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_refused() {
    let site = Site::start().await;
    for endpoint in endpoints() {
        let good = endpoint.body.to_string();
        let values = Value::Array(endpoint.body.as_object().unwrap().values().cloned().collect());
        for (body, message) in [
            (String::new(), "is missing"),
            (" \r\n\t".to_owned(), "is missing"),
            (values.to_string(), "must be a JSON object"),
            ("[]".to_owned(), "must be a JSON object"),
            ("\"text\"".to_owned(), "must be a JSON object"),
            ("null".to_owned(), "must be a JSON object"),
            ("nul".to_owned(), "is not valid JSON"),
            ("{".to_owned(), "is not valid JSON"),
            (format!("{good}x"), "is not valid JSON"),
            (format!("{good}{good}"), "is not valid JSON"),
            (format!("\u{feff}{good}"), "is not valid JSON"),
            (good.replace(':', "="), "is not valid JSON"),
        ] {
            let detail = endpoint.send(&site, body.clone()).await.names("body");
            assert!(detail.contains(message), "{body}: {detail}");
        }
        for (body, message) in
            [(&b"{\"x\":\"\xff\"}"[..], "must be UTF-8"), (&b"\xff\xfe{\0"[..], "must be UTF-8")]
        {
            assert_eq!(endpoint.send(&site, body).await.names("body"), format!("`body` {message}"));
        }
        endpoint.send(&site, good.replacen('{', "{\"x\":{{},", 1)).await.names("x");
        let surrogate = good.replacen("\"name\":\"", "\"name\":\"\\ud800", 1);
        endpoint.send(&site, surrogate).await.names("name");
    }
}

#[tokio::test]
async fn a_refusal_does_not_repeat_what_was_sent() {
    let site = Site::start().await;
    for wrong in [json!({"secret-canary": 1}), json!(["secret-canary"]), json!("secret-canary\u{0}")] {
        let answer = site.post("/experiments/", Who::Admin, &json!({"name": wrong})).await;
        assert!(!answer.names("name").contains("secret-canary"));
    }
    let answer = site.post("/experiments/", Who::Admin, &json!("secret-canary")).await;
    assert!(!answer.names("body").contains("secret-canary"));
}

#[tokio::test]
async fn a_body_of_up_to_one_mebibyte_is_taken() {
    let site = Site::start().await;
    let body = |bytes: usize| {
        let head = "{\"name\":\"large\",\"padding\":\"";
        format!("{head}{}\"}}", "x".repeat(bytes - head.len() - 2))
    };
    let answer = site.send(Method::POST, "/experiments/", Who::Admin, body((1 << 20) + 1)).await;
    answer.problem(413, "payload_too_large");
    // Also where the client does not say beforehand how much it will send, and sends far too much.
    let pieces = (0..200).map(|_| Ok::<_, Infallible>(Frame::data(Bytes::from_static(&[b' '; 1 << 16]))));
    let streamed = reqwest::Body::wrap(StreamBody::new(futures::stream::iter(pieces)));
    let answer = site.send(Method::POST, "/experiments/", Who::Admin, streamed).await;
    answer.problem(413, "payload_too_large");
    let answer = site.send(Method::POST, "/experiments/", Who::Admin, body(1 << 20)).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let site = Site::start().await;
    let mut raw = RawClient::connect(&site).await;
    raw.send("POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 16777216\r\n\r\n").await;
    // The server has made up its mind long before the end; a reset would lose the answer on its
    // way.
    raw.send(&" ".repeat(16 << 20)).await;
    let answer = raw.read_to_end().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
}

#[tokio::test]
async fn a_body_of_another_content_type_is_not_read() {
    let site = Site::start().await;
    let send = |media_type: Option<&'static str>, coding: Option<&'static str>| {
        let mut request = site.request(Method::POST, "/experiments/", Who::Admin).body("{\"name\":\"x\"}");
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        if let Some(coding) = coding {
            request = request.header(CONTENT_ENCODING, coding);
        }
        finish(request)
    };
    for media_type in [
        None,
        Some(""),
        Some("text/plain"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("text/json"),
        Some("application/json; charset=iso-8859-1"),
    ] {
        send(media_type, None).await.problem(415, "unsupported_media_type");
    }
    send(Some("application/json"), Some("gzip")).await.problem(415, "unsupported_media_type");
    assert_eq!(send(Some("Application/JSON; charset=\"UTF-8\""), Some("identity")).await.status, 201);
    send(Some("application/merge-patch+json"), None).await.problem(409, "conflict");
}

#[tokio::test]
async fn an_answer_that_does_not_wait_for_the_body_says_that_the_connection_ends() {
    let site = Site::start().await;
    let mut raw = RawClient::connect(&site).await;
    raw.send("POST /users/ HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nbegun").await;
    let answer = raw.read_until("\r\n\r\n").await;
    assert!(answer.contains("401 Unauthorized") && answer.contains("connection: close"), "{answer}");

    let token = Who::Admin.token().unwrap();
    let mut raw = RawClient::connect(&site).await;
    raw.send(&format!(
        "POST /users/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: 7\r\n\r\nnothing"
    ))
    .await;
    let answer = raw.read_until("\r\n\r\n").await;
    assert!(answer.contains("400 Bad Request") && !answer.contains("connection: close"), "{answer}");
    raw.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await;
    raw.read_until("\"live\"").await;
}
