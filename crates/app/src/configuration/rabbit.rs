use std::time::Duration;

use mymonit_model::Faceted;
use mymonit_rabbit_listener::{
    DEFAULT_BATCH_SIZE, DEFAULT_EXCHANGE, DEFAULT_LINGER, DEFAULT_MAX_MESSAGE_BYTES, DEFAULT_PREFETCH,
    DEFAULT_QUEUE, DEFAULT_ROUTING_KEY, RabbitConfiguration, TlsFiles, compose_uri,
};

use super::environment::{ConfigurationError, Environment};

const DEFAULT_HOST: &str = "localhost";
const DEFAULT_ACCOUNT: &str = "guest";
/// RabbitMQ's own limit for a message is 512 MiB at most.
const MAX_MESSAGE_BYTES_LIMIT: usize = 512 << 20;
/// A single measure becomes readable after the linger time at the latest.
const LONGEST_LINGER_MS: u64 = 60_000;

/// The broker: `RABBIT_URL`, `RABBIT_USER`, `RABBIT_PASSWORD`, `RABBIT_EXCHANGE`,
/// `RABBIT_ROUTING`, `RABBIT_QUEUE`, `RABBIT_CA_FILE`, `RABBIT_CLIENT_IDENTITY_FILE`,
/// `RABBIT_PREFETCH`, `RABBIT_BATCH_SIZE`, `RABBIT_BATCH_LINGER_MS`, `RABBIT_MAX_MESSAGE_BYTES`.
pub(super) fn read(environment: &Environment) -> Result<RabbitConfiguration, ConfigurationError> {
    let linger_ms = u64::try_from(DEFAULT_LINGER.as_millis()).unwrap_or(LONGEST_LINGER_MS);
    let linger = environment.number("RABBIT_BATCH_LINGER_MS", linger_ms, 0..=LONGEST_LINGER_MS)?;
    Ok(RabbitConfiguration {
        uri: uri(environment)?,
        tls: TlsFiles {
            ca_file: environment.file("RABBIT_CA_FILE")?,
            client_identity_file: environment.file("RABBIT_CLIENT_IDENTITY_FILE")?,
        },
        exchange: name(environment, "RABBIT_EXCHANGE", DEFAULT_EXCHANGE)?,
        routing_key: name(environment, "RABBIT_ROUTING", DEFAULT_ROUTING_KEY)?,
        queue: name(environment, "RABBIT_QUEUE", DEFAULT_QUEUE)?,
        prefetch: environment.number("RABBIT_PREFETCH", DEFAULT_PREFETCH, 1..=u16::MAX)?,
        batch_size: environment.number("RABBIT_BATCH_SIZE", DEFAULT_BATCH_SIZE, 1..=u16::MAX)?,
        linger: Duration::from_millis(linger),
        max_message_bytes: environment.number(
            "RABBIT_MAX_MESSAGE_BYTES",
            DEFAULT_MAX_MESSAGE_BYTES,
            1..=MAX_MESSAGE_BYTES_LIMIT,
        )?,
    })
}

fn uri(environment: &Environment) -> Result<Faceted<String>, ConfigurationError> {
    let url = environment.text_or("RABBIT_URL", DEFAULT_HOST)?;
    let user = environment.text_or("RABBIT_USER", DEFAULT_ACCOUNT)?;
    let password = environment.text_or("RABBIT_PASSWORD", DEFAULT_ACCOUNT)?.into();
    compose_uri(&url, &user, &password).map_err(|refusal| ConfigurationError(refusal.to_string()))
}

/// A name of the broker: an AMQP short string.
fn name(environment: &Environment, variable: &str, default: &str) -> Result<String, ConfigurationError> {
    match environment.text(variable)? {
        None => Ok(default.to_owned()),
        // For an empty name the broker would generate a queue for each process.
        Some(name) if (1..=255).contains(&name.len()) => Ok(name),
        Some(name) => Err(ConfigurationError::wrong(variable, name, "a name of 1 to 255 bytes")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_account_is_part_of_the_uri() {
        let variables = [("RABBIT_URL", "rabbit:5673"), ("RABBIT_USER", "us@er"), ("RABBIT_PASSWORD", "p/w")];
        let uri = read(&Environment::of(&variables)).unwrap().uri;
        assert!(uri.reveal().starts_with("amqp://us%40er:p%2Fw@rabbit:5673"), "{}", uri.reveal());
    }

    #[test]
    fn each_wrong_value_is_refused_by_name() {
        let long = "x".repeat(256);
        for (variable, held) in [
            ("RABBIT_PREFETCH", "0"),
            ("RABBIT_PREFETCH", "65536"),
            ("RABBIT_BATCH_SIZE", "many"),
            ("RABBIT_BATCH_LINGER_MS", "-1"),
            ("RABBIT_MAX_MESSAGE_BYTES", "0"),
            ("RABBIT_EXCHANGE", &long),
            ("RABBIT_ROUTING", &long),
            ("RABBIT_QUEUE", &long),
            ("RABBIT_CA_FILE", "/no/such/file"),
            ("RABBIT_CLIENT_IDENTITY_FILE", "/no/such/file"),
            ("RABBIT_URL", "http://rabbit"),
            ("RABBIT_URL", "rabbit:port"),
        ] {
            let message = read(&Environment::of(&[(variable, held)])).unwrap_err().to_string();
            assert!(message.starts_with(variable), "{variable}={held}: {message}");
        }
    }

    #[test]
    fn an_empty_file_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for variable in ["RABBIT_EXCHANGE", "RABBIT_ROUTING", "RABBIT_QUEUE"] {
            let environment = Environment::of(&[(&format!("{variable}_FILE"), path)]);
            let message = read(&environment).unwrap_err().to_string();
            assert!(message.starts_with(&format!("{variable} holds ``")), "{message}");
        }
    }

    #[test]
    fn a_wrong_url_is_refused_without_its_password() {
        let message =
            read(&Environment::of(&[("RABBIT_URL", "http://user:canary@rabbit")])).unwrap_err().to_string();
        assert!(!message.contains("canary"), "{message}");
    }
}
