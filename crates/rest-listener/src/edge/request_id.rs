use http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

/// Where a request id is taken from and given back.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names a request in its answer and in each log line about it.
pub(super) struct RequestId(String);

impl RequestId {
    /// Takes the client's id if it gave one that is safe to log, else makes one.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut given = headers.get_all(X_REQUEST_ID).iter();
        let id = given.next().and_then(sane);
        let is_one = given.next().is_none();
        Self(id.filter(|_| is_one).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn into_header(self) -> HeaderValue {
        // Both kinds of ids are made of characters that a header takes.
        HeaderValue::try_from(self.0).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// 1 to 128 characters that have no meaning in any log.
fn sane(value: &HeaderValue) -> Option<&str> {
    let id = value.to_str().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    ((1..=128).contains(&id.len()) && id.bytes().all(is_plain)).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> String {
        let header = |value: &&str| (X_REQUEST_ID, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        RequestId::of(&values.iter().map(header).collect()).0
    }

    #[test]
    fn a_sane_id_is_taken() {
        let longest = "x".repeat(128);
        for id in ["a", "A.b_c-9", &longest] {
            assert_eq!(of(&[id]), id);
        }
    }

    #[test]
    fn any_other_is_replaced_by_a_uuid() {
        let too_long = "x".repeat(129);
        for values in [&[][..], &[""], &["a b"], &["a\"b"], &["é"], &["a\tb"], &[&too_long], &["a", "a"]] {
            assert!(of(values).parse::<Uuid>().is_ok(), "{values:?}");
        }
    }
}
