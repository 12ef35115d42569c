use std::time::Duration;

use anyhow::{Context, ensure};

use crate::configuration::{Configuration, Environment, RestConfiguration};

/// Less than the time that container engines give a health check by default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks the running service on this machine whether it is ready.
pub(crate) async fn healthcheck(environment: &Environment) -> anyhow::Result<()> {
    let evaluation = Configuration::is_evaluation(environment, false)?;
    let url = RestConfiguration::read(environment, evaluation)?.local_url("/health/ready");
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let response =
        client.get(&url).send().await.with_context(|| format!("the service does not answer at {url}"))?;
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    ensure!(status.is_success(), "the service is not ready: {body}");
    Ok(())
}
