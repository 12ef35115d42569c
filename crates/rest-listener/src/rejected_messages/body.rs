//! A rejected message with its body as JSON. The JSON of a large body is written in chunks as the
//! client reads it, so that memory holds the body alone.

use std::convert::Infallible;
use std::iter;

use axum::body::Body;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use serde::Serialize;

/// Bytes of the body in a chunk; divisible by three, so that the concatenated base64 is valid.
const PIECE: usize = 48 * 1024;

/// The object `message` with the fields `body` and `body_encoding` added: UTF-8 as text, anything
/// else in base64.
pub(super) fn with_body<T: Serialize>(message: &T, body: Bytes) -> Body {
    let is_text = std::str::from_utf8(&body).is_ok();
    let is_short = body.len() <= PIECE;
    let (encoding, encode) =
        if is_text { ("utf-8", escaped as Encode) } else { ("base64", in_base64 as Encode) };
    // The serialisation of such a shape cannot fail.
    let mut head = serde_json::to_vec(message).unwrap_or_default();
    head.pop();
    head.extend_from_slice(format!(",\"body_encoding\":\"{encoding}\",\"body\":\"").as_bytes());
    let pieces = pieces(body, is_text).map(move |piece| Bytes::from(encode(&piece)));
    let whole = iter::once(Bytes::from(head)).chain(pieces).chain([Bytes::from_static(b"\"}")]);
    if is_short {
        // In one chunk the answer gets a `Content-Length`.
        return Body::from(whole.flatten().collect::<Vec<_>>());
    }
    Body::from_stream(stream::iter(whole.map(Ok::<_, Infallible>)))
}

type Encode = fn(&[u8]) -> String;

fn in_base64(piece: &[u8]) -> String {
    STANDARD.encode(piece)
}

/// Text escaped for a JSON string, without quotes.
fn escaped(piece: &[u8]) -> String {
    // Lossless: the body is UTF-8, and no chunk ends within a character.
    let mut json = serde_json::to_string(&String::from_utf8_lossy(piece)).unwrap_or_default();
    json.pop();
    json.split_off(1.min(json.len()))
}

/// The body in chunks, which end between two characters if it is text.
fn pieces(mut body: Bytes, is_text: bool) -> impl Iterator<Item = Bytes> {
    iter::from_fn(move || {
        let mut end = body.len().min(PIECE);
        while is_text && body.get(end).is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {
            end -= 1;
        }
        (!body.is_empty()).then(|| body.split_to(end))
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use hyper::body::Body as _;
    use serde_json::{Value, json};

    use super::*;

    async fn shown(body: impl Into<Bytes>) -> Value {
        let body = with_body(&json!({ "id": 1 }), body.into());
        let bytes = body.collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn text_of_any_kind_and_length_is_shown_as_it_is() {
        for unit in ["x", "é", "黒", "\u{1f600}", "\"\\\n\u{0}\u{1f}\u{7f}\u{2028}"] {
            for bytes in [0, 1, PIECE - 1, PIECE, PIECE + 1, PIECE * 3 + 2] {
                let mut text = unit.repeat(bytes / unit.len());
                text.insert_str(0, &"-".repeat(bytes % unit.len()));
                let expected = json!({ "id": 1, "body_encoding": "utf-8", "body": text });
                assert!(shown(text).await == expected, "{unit:?} {bytes}");
            }
        }
    }

    #[tokio::test]
    async fn anything_else_is_shown_in_base64() {
        for bytes in [1, 2, 3, PIECE - 1, PIECE, PIECE + 1, PIECE * 3 + 2] {
            let body: Vec<u8> = (0..=255).rev().cycle().take(bytes).collect();
            let expected = json!({ "id": 1, "body_encoding": "base64", "body": STANDARD.encode(&body) });
            assert!(shown(body).await == expected, "{bytes}");
        }
        // A character that is cut off at the end.
        let cut = shown(&b"caf\xc3"[..]).await;
        assert_eq!((&cut["body_encoding"], &cut["body"]), (&json!("base64"), &json!("Y2Fmww==")));
    }

    #[test]
    fn only_a_long_body_is_sent_without_its_length() {
        let short = with_body(&json!({ "id": 1 }), Bytes::from_static(b"body"));
        let expected = r#"{"id":1,"body_encoding":"utf-8","body":"body"}"#;
        assert_eq!(short.size_hint().exact(), Some(expected.len() as u64));
        let long = with_body(&json!({ "id": 1 }), Bytes::from(vec![b'x'; PIECE + 1]));
        assert_eq!(long.size_hint().exact(), None);
    }
}
