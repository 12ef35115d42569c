use lapin::uri::AMQPUri;
use mymonit_model::Faceted;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;
use url::{Host, Url};

/// The default heartbeat interval in seconds. A connection is closed after two missed heartbeats.
pub const DEFAULT_HEARTBEAT_SECONDS: u16 = 10;

const ALLOWED: &str = "a host name, `host:port`, or a whole `amqp://` or `amqps://` URL";

/// `RABBIT_URL` cannot be used. The message repeats what it held, but never a user or a password.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("RABBIT_URL holds `{held}`; {problem}")]
pub struct InvalidRabbitUrl {
    held: String,
    problem: String,
}

/// Makes one AMQP URI of `RABBIT_URL` (a host name, `host:port`, or an AMQP URL), `RABBIT_USER` and
/// `RABBIT_PASSWORD`. Credentials in the URL take precedence.
///
/// The defaults are the virtual host `/` and the heartbeat [`DEFAULT_HEARTBEAT_SECONDS`].
///
/// # Errors
/// If the URL is none of the three kinds, or turns the heartbeat off.
pub fn compose_uri(
    rabbit_url: &str,
    user: &str,
    password: &Faceted<String>,
) -> Result<Faceted<String>, InvalidRabbitUrl> {
    let held = rabbit_url.trim();
    let refuse = |problem: String| InvalidRabbitUrl { held: without_credentials(held), problem };
    let not_allowed = || refuse(format!("allowed is {ALLOWED}"));

    let is_whole = held.contains("://");
    let whole = if is_whole { held.to_owned() } else { format!("amqp://{}", bracketed(held)) };
    let mut url = Url::parse(&whole).map_err(|_| not_allowed())?;
    let has_host = url.host_str().is_some_and(|host| !host.is_empty());
    if !matches!(url.scheme(), "amqp" | "amqps") || !has_host || (!is_whole && !is_host_and_port(&url)) {
        return Err(not_allowed());
    }
    add_credentials(&mut url, user, password).map_err(|()| not_allowed())?;
    if matches!(url.path(), "" | "/") {
        // An empty path would do, but `/` would name a virtual host with an empty name.
        url.set_path("/%2f");
    }
    set_heartbeat(&mut url).map_err(refuse)?;
    amqp_uri(url.as_str()).map_err(|problem| refuse(format!("{problem}; allowed is {ALLOWED}")))?;
    Ok(Faceted::new(url.into()))
}

/// Parses a URI for lapin, which connects to `localhost` if the host is an IPv6 address.
///
/// # Errors
/// The reason why it is invalid.
pub fn amqp_uri(text: &str) -> Result<AMQPUri, String> {
    let mut uri: AMQPUri = text.parse()?;
    if let Ok(url) = Url::parse(text)
        && let Some(Host::Ipv6(address)) = url.host()
    {
        uri.authority.host = address.to_string();
    }
    Ok(uri)
}

/// An IPv6 address without a port may lack its brackets.
fn bracketed(host: &str) -> String {
    match host.parse::<std::net::Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

fn is_host_and_port(url: &Url) -> bool {
    url.username().is_empty()
        && url.password().is_none()
        && url.path().is_empty()
        && url.query().is_none()
        && url.fragment().is_none()
}

fn add_credentials(url: &mut Url, user: &str, password: &Faceted<String>) -> Result<(), ()> {
    // `Url` would keep `%41`, which the broker would decode as `A`.
    let encoded = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    if url.username().is_empty() {
        url.set_username(&encoded(user))?;
    }
    if url.password().is_none() {
        url.set_password(Some(&encoded(password.reveal())))?;
    }
    Ok(())
}

fn set_heartbeat(url: &mut Url) -> Result<(), String> {
    let given = url.query_pairs().find(|(name, _)| name == "heartbeat").map(|(_, value)| value.into_owned());
    match given {
        None => {
            url.query_pairs_mut().append_pair("heartbeat", &DEFAULT_HEARTBEAT_SECONDS.to_string());
            Ok(())
        }
        // Without a heartbeat a silently lost connection would never be detected.
        Some(value) if value.parse::<u16>().is_ok_and(|seconds| seconds > 0) => Ok(()),
        Some(_) => Err("its `heartbeat` must be a number of seconds from 1 to 65535".to_owned()),
    }
}

/// The URL without its credentials: the part between the scheme and the last `@` of the authority.
fn without_credentials(held: &str) -> String {
    match (held.find("://"), held.rfind('@')) {
        (Some(scheme), Some(at)) if scheme + 3 <= at => {
            format!("{}***{}", &held[..scheme + 3], &held[at..])
        }
        (_, Some(at)) => format!("***{}", &held[at..]),
        (_, None) => held.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn composed(rabbit_url: &str) -> AMQPUri {
        let uri = compose_uri(rabbit_url, "guest", &Faceted::new("guest".to_owned())).unwrap();
        amqp_uri(uri.reveal()).unwrap()
    }

    fn refusal(rabbit_url: &str) -> String {
        compose_uri(rabbit_url, "canary-user", &Faceted::new("canary-password".to_owned()))
            .expect_err(rabbit_url)
            .to_string()
    }

    #[test]
    fn a_host_name_a_host_with_port_and_a_whole_url_are_taken() {
        for (given, scheme, host, port, vhost) in [
            ("localhost", "amqp", "localhost", 5672, "/"),
            ("rabbit", "amqp", "rabbit", 5672, "/"),
            (" rabbit:5673 ", "amqp", "rabbit", 5673, "/"),
            ("127.0.0.1:5673", "amqp", "127.0.0.1", 5673, "/"),
            ("::1", "amqp", "::1", 5672, "/"),
            ("[2001:db8::1]:5673", "amqp", "2001:db8::1", 5673, "/"),
            ("amqp://rabbit", "amqp", "rabbit", 5672, "/"),
            ("amqp://rabbit/", "amqp", "rabbit", 5672, "/"),
            ("amqp://rabbit/%2f", "amqp", "rabbit", 5672, "/"),
            ("amqps://rabbit/test", "amqps", "rabbit", 5671, "test"),
            ("amqps://[::1]:5673/a%2Fb", "amqps", "::1", 5673, "a/b"),
        ] {
            let uri = composed(given);
            assert_eq!(uri.scheme.to_string(), scheme, "{given}");
            assert_eq!((uri.authority.host.as_str(), uri.authority.port), (host, port), "{given}");
            assert_eq!(uri.vhost, vhost, "{given}");
            assert_eq!(uri.authority.userinfo.username, "guest", "{given}");
            assert_eq!(uri.query.heartbeat, Some(DEFAULT_HEARTBEAT_SECONDS), "{given}");
        }
    }

    #[test]
    fn user_and_password_are_used_unless_the_url_carries_its_own() {
        let credentials = |given: &str| {
            let uri = compose_uri(given, "us@er/:%", &Faceted::new("p@ss/w:rd?#%41 é".to_owned())).unwrap();
            let info = amqp_uri(uri.reveal()).unwrap().authority.userinfo;
            (info.username, info.password)
        };
        let own = ("us@er/:%".to_owned(), "p@ss/w:rd?#%41 é".to_owned());
        assert_eq!(credentials("rabbit"), own);
        assert_eq!(credentials("amqps://rabbit:1/v"), own);
        assert_eq!(credentials("amqp://a%40b:c%2Fd@rabbit"), ("a@b".to_owned(), "c/d".to_owned()));
        assert_eq!(credentials("amqp://a@rabbit"), ("a".to_owned(), own.1));
    }

    #[test]
    fn the_query_of_a_whole_url_is_kept() {
        assert_eq!(composed("amqp://rabbit?heartbeat=3").query.heartbeat, Some(3));
        let uri = composed("amqp://rabbit/v?frame_max=8192");
        assert_eq!((uri.query.frame_max, uri.query.heartbeat), (Some(8192), Some(10)));
    }

    #[test]
    fn invalid_broker_urls_are_refused_by_name() {
        for given in [
            "",
            "   ",
            "http://rabbit",
            "amqp://",
            "amqp:///vhost",
            "rabbit:port",
            "rabbit:99999",
            "rab bit",
            "rabbit/vhost",
            "rabbit?heartbeat=3",
            "amqp://rabbit:99999",
            "amqp://rabbit?frame_max=x",
        ] {
            let message = refusal(given);
            assert!(message.starts_with("RABBIT_URL holds `"), "{message}");
            assert!(message.contains("`host:port`"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn a_heartbeat_cannot_be_turned_off() {
        for given in ["amqp://rabbit?heartbeat=0", "amqp://rabbit?heartbeat=x"] {
            assert!(refusal(given).contains("`heartbeat`"), "{given}");
        }
    }

    #[test]
    fn a_refusal_never_shows_credentials() {
        for given in [
            "http://canary:canary@rabbit",
            "amqp://canary:c@n@ry@rabbit:99999",
            "canary:canary@rabbit",
            "amqp://canary:canary/canary@rabbit:x",
            "amqp://canary:canary@rabbit?heartbeat=0",
        ] {
            let message = refusal(given);
            assert!(!message.contains("canary") && !message.contains("c@n"), "{message}");
            assert!(message.contains("rabbit"), "{message}");
        }
    }
}
