use std::io::{self, Write};
use std::sync::Arc;

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use crate::audit::AUDIT;
use crate::entry::Fields;
use crate::logstash::Buffer;
use crate::{ecs, text};

/// Which of the process's streams is the console.
#[derive(Debug, Clone, Copy)]
pub enum Console {
    /// Standard output.
    Output,
    /// Standard error, for commands whose standard output is their result.
    Error,
}

/// Writes lines to the console and to Logstash.
pub(crate) struct Output {
    pub(crate) console: Console,
    pub(crate) is_text: bool,
    pub(crate) is_coloured: bool,
    pub(crate) logstash: Option<Arc<Buffer>>,
}

impl Output {
    fn write(&self, event: &Event<'_>, spans: &[Fields]) {
        let (metadata, fields) = (event.metadata(), Fields::of_event(event));
        let mut line = String::with_capacity(512);
        if self.is_text {
            text::line(metadata, &fields, spans, self.is_coloured, &mut line);
            self.print(&mut line);
            line.clear();
        }
        if !self.is_text || self.logstash.is_some() {
            ecs::line(metadata, &fields, spans, &mut line);
        }
        if !self.is_text {
            self.print(&mut line);
        }
        if let Some(logstash) = &self.logstash {
            if self.is_text {
                line.push('\n');
            }
            logstash.push(line.into_bytes(), metadata.target() == AUDIT);
        }
    }

    /// Prints a line with one write, so that the lines of several threads do not mix.
    fn print(&self, line: &mut String) {
        line.push('\n');
        // An error of the console cannot be reported on the console.
        let _ = match self.console {
            Console::Output => io::stdout().lock().write_all(line.as_bytes()),
            Console::Error => io::stderr().lock().write_all(line.as_bytes()),
        };
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Output {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields::of_span(attributes));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            fields.add(values);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let scope = context.event_scope(event);
        let fields =
            scope.into_iter().flatten().filter_map(|span| span.extensions().get::<Fields>().cloned());
        self.write(event, &fields.collect::<Vec<_>>());
    }
}
