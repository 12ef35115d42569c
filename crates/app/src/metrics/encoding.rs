use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::registry::Unit;

/// The name and help text of a metric that is read when Prometheus scrapes.
pub(crate) struct Descriptor<'a> {
    pub(crate) name: &'a str,
    pub(crate) help: &'a str,
    pub(crate) unit: Option<&'a Unit>,
}

impl<'a> Descriptor<'a> {
    pub(crate) const fn new(name: &'a str, help: &'a str) -> Self {
        Self { name, help, unit: None }
    }

    pub(crate) const fn with_unit(self, unit: &'a Unit) -> Self {
        Self { unit: Some(unit), ..self }
    }

    /// Encodes one value.
    pub(crate) fn encode(
        self,
        encoder: &mut DescriptorEncoder<'_>,
        metric: &impl EncodeMetric,
    ) -> fmt::Result {
        let Self { name, help, unit } = self;
        metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
    }

    /// Encodes a value for each label set; nothing if there are none.
    pub(crate) fn encode_family<L: EncodeLabelSet, M: EncodeMetric>(
        self,
        encoder: &mut DescriptorEncoder<'_>,
        metrics: impl IntoIterator<Item = (L, M)>,
    ) -> fmt::Result {
        let Self { name, help, unit } = self;
        let mut metrics = metrics.into_iter().peekable();
        let Some((_, first)) = metrics.peek() else { return Ok(()) };
        let mut family = encoder.encode_descriptor(name, help, unit, first.metric_type())?;
        metrics.try_for_each(|(labels, metric)| metric.encode(family.encode_family(&labels)?))
    }
}
