//! A database that answers queries but cannot write.

use std::time::Duration;

use mymonit_test_support::MySqlServer;
use tokio::time::sleep;

use crate::message::random;
use crate::report::Report;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;

/// The disk of the second scenario, in MiB; a fresh server takes about half of it.
const DISK_MIB: u32 = 512;
/// How long the disk stays full once the service has noticed.
const FULL: Duration = Duration::from_secs(2);

pub(super) async fn read_only(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (200_000, 20), (6_000, 2));
    let site = Site::own_database(setting, MySqlServer::start().await?).await?;
    let mut random = random(setting.seed, 9);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    for fault in 0..size.faults {
        let place = size.place(fault, &mut random);
        publisher.allow(place);
        site.wait_until_consumed(place, &publisher).await?;
        site.database.execute("SET GLOBAL read_only = ON").await?;
        // Messages whose write must fail.
        publisher.allow(size.end(fault));
        service.wait_until_not_ready().await?;
        sleep(up_to_ms(&mut random, 1_000)).await;
        site.database.execute("SET GLOBAL read_only = OFF").await?;
        service.wait_until_ready().await?;
    }
    Ok(site.conclude(size, catalogue, publisher, [service]).await?.0)
}

pub(super) async fn full_disk(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (100_000, 10), (6_000, 1));
    let Some(database) = MySqlServer::start_on_small_disk(DISK_MIB).await? else {
        // Without the privilege the scenario is reported as not run, not replaced by `read-only`.
        return Ok(
            Report::default().remark("NOT RUN: this account may not mount a small disk for the database")
        );
    };
    let site = Site::own_database(setting, database).await?;
    let mut random = random(setting.seed, 10);
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    for fault in 0..size.faults {
        // In the first half of the part: the rest must exceed the space that the server has
        // reserved.
        let place = u32::midpoint(fault * size.part(), size.place(fault, &mut random));
        publisher.allow(place);
        site.wait_until_consumed(place, &publisher).await?;
        site.database.fill_disk().await?;
        publisher.allow(size.end(fault));
        service.wait_until_not_ready().await?;
        sleep(FULL).await;
        let freed = async {
            site.database.free_disk().await?;
            service.wait_until_ready().await
        };
        if let Err(error) = freed.await {
            if site.database.pid().is_ok() {
                return Err(error);
            }
            // MariaDB 10.11 may abort when a rollback finds the disk full. The disk is in memory,
            // so its data are lost and cannot be compared.
            return Ok(Report::default().remark(format!(
                "NOT RUN TO ITS END: MariaDB itself aborted over the full disk, at fault {} of {}",
                fault + 1,
                size.faults
            )));
        }
    }
    Ok(site.conclude(size, catalogue, publisher, [service]).await?.0)
}
