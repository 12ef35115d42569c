use super::{ConfigurationError, Environment};

/// Where Prometheus is answered: `METRICS_HOST`, `METRICS_PORT`.
#[derive(Debug)]
pub(crate) struct MetricsConfiguration {
    /// A host name or an address; only this machine unless configured.
    pub(crate) host: String,
    /// The TCP port; 0 lets the system choose one.
    pub(crate) port: u16,
}

impl MetricsConfiguration {
    pub(crate) fn read(environment: &Environment) -> Result<Self, ConfigurationError> {
        Ok(Self {
            host: environment.text("METRICS_HOST")?.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: environment.number("METRICS_PORT", 9464, 0..=u16::MAX)?,
        })
    }
}
