//! `kill -9` at random moments, independent of batches.

use anyhow::ensure;
use rand::RngExt;
use tokio::time::sleep;

use crate::message::random;
use crate::report::Report;
use crate::service::PREFETCH;
use crate::setting::{Form, Setting, Size, up_to_ms};
use crate::site::Site;

/// One kill in that many hits a starting process.
const DURING_START: u32 = 5;

pub(super) async fn with_ids(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (1_000_000, 200), (12_000, 5));
    let site = Site::shared(setting).await?;
    let mut random = random(setting.seed, 1);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    let mut service = site.ready_service().await?;
    for fault in 0..size.faults {
        if fault % DURING_START == DURING_START - 1 {
            sleep(up_to_ms(&mut random, 200)).await;
        } else {
            service.wait_until_ready().await?;
            site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
            sleep(up_to_ms(&mut random, 20)).await;
        }
        service.kill().await?;
        service.start_again().await?;
    }
    service.wait_until_ready().await?;
    Ok(site.conclude(size, catalogue, publisher, [service]).await?.0)
}

/// Nothing is published between two kills, so that the duplicates can be predicted: messages that
/// are stored and still in the queue.
pub(super) async fn without_ids(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (200_000, 40), (8_000, 3));
    let site = Site::shared(setting).await?;
    let mut random = random(setting.seed, 2);
    let catalogue = site.catalogue(false);
    let mut publisher = site.publisher(catalogue, size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    let mut service = site.ready_service().await?;
    let mut expected = 0;
    let mut most_at_once = 0;
    for fault in 0..size.faults {
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        service.kill().await?;
        let queue = site.wait_until_settled().await?;
        let there = site.kept().await? + queue.ready;
        let published = u64::from(size.messages);
        ensure!(there >= published, "{there} of {published} messages are there: {queue:?}");
        let new = (there - published).checked_sub(expected);
        ensure!(
            new.is_some_and(|new| new <= PREFETCH),
            "{there} of {published} messages are there after {expected} doubles before"
        );
        most_at_once = most_at_once.max(there - published - expected);
        expected = there - published;
        service.start_again().await?;
        service.wait_until_ready().await?;
    }
    site.wait_until_drained().await?;
    publisher.finish().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, size.messages).await?.nothing_lost()?;
    ensure!(
        verdict.doubled == expected,
        "{} messages are doubled, and {expected} were committed and not acknowledged at a kill",
        verdict.doubled
    );
    Ok(Report::new(size.messages, size.faults, verdict, notes).remark(format!(
        "each of the {expected} doubles was committed and not yet acknowledged at a kill; at most {most_at_once} at one"
    )))
}

pub(super) async fn two_processes(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (200_000, 60), (8_000, 4));
    let site = Site::shared(setting).await?;
    let mut random = random(setting.seed, 3);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    let mut services = [site.ready_service().await?, site.ready_service().await?];
    for fault in 0..size.faults {
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        let turn = usize::from(fault % 2 == 1);
        services[turn].kill().await?;
        if setting.form == Form::Long && random.random_range(0..10) == 0 {
            // Sometimes both together.
            services[1 - turn].kill().await?;
            services[1 - turn].start_again().await?;
        }
        services[turn].start_again().await?;
        // The other process consumes meanwhile, including this one's redeliveries.
        for service in &mut services {
            service.wait_until_ready().await?;
        }
    }
    Ok(site.conclude(size, catalogue, publisher, services).await?.0)
}
