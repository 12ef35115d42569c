use std::str::FromStr;

use super::environment::{ConfigurationError, Environment};

/// The listeners of this process: `LISTENERS` or `--listeners`; both by default. Processes with
/// one each scale separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listeners {
    /// The REST listener.
    pub(crate) rest: bool,
    /// The Rabbit listener.
    pub(crate) rabbit: bool,
}

impl Listeners {
    const NAME: &'static str = "LISTENERS";
    const BOTH: Self = Self { rest: true, rabbit: true };

    /// The argument overrides the environment, which is validated anyway.
    pub(crate) fn read(
        environment: &Environment,
        argument: Option<Self>,
    ) -> Result<Self, ConfigurationError> {
        let configured = match environment.text(Self::NAME)? {
            None => Self::BOTH,
            Some(text) => {
                text.parse().map_err(|allowed| ConfigurationError::wrong(Self::NAME, &text, allowed))?
            }
        };
        Ok(argument.unwrap_or(configured))
    }
}

impl FromStr for Listeners {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut listeners = Self { rest: false, rabbit: false };
        for name in text.split(',') {
            let listener = match name.trim() {
                "rest" => &mut listeners.rest,
                "rabbit" => &mut listeners.rabbit,
                _ => return Err("`rest`, `rabbit` or `rest,rabbit`"),
            };
            *listener = true;
        }
        Ok(listeners)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(held: &str, argument: Option<Listeners>) -> Result<Listeners, String> {
        Listeners::read(&Environment::of(&[("LISTENERS", held)]), argument).map_err(|error| error.to_string())
    }

    #[test]
    fn both_run_unless_one_is_named() {
        let (rest, rabbit) =
            (Listeners { rest: true, rabbit: false }, Listeners { rest: false, rabbit: true });
        for (held, expected) in [
            ("", Listeners::BOTH),
            ("rest,rabbit", Listeners::BOTH),
            ("rabbit, rest", Listeners::BOTH),
            ("rest", rest),
            (" rabbit ", rabbit),
        ] {
            assert_eq!(read(held, None), Ok(expected), "{held}");
        }
        assert_eq!(read("rest", Some(rabbit)), Ok(rabbit), "the argument counts more");
    }

    #[test]
    fn unknown_listeners_are_refused_by_name() {
        for held in ["none", "rest,", ",", "REST", "rest rabbit", "rest;rabbit"] {
            let expected = format!("LISTENERS holds `{held}`; allowed is `rest`, `rabbit` or `rest,rabbit`");
            assert_eq!(read(held, None), Err(expected.clone()));
            assert_eq!(read(held, Some(Listeners::BOTH)), Err(expected));
        }
    }
}
