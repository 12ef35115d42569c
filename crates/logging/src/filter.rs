use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use crate::AUDIT;

/// How the targets of this program begin.
const OWN: &str = "mymonit";
/// How those begin of a library that may say nothing.
const SILENT: &str = "lapin";

/// What is said at all: what the operator's filter lets through, with two rules that stand above it.
///
/// - Audit events are always said, and requests always have their span, from which the events take what they belong to.
/// - Libraries may warn and no more. Below that they log what passes through them: frames with messages and passwords,
///   statements with the values of rows, headers with tokens. The AMQP client says nothing at all: its warnings repeat
///   what the broker said, account included, and the Rabbit listener says the same without it.
pub(crate) struct SafeFilter(EnvFilter);

/// What the rules say without the operator's filter.
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
        } else if metadata.target().starts_with(SILENT) {
            Verdict::Never
        } else if !metadata.target().starts_with(OWN) {
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
        // The operator's filter is asked in any case: it takes note of the spans that it names.
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
