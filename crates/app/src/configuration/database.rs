use mymonit_model::Faceted;
use mymonit_storage::MySqlTls;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::environment::{ConfigurationError, Environment};

/// The database file of evaluation mode, relative to the working folder.
const EVALUATION_DATABASE: &str = "./data/mymonit.db";

/// The database: `DATABASE_URL`, or `DB_USER`, `DB_PASSWORD`, `DB_HOST`, `DB_PORT` and
/// `DB_DATABASE`; `DB_SSL_MODE`, `DB_SSL_CA`, `DB_POOL_SIZE`.
#[derive(Debug)]
pub(crate) struct DatabaseConfiguration {
    /// Which database.
    pub(crate) location: DatabaseLocation,
    /// How a MySQL server is authenticated, unless its URL sets it.
    pub(crate) tls: MySqlTls,
    /// The greatest number of connections.
    pub(crate) pool_size: u32,
}

/// Which database.
#[derive(Debug)]
pub(crate) enum DatabaseLocation {
    /// A `mysql://` URL with its options.
    MySqlUrl(Faceted<String>),
    /// A MySQL server, part by part.
    MySql { user: String, password: Faceted<String>, host: String, port: u16, database: String },
    /// The path of an SQLite file.
    Sqlite(String),
}

impl DatabaseConfiguration {
    pub(crate) fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        Ok(Self {
            location: DatabaseLocation::read(environment, evaluation)?,
            tls: read_tls(environment)?,
            pool_size: environment.number("DB_POOL_SIZE", 10, 1..=1000)?,
        })
    }
}

impl DatabaseLocation {
    fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        if let Some(url) = environment.text("DATABASE_URL")?.map(Faceted::new) {
            return Self::of_url(url);
        }
        let host = environment.text("DB_HOST")?;
        if evaluation && host.is_none() {
            return Ok(Self::Sqlite(EVALUATION_DATABASE.to_owned()));
        }
        Ok(Self::MySql {
            user: environment.text_or("DB_USER", "root")?,
            password: environment.text_or("DB_PASSWORD", "password")?.into(),
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            port: environment.number("DB_PORT", 3306, 1..=u16::MAX)?,
            database: environment.text_or("DB_DATABASE", "my_monit")?,
        })
    }

    fn of_url(url: Faceted<String>) -> Result<Self, ConfigurationError> {
        let allowed = "`mysql://user:password@host:port/database` or `sqlite://path`";
        let text = url.reveal();
        if let Some(path) = text.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(path.to_owned()));
        }
        // A URL without a database name would connect and then find no table.
        match url::Url::parse(text) {
            Ok(parsed)
                if parsed.scheme() == "mysql"
                    && parsed.has_host()
                    && !parsed.path().trim_matches('/').is_empty() =>
            {
                require_tls_files(&parsed)?;
                Ok(Self::MySqlUrl(url))
            }
            _ => Err(ConfigurationError::wrong_secret("DATABASE_URL", allowed)),
        }
    }
}

fn read_tls(environment: &Environment) -> Result<MySqlTls, ConfigurationError> {
    const MODE: &str = "DB_SSL_MODE";
    let parse =
        |text: String| text.trim().parse().map_err(|allowed| ConfigurationError::wrong(MODE, &text, allowed));
    let mode = environment.text(MODE)?.map(parse).transpose()?;
    let ca = environment.text("DB_SSL_CA")?;
    if let Some(ca) = &ca {
        require_certificates("DB_SSL_CA", ca)?;
    }
    Ok(MySqlTls { mode, ca })
}

/// Checks that the file, or the value itself (by `DB_SSL_CA_FILE`), holds certificates in PEM.
fn require_certificates(name: &str, ca: &str) -> Result<(), ConfigurationError> {
    let allowed = "the path of a file with certificates of authorities (PEM)";
    let (held, pem) = if ca.trim_start().starts_with("-----BEGIN") {
        ("PEM", Ok(ca.as_bytes().to_vec()))
    } else {
        (ca, std::fs::read(ca))
    };
    let pem = pem.map_err(|error| {
        ConfigurationError::wrong(name, held, format!("{allowed}; it cannot be read: {error}"))
    })?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(()),
        _ => Err(ConfigurationError::wrong(name, held, format!("{allowed}; it holds none"))),
    }
}

/// Checks the files that the URL's parameters name; the driver's error would not name the file.
fn require_tls_files(url: &url::Url) -> Result<(), ConfigurationError> {
    for (parameter, path) in url.query_pairs() {
        let is_file = ["ssl-ca", "ssl-cert", "ssl-key", "sslca", "sslcert", "sslkey"].contains(&&*parameter);
        if !is_file || path.trim_start().starts_with("-----BEGIN") {
            continue;
        }
        std::fs::File::open(&*path).map_err(|error| {
            ConfigurationError(format!(
                "DATABASE_URL names `{path}` as `{parameter}`, which cannot be read ({error})"
            ))
        })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(
        variables: &[(&str, &str)],
        evaluation: bool,
    ) -> Result<DatabaseLocation, ConfigurationError> {
        DatabaseLocation::read(&Environment::of(variables), evaluation)
    }

    #[test]
    fn mysql_is_the_default_and_sqlite_the_default_of_evaluation_mode() {
        assert!(matches!(
            location(&[], false).unwrap(),
            DatabaseLocation::MySql { user, password, host, port: 3306, database }
                if user == "root" && password.reveal() == "password" && host == "localhost" && database == "my_monit"
        ));
        assert!(
            matches!(location(&[], true).unwrap(), DatabaseLocation::Sqlite(path) if path == "./data/mymonit.db")
        );
        assert!(matches!(location(&[("DB_HOST", "db")], true).unwrap(), DatabaseLocation::MySql { .. }));
    }

    #[test]
    fn a_url_overrides_the_parts() {
        let variables = [("DATABASE_URL", "sqlite://a/b.db"), ("DB_HOST", "db")];
        assert!(
            matches!(location(&variables, false).unwrap(), DatabaseLocation::Sqlite(path) if path == "a/b.db")
        );
        let variables = [("DATABASE_URL", "mysql://u:p@h/d")];
        assert!(matches!(location(&variables, true).unwrap(), DatabaseLocation::MySqlUrl(_)));
    }

    #[test]
    fn tls_is_checked_at_the_start() {
        let tls = |variables: &[(&str, &str)]| {
            read_tls(&Environment::of(variables)).map_err(|error| error.to_string())
        };
        assert!(tls(&[]).unwrap().mode.is_none());
        for mode in ["VERIFY_IDENTITY", "verify_ca", " REQUIRED ", "PREFERRED", "DISABLED"] {
            assert!(tls(&[("DB_SSL_MODE", mode)]).unwrap().mode.is_some(), "{mode}");
        }
        let message = tls(&[("DB_SSL_MODE", "yes")]).unwrap_err();
        assert!(message.starts_with("DB_SSL_MODE holds `yes`; allowed is `VERIFY_IDENTITY`"), "{message}");
        let message = tls(&[("DB_SSL_CA", "/no/such.pem")]).unwrap_err();
        assert!(message.starts_with("DB_SSL_CA holds `/no/such.pem`; allowed is the path"), "{message}");

        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str, content: &str| {
            std::fs::write(folder.path().join(name), content).unwrap();
            folder.path().join(name).to_str().unwrap().to_owned()
        };
        let authority = rcgen::generate_simple_self_signed(["db".to_owned()]).unwrap();
        let (pem, nothing) = (path("ca.pem", &authority.cert.pem()), path("nothing", "canary"));
        let key = path("key.pem", &authority.signing_key.serialize_pem());
        assert_eq!(tls(&[("DB_SSL_CA", &pem)]).unwrap().ca.as_deref(), Some(pem.as_str()));
        assert!(tls(&[("DB_SSL_CA_FILE", &pem)]).unwrap().ca.unwrap().starts_with("-----BEGIN CERTIFICATE"));
        for wrong in [&nothing, &key] {
            let message = tls(&[("DB_SSL_CA", wrong)]).unwrap_err();
            assert!(message.starts_with("DB_SSL_CA") && message.ends_with("it holds none"), "{message}");
            assert!(!message.contains("canary"), "{message}");
        }
    }

    #[test]
    fn a_missing_file_of_the_url_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let url = |path: &str| format!("mysql://u:canary@h/d?ssl-mode=VERIFY_CA&ssl-ca={path}");
        assert!(location(&[("DATABASE_URL", &url(file.path().to_str().unwrap()))], false).is_ok());
        let message = location(&[("DATABASE_URL", &url("/no/such.pem"))], false).unwrap_err().to_string();
        assert!(message.starts_with("DATABASE_URL names `/no/such.pem` as `ssl-ca`"), "{message}");
        assert!(!message.contains("canary"), "{message}");
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for url in ["postgres://u:canary@h/d", "mysql://u:canary@h", "sqlite://", "canary", "mysql:///canary"]
        {
            let message = location(&[("DATABASE_URL", url)], false).unwrap_err().to_string();
            assert!(message.starts_with("DATABASE_URL") && !message.contains("canary"), "{message}");
        }
    }
}
