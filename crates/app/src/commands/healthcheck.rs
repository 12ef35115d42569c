use std::time::Duration;

use anyhow::{Context, ensure};

/// Less than the default timeout of health checks in container engines.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests the readiness of the service on this machine.
pub(super) async fn healthcheck(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).no_proxy().build()?;
    let response =
        client.get(url).send().await.with_context(|| format!("no answer from the service at {url}"))?;
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    ensure!(status.is_success(), "the service is not ready: {body}");
    Ok(())
}
