use std::collections::BTreeMap;

use anyhow::{Context, ensure};

/// One scrape of the metrics.
#[derive(Debug)]
pub(crate) struct Scrape {
    pub(crate) text: String,
    /// Each sample's value by its name with its labels, as it is written.
    samples: BTreeMap<String, f64>,
}

impl Scrape {
    pub(crate) async fn of(http: &reqwest::Client, port: u16) -> anyhow::Result<Self> {
        let response = http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?;
        ensure!(response.status() == 200, "{response:?}");
        let text = response.text().await?;
        let mut samples = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').with_context(|| format!("no sample: {line}"))?;
            let before = samples.insert(name.to_owned(), value.parse()?);
            ensure!(before.is_none(), "told twice: {name}");
        }
        Ok(Self { text, samples })
    }

    /// The value of a sample, named with its labels; nothing if there is no such sample.
    pub(crate) fn get(&self, sample: &str) -> Option<f64> {
        self.samples.get(sample).copied()
    }
}
