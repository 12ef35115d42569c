use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;

use thiserror::Error;

/// A variable with a wrong value: its name, the value (never of a secret) and what is allowed.
#[derive(Debug, Error)]
#[error("{0}")]
pub(crate) struct ConfigurationError(pub(crate) String);

impl ConfigurationError {
    /// The value is not allowed.
    pub(crate) fn wrong(name: &str, held: impl Display, allowed: impl Display) -> Self {
        Self(format!("{name} holds `{held}`; allowed is {allowed}"))
    }

    /// The value of a secret is not allowed; it is not repeated.
    pub(crate) fn wrong_secret(name: &str, allowed: impl Display) -> Self {
        Self(format!("{name} holds a value that cannot be used; allowed is {allowed}"))
    }
}

/// The environment variables. An empty one counts as unset: compose files pass unset ones as empty.
pub(crate) struct Environment(HashMap<String, OsString>);

impl Environment {
    /// The environment of this process.
    ///
    /// Leaves out names that are not UTF-8, which this program does not use.
    pub(crate) fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
    }

    fn variable(&self, name: &str) -> Result<Option<&str>, ConfigurationError> {
        let value = self.0.get(name).filter(|value| !value.is_empty());
        let text = value.map(|value| value.to_str().ok_or_else(|| not_text(name)));
        text.transpose()
    }

    /// The value of `NAME`, or of the file that `NAME_FILE` names without its final line break.
    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, ConfigurationError> {
        let file_name = format!("{name}_FILE");
        match (self.variable(name)?, self.variable(&file_name)?) {
            (Some(_), Some(_)) => {
                Err(ConfigurationError(format!("{name} and {file_name} are both set; set one of them")))
            }
            (Some(value), None) => Ok(Some(value.to_owned())),
            (None, Some(path)) => {
                let content = std::fs::read_to_string(path).map_err(|error| {
                    ConfigurationError::wrong(
                        &file_name,
                        path,
                        format!("the path of a readable file ({error})"),
                    )
                })?;
                Ok(Some(content.trim_end_matches(['\r', '\n']).to_owned()))
            }
            (None, None) => Ok(None),
        }
    }

    /// Whether the variable is set to the empty string, where that differs from unset.
    pub(crate) fn is_empty(&self, name: &str) -> bool {
        self.0.get(name).is_some_and(|value| value.is_empty())
    }

    /// Like [`Self::text`], with a default.
    pub(crate) fn text_or(&self, name: &str, default: &str) -> Result<String, ConfigurationError> {
        Ok(self.text(name)?.unwrap_or_else(|| default.to_owned()))
    }

    /// Like [`Self::text`], for the path of a file that must exist.
    pub(crate) fn file(&self, name: &str) -> Result<Option<PathBuf>, ConfigurationError> {
        let Some(path) = self.text(name)? else { return Ok(None) };
        match std::fs::File::open(&path) {
            Ok(_) => Ok(Some(path.into())),
            Err(error) => {
                Err(ConfigurationError::wrong(name, &path, format!("the path of a readable file ({error})")))
            }
        }
    }

    /// A value within bounds, or the default.
    pub(crate) fn number<T>(
        &self,
        name: &str,
        default: T,
        allowed: std::ops::RangeInclusive<T>,
    ) -> Result<T, ConfigurationError>
    where
        T: FromStr + PartialOrd + Display + Copy,
    {
        let Some(text) = self.text(name)? else { return Ok(default) };
        text.trim().parse().ok().filter(|number| allowed.contains(number)).ok_or_else(|| {
            let allowed = format!("an integer from {} to {}", allowed.start(), allowed.end());
            ConfigurationError::wrong(name, &text, allowed)
        })
    }

    /// `true` or `false`; `false` if not set.
    pub(crate) fn flag(&self, name: &str) -> Result<bool, ConfigurationError> {
        match self.text(name)?.as_deref().map(str::trim) {
            None => Ok(false),
            Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
            Some(text) => Err(ConfigurationError::wrong(name, text, "`true` or `false`")),
        }
    }
}

/// The value may be a password, so it is not repeated.
fn not_text(name: &str) -> ConfigurationError {
    ConfigurationError(format!("{name} holds bytes that are not UTF-8; allowed is text in UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use super::*;

    fn message<T: std::fmt::Debug>(result: Result<T, ConfigurationError>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_value_is_read_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "  from file \r\n").unwrap();
        let environment = Environment::of(&[("DB_PASSWORD_FILE", path.to_str().unwrap())]);
        assert_eq!(environment.text("DB_PASSWORD").unwrap().unwrap(), "  from file ");
    }

    #[test]
    fn a_value_and_a_file_together_are_refused_by_name() {
        let environment = Environment::of(&[("DB_USER", "a"), ("DB_USER_FILE", "/b")]);
        let message = message(environment.text("DB_USER"));
        assert!(message.contains("DB_USER and DB_USER_FILE"), "{message}");
    }

    #[test]
    fn a_missing_file_is_refused_by_name() {
        let message = message(Environment::of(&[("DB_USER_FILE", "/no/such")]).text("DB_USER"));
        assert!(message.contains("DB_USER_FILE") && message.contains("/no/such"), "{message}");
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(Environment::of(&[("DB_USER", "")]).text("DB_USER").unwrap(), None);
    }

    #[test]
    fn a_value_that_is_not_utf8_is_refused_by_name() {
        for name in ["DB_PASSWORD", "DB_PASSWORD_FILE"] {
            let value = OsString::from_vec(b"canary\xe9".to_vec());
            let environment = Environment([(name.to_owned(), value)].into());
            let message = message(environment.text("DB_PASSWORD"));
            assert_eq!(message, format!("{name} holds bytes that are not UTF-8; allowed is text in UTF-8"));
        }
    }

    #[test]
    fn a_number_out_of_bounds_is_refused_with_what_is_allowed() {
        for held in ["0", "65536", "-1", "x", "1.5"] {
            let message =
                message(Environment::of(&[("REST_PORT", held)]).number::<u16>("REST_PORT", 5000, 1..=65535));
            assert_eq!(message, format!("REST_PORT holds `{held}`; allowed is an integer from 1 to 65535"));
        }
    }

    #[test]
    fn a_flag_is_true_or_false_and_nothing_else() {
        let flag = |held: &str| Environment::of(&[("EXAMPLE_DATA", held)]).flag("EXAMPLE_DATA");
        assert!(flag("true").unwrap() && flag("TRUE").unwrap() && flag("1").unwrap());
        assert!(!flag("false").unwrap() && !flag("").unwrap());
        assert!(message(flag("yes")).contains("EXAMPLE_DATA holds `yes`"));
    }
}
