//! A long outage of the database while adapters publish at full speed.

use std::time::{Duration, Instant};

use anyhow::ensure;
use mymonit_test_support::MySqlServer;
use tokio::time::sleep;

use crate::report::Report;
use crate::service::{PREFETCH, Service};
use crate::setting::{Form, Setting};
use crate::site::Site;

/// The interval between samples of memory and queue.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum growth of memory during the outage, in MiB: only the prefetched messages.
const MAX_GROWTH_MIB: u64 = 32;
/// The maximum number of log lines: some at the start, and some per minute.
const MAX_LOG_LINES: usize = 20;
const LINES_PER_MINUTE: u64 = 10;

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    // In the short form the publisher ends early, since the backlog has to be drained as well.
    let (reference, most, away) = match setting.form {
        Form::Long => (300_000, u32::MAX, Duration::from_secs(600)),
        Form::Short => (4_000, 20_000, Duration::from_secs(6)),
    };
    let site = Site::own_database(setting, MySqlServer::start().await?).await?;
    let catalogue = site.catalogue(true);
    let mut publisher = site.publisher(catalogue, reference);
    publisher.wait_until_confirmed(reference).await?;

    let began = Instant::now();
    let mut service = site.ready_service().await?;
    site.wait_until_consumed(reference, &publisher).await?;
    let usual_rate = f64::from(reference) / began.elapsed().as_secs_f64();

    site.database.stop().await?;
    publisher.allow(most);
    service.wait_until_not_ready().await?;
    let seen = watch(&site, &service, away).await?;
    publisher.allow(0);
    let published = publisher.finish().await?.begun;

    site.database.start_again().await?;
    let began = Instant::now();
    service.wait_until_ready().await?;
    site.wait_until_none_waits().await?;
    let backlog = published - reference;
    let rate = f64::from(backlog) / began.elapsed().as_secs_f64();
    if setting.form == Form::Long {
        // Figures of a few seconds are not significant.
        ensure!(
            rate >= usual_rate / 2.0,
            "the backlog was drained at {rate:.0} messages/s; before the outage {usual_rate:.0}"
        );
    }
    site.wait_until_drained().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, published).await?.exactly_once()?;
    Ok(Report::new(published, 1, verdict, notes).remark(format!(
        "{} s without a database, {backlog} messages published meanwhile ({:.0}/s); at most {} unacknowledged; memory {} MiB at \
         the beginning and at most {} MiB; {} lines of log; drained at {rate:.0} messages/s, and {usual_rate:.0} before the \
         outage",
        away.as_secs(),
        f64::from(backlog) / away.as_secs_f64(),
        seen.unacknowledged,
        seen.first_mib,
        seen.most_mib,
        seen.lines,
    )))
}

/// Observations during the outage.
struct Observations {
    unacknowledged: u64,
    first_mib: u64,
    most_mib: u64,
    lines: usize,
}

async fn watch(site: &Site, service: &Service, away: Duration) -> anyhow::Result<Observations> {
    let lines = service.process.line_count();
    let first_mib = service.memory_mib()?;
    let mut seen = Observations { unacknowledged: 0, first_mib, most_mib: first_mib, lines: 0 };
    let began = Instant::now();
    while began.elapsed() < away {
        let queue = site.queue().await?;
        ensure!(queue.unacknowledged <= PREFETCH, "more than the prefetch is unacknowledged: {queue:?}");
        seen.unacknowledged = seen.unacknowledged.max(queue.unacknowledged);
        seen.most_mib = seen.most_mib.max(service.memory_mib()?);
        sleep(POLL_INTERVAL).await;
    }
    seen.lines = service.process.line_count() - lines;
    ensure!(
        seen.most_mib <= first_mib + MAX_GROWTH_MIB,
        "the memory grew from {first_mib} to {} MiB",
        seen.most_mib
    );
    // The outage may be longer on a slow host.
    let away = began.elapsed();
    let allowed = MAX_LOG_LINES + usize::try_from(away.as_secs() * LINES_PER_MINUTE / 60)?;
    ensure!(
        seen.lines <= allowed,
        "{} log lines in {away:?}, at most {allowed} expected; {}",
        seen.lines,
        service.last_lines()
    );
    Ok(seen)
}
