//! A database that answers and cannot write.

use std::time::Duration;

use mymonit_test_support::MySqlServer;
use tokio::time::sleep;

use super::{Size, up_to_ms};
use crate::Setting;
use crate::message::random;
use crate::report::Report;
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
    let mut publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    for fault in 0..size.faults {
        let place = size.place(fault, &mut random);
        publisher.allow(place);
        site.wait_until_consumed(place, &publisher).await?;
        site.database.execute("SET GLOBAL read_only = ON").await?;
        // Something that it has to write, and cannot.
        publisher.allow(size.end(fault));
        service.wait_until_not_ready().await?;
        sleep(up_to_ms(&mut random, 1_000)).await;
        site.database.execute("SET GLOBAL read_only = OFF").await?;
        service.wait_until_ready().await?;
    }
    publisher.allow(size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    publisher.finish().await?;
    site.wait_until_drained().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, size.messages).await?.exactly_once()?;
    Ok(Report::new(size.messages, size.faults, verdict, notes))
}

pub(super) async fn full_disk(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (100_000, 10), (6_000, 1));
    let Some(database) = MySqlServer::start_on_small_disk(DISK_MIB).await? else {
        // Read-only, which everybody may do, is the other scenario; but it should not look as if this one had been run.
        return Ok(Report::default()
            .remark("NOT RUN: this machine does not let this account mount a small disk for the database"));
    };
    let site = Site::own_database(setting, database).await?;
    let mut random = random(setting.seed, 10);
    let catalogue = site.catalogue(true);
    let mut publisher = site.publisher(catalogue, 0);
    let mut service = site.ready_service().await?;
    for fault in 0..size.faults {
        // In the first half of the part, so that the rest is more than what fits into what the server has reserved already.
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
            // MariaDB 10.11 may abort when it has to roll back and finds no room for that. The disk in memory is gone with
            // it, so that nothing can be compared any more.
            return Ok(Report::default().remark(format!(
                "NOT RUN TO ITS END: MariaDB itself aborted over the full disk, at fault {} of {}",
                fault + 1,
                size.faults
            )));
        }
    }
    publisher.allow(size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    publisher.finish().await?;
    site.wait_until_drained().await?;
    let notes = service.finish().await?;
    let verdict = site.compare(catalogue, size.messages).await?.exactly_once()?;
    Ok(Report::new(size.messages, size.faults, verdict, notes))
}
