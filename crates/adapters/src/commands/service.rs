//! Asks the service whether the names of a description exist.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use tokio::runtime::Builder;

use super::{FAILED, Failure};
use crate::source::{NameFrom, Source};

const LIMIT: Duration = Duration::from_secs(30);
/// Names that are shown for an unknown one.
const CLOSEST: usize = 3;

/// An experiment or a measure type.
#[derive(Debug, Deserialize)]
struct Named {
    name: String,
    /// The symbol of a measure type.
    symbol: Option<String>,
}

/// The names that a source uses.
#[derive(Debug, Default)]
pub(super) struct Names {
    experiments: BTreeSet<String>,
    types: BTreeSet<String>,
}

impl Names {
    /// The names in the description.
    pub(super) fn of(source: &Source) -> Self {
        let mut this = Self::default();
        for measure in &source.measures {
            this.experiments.extend(constants(&measure.experiment));
            this.types.extend(constants(&measure.measure));
        }
        this
    }

    /// Adds the names of a record.
    pub(super) fn add(&mut self, experiment: String, measure: String) {
        self.experiments.insert(experiment);
        self.types.insert(measure);
    }

    /// Asks the service which names are unknown, and returns a sentence for each.
    ///
    /// # Errors
    /// The service is unreachable, or refuses the token.
    pub(super) fn unknown(&self, url: &str, token: &str) -> Result<Vec<String>, Failure> {
        let failed = |error: &reqwest::Error| {
            let why = match error.status().map(|status| status.as_u16()) {
                Some(401) => "the service does not accept the token".to_owned(),
                Some(403) => "the user of the token may not read experiments".to_owned(),
                _ => error.to_string(),
            };
            Failure::new(FAILED, format!("{url}: {why}"))
        };
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = reqwest::Client::builder().timeout(LIMIT).build().map_err(|error| failed(&error))?;
        let get = |path: &str| {
            let request = client.get(format!("{}/{path}", url.trim_end_matches('/'))).bearer_auth(token);
            let answer = runtime
                .block_on(async { request.send().await?.error_for_status()?.json::<Vec<Named>>().await });
            answer.map_err(|error| failed(&error))
        };
        let experiments: Vec<_> = get("experiments/")?.into_iter().map(|known| known.name).collect();
        let types = get("measure-types/")?.into_iter().flat_map(|known| [Some(known.name), known.symbol]);
        let types: Vec<_> = types.flatten().collect();
        let experiments = unknown(&self.experiments, &experiments, "experiment", " that this token may see");
        Ok(experiments.chain(unknown(&self.types, &types, "measure type", "")).collect())
    }
}

fn constants(name: &NameFrom) -> Vec<String> {
    match name {
        NameFrom::Constant(name) => vec![name.trim().to_owned()],
        NameFrom::Field(by_field) => by_field.names.values().cloned().collect(),
    }
}

fn unknown(
    names: &BTreeSet<String>,
    known: &[String],
    what: &str,
    which: &str,
) -> impl Iterator<Item = String> {
    let unknown = names.iter().filter(|name| !known.contains(name));
    unknown.map(move |name| format!("there is no {what} `{name}`{which}{}", closest(name, known)))
}

/// The known names that are most similar to a name.
fn closest(name: &str, known: &[String]) -> String {
    let lower = name.to_lowercase();
    let mut by_distance: Vec<_> = known
        .iter()
        .map(|known| (strsim::damerau_levenshtein(&lower, &known.to_lowercase()), known))
        .filter(|(distance, known)| *distance <= known.chars().count().max(3) / 2 + 1)
        .collect();
    by_distance.sort();
    let names: Vec<_> = by_distance.iter().take(CLOSEST).map(|(_, known)| format!("`{known}`")).collect();
    if names.is_empty() { String::new() } else { format!("; the closest are {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_names_are_shown_first() {
        let known = ["hertz", "henry", "degree Celsius", "lux"].map(str::to_owned);
        assert_eq!(closest("herz", &known), "; the closest are `hertz`, `henry`");
        assert_eq!(closest("Degree celsius", &known), "; the closest are `degree Celsius`");
        assert_eq!(closest("something else entirely", &known), "");
        let names = BTreeSet::from(["herz".to_owned(), "lux".to_owned()]);
        let unknown: Vec<_> = unknown(&names, &known, "measure type", "").collect();
        assert_eq!(unknown, ["there is no measure type `herz`; the closest are `hertz`, `henry`"]);
    }
}
