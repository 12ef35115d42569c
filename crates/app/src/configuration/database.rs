use mymonit_model::Faceted;

use super::{ConfigurationError, DATA_FOLDER, Environment};

/// Where measures are kept: `DATABASE_URL`, or `DB_USER`, `DB_PASSWORD`, `DB_HOST`, `DB_PORT` and
/// `DB_DATABASE`; `DB_POOL_SIZE`.
#[derive(Debug)]
pub(crate) struct DatabaseConfiguration {
    /// Which database.
    pub(crate) location: DatabaseLocation,
    /// The greatest number of connections.
    pub(crate) pool_size: u32,
}

/// Which database.
#[derive(Debug)]
pub(crate) enum DatabaseLocation {
    /// A `mysql://` URL, with whatever options it carries.
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
            pool_size: environment.number("DB_POOL_SIZE", 10, 1..=1000)?,
        })
    }
}

impl DatabaseLocation {
    fn read(environment: &Environment, evaluation: bool) -> Result<Self, ConfigurationError> {
        if let Some(url) = environment.secret("DATABASE_URL")? {
            return Self::of_url(url);
        }
        let host = environment.text("DB_HOST")?;
        if evaluation && host.is_none() {
            return Ok(Self::Sqlite(format!("{DATA_FOLDER}/mymonit.db")));
        }
        Ok(Self::MySql {
            user: environment.text("DB_USER")?.unwrap_or_else(|| "root".to_owned()),
            password: environment.secret("DB_PASSWORD")?.unwrap_or_else(|| "password".to_owned().into()),
            host: host.unwrap_or_else(|| "localhost".to_owned()),
            port: environment.number("DB_PORT", 3306, 1..=u16::MAX)?,
            database: environment.text("DB_DATABASE")?.unwrap_or_else(|| "my_monit".to_owned()),
        })
    }

    fn of_url(url: Faceted<String>) -> Result<Self, ConfigurationError> {
        let allowed = "`mysql://user:password@host:port/database` or `sqlite://path`";
        let text = url.reveal();
        if let Some(path) = text.strip_prefix("sqlite://").filter(|path| !path.is_empty()) {
            return Ok(Self::Sqlite(path.to_owned()));
        }
        // The database's name is checked here since a URL without one would connect and then find no table.
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

/// Makes sure that the files are there which the URL's parameters name. Otherwise the driver would say, each time that it
/// connects, that there is no such file, and not which.
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
    fn mysql_is_the_default_and_sqlite_that_of_evaluation_mode() {
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
    fn a_url_rules_over_the_parts() {
        let variables = [("DATABASE_URL", "sqlite://a/b.db"), ("DB_HOST", "db")];
        assert!(
            matches!(location(&variables, false).unwrap(), DatabaseLocation::Sqlite(path) if path == "a/b.db")
        );
        let variables = [("DATABASE_URL", "mysql://u:p@h/d")];
        assert!(matches!(location(&variables, true).unwrap(), DatabaseLocation::MySqlUrl(_)));
    }

    #[test]
    fn a_file_that_the_url_names_and_that_is_not_there_is_named() {
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
