use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::audit::AUDIT;

/// The prefix of this program's targets.
const OWN_PREFIX: &str = "mymonit";
/// The target prefix of the library whose logs are disabled.
const DISABLED_PREFIX: &str = "lapin";

/// The operator's filter, with two fixed rules:
///
/// - Audit events and the spans of requests, from which they take their fields, are always enabled.
/// - Libraries log warnings at most: lower levels show payloads, passwords, row values and tokens.
///   The AMQP client logs nothing: its warnings repeat the broker's texts, account included.
pub(crate) struct SafeFilter(EnvFilter);

/// The verdict of the fixed rules.
enum Verdict {
    Always,
    Never,
    AsTheOperatorWishes,
}

impl SafeFilter {
    /// Reads a filter in tracing's syntax.
    pub(crate) fn parse(filter: &str) -> Result<Self, ParseError> {
        EnvFilter::try_new(filter).map(Self)
    }

    fn rule(metadata: &Metadata<'_>) -> Verdict {
        if metadata.target() == AUDIT {
            Verdict::Always
        } else if metadata.target().starts_with(DISABLED_PREFIX) {
            Verdict::Never
        } else if !metadata.target().starts_with(OWN_PREFIX) {
            if *metadata.level() > Level::WARN { Verdict::Never } else { Verdict::AsTheOperatorWishes }
        } else if metadata.is_span() && *metadata.level() <= Level::INFO {
            Verdict::Always
        } else {
            Verdict::AsTheOperatorWishes
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Filter<S> for SafeFilter {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        match Self::rule(metadata) {
            Verdict::Always => true,
            Verdict::Never => false,
            Verdict::AsTheOperatorWishes => Filter::<S>::enabled(&self.0, metadata, context),
        }
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        // Always call the operator's filter: it registers the spans that it names.
        let wish = Filter::<S>::callsite_enabled(&self.0, metadata);
        match Self::rule(metadata) {
            Verdict::Always => Interest::always(),
            Verdict::Never => Interest::never(),
            Verdict::AsTheOperatorWishes => wish,
        }
    }

    fn event_enabled(&self, event: &Event<'_>, context: &Context<'_, S>) -> bool {
        match Self::rule(event.metadata()) {
            Verdict::Always => true,
            Verdict::Never => false,
            Verdict::AsTheOperatorWishes => Filter::<S>::event_enabled(&self.0, event, context),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&self.0).map(|hint| hint.max(LevelFilter::INFO))
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_new_span(&self.0, attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Filter::<S>::on_record(&self.0, id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_enter(&self.0, id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_exit(&self.0, id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Filter::<S>::on_close(&self.0, id, context);
    }
}
