//! Servers that are restarted and killed.

use rand::RngExt;
use tokio::time::sleep;

use crate::message::random;
use crate::report::Report;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;
use mymonit_test_support::MySqlServer;

/// The maximum downtime of a server, in milliseconds.
const MAX_DOWNTIME_MS: u64 = 1_500;

pub(super) async fn database(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (300_000, 50), (8_000, 3));
    let site = Site::own_database(setting, MySqlServer::start().await?).await?;
    let mut random = random(setting.seed, 5);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    let mut service = site.ready_service().await?;
    let mut kills = 0;
    for fault in 0..size.faults {
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        if random.random_bool(0.5) {
            site.database.stop().await?;
        } else {
            site.database.kill().await?;
            kills += 1;
        }
        sleep(up_to_ms(&mut random, MAX_DOWNTIME_MS)).await;
        site.database.start_again().await?;
        service.wait_until_ready().await?;
    }
    let (report, _) = site.conclude(size, catalogue, publisher, [service]).await?;
    Ok(report.remark(format!("{kills} of the {} restarts were kills", size.faults)))
}

pub(super) async fn broker(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (300_000, 50), (4_000, 2));
    let site = Site::own_broker(setting).await?;
    let mut random = random(setting.seed, 6);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    let mut service = site.ready_service().await?;
    let mut kills = 0;
    for fault in 0..size.faults {
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 20)).await;
        // The short form has one of each.
        if fault % 2 == 0 {
            site.broker.kill().await?;
            kills += 1;
        } else {
            site.broker.stop().await?;
        }
        sleep(up_to_ms(&mut random, MAX_DOWNTIME_MS)).await;
        site.broker.start_again().await?;
        service.wait_until_ready().await?;
    }
    let (report, progress) = site.conclude(size, catalogue, publisher, [service]).await?;
    Ok(report.remark(format!(
        "{kills} of the {} restarts were kills; the publisher sent {} messages once more, under the same ids",
        size.faults, progress.repeated
    )))
}
