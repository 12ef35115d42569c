//! SIGTERM within a batch. Messages have no ids, so that a redelivery after the commit is visible.

use std::time::Duration;

use anyhow::ensure;
use tokio::time::sleep;

use crate::message::random;
use crate::report::Report;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (200_000, 40), (6_000, 2));
    let site = Site::shared(setting).await?;
    let mut random = random(setting.seed, 4);
    let catalogue = site.catalogue(false);
    let mut publisher = site.publisher(catalogue, size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    let mut service = site.ready_service().await?;
    let mut slowest = Duration::ZERO;
    for fault in 0..size.faults {
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        slowest = slowest.max(service.stop().await?);
        let queue = site.wait_until_settled().await?;
        let (kept, published) = (site.kept().await?, u64::from(size.messages));
        ensure!(
            kept + queue.ready == published,
            "after a stop {kept} messages are stored and {} waiting, of {published}",
            queue.ready
        );
        service.start_again().await?;
        service.wait_until_ready().await?;
    }
    site.wait_until_drained().await?;
    publisher.finish().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, size.messages).await?.exactly_once()?;
    Ok(Report::new(size.messages, size.faults, verdict, notes)
        .remark(format!("the slowest stop took {:.2} s", slowest.as_secs_f64())))
}
