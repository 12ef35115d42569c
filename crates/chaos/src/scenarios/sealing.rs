//! `kill -9` of the service and of `mymonit seal`, while late measures arrive for sealed blocks.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use mymonit_test_support::{Exit, ServiceProcess};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::message::{Catalogue, Outgoing, Source, random};
use crate::publisher::Publisher;
use crate::report::Report;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;

/// The number of passes over the time range. It must not divide the number of messages.
const PASSES: u64 = 7;
/// The time limit for a command.
const LIMIT: Duration = Duration::from_secs(30 * 60);
const BLOCKED: &str = "SELECT COALESCE(SUM(COUNT), 0) FROM MEASURE_BLOCKS";
const ROWS: &str = "SELECT COUNT(*) FROM MEASURES";

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (1_000_000, 200), (12_000, 6));
    let site = Arc::new(Site::shared(setting).await?);
    let mut random = random(setting.seed, 15);
    let catalogue = site.catalogue(true);
    let late = Late { catalogue, messages: size.messages };
    let mut publisher = Publisher::start(&site.broker_url, Arc::new(late), 0);
    let mut service = site.ready_service().await?;
    let sealing = Sealing::start(&site);
    for fault in 0..size.faults {
        // Kills happen while publisher, service and sealer are active.
        publisher.allow(size.end(fault));
        site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
        sleep(up_to_ms(&mut random, 100)).await;
        if fault % 3 != 0 {
            sealing.kill().await?;
        }
        if fault % 3 != 1 {
            service.kill().await?;
            service.start_again().await?;
            service.wait_until_ready().await?;
        }
    }
    publisher.allow(size.messages);
    publisher.wait_until_confirmed(size.messages).await?;
    publisher.finish().await?;
    site.wait_until_drained().await?;
    let (kills, blocks) = sealing.stop().await?;

    // All measures are in blocks, exactly once, and readable.
    run_command(&site, &["seal", "--older-than", "0s"]).await?;
    run_command(&site, &["verify"]).await?;
    let measures = site.number(BLOCKED).await?;
    ensure!(site.number(ROWS).await? == 0, "some rows are not sealed");
    let of_first = site.number(&format!("{BLOCKED} WHERE EXPERIMENT_ID = 1")).await?;
    let read = service.read("order=asc").await?;
    ensure!(read as u64 == of_first, "{read} of {of_first} measures are read");
    let notes = service.finish().await?;
    run_command(&site, &["unseal"]).await?;
    let rows = site.number(ROWS).await?;
    ensure!(rows == measures, "{measures} measures have become {rows}");
    let verdict = site.compare(catalogue, size.messages).await?.exactly_once()?;
    ensure!(kills > 0 && blocks > 0, "{kills} kills hit the sealer, and it has written {blocks} blocks");
    Ok(Report::new(size.messages, size.faults, verdict, notes).remark(format!(
        "{kills} kills hit the sealer, which had written {blocks} blocks before the end; {measures} measures were sealed, \
         verified and unsealed"
    )))
}

/// The messages of a catalogue in several passes over the time range, so that most are late.
struct Late {
    catalogue: Catalogue,
    messages: u32,
}

impl Source for Late {
    fn message(&self, number: u32) -> Outgoing {
        let place = u64::from(number) * PASSES % u64::from(self.messages);
        self.catalogue.message(u32::try_from(place).unwrap_or_default())
    }
}

/// Seals in a loop, with a new process each time.
struct Sealing {
    kills: mpsc::Sender<()>,
    task: JoinHandle<anyhow::Result<u32>>,
    site: Arc<Site>,
}

impl Sealing {
    fn start(site: &Arc<Site>) -> Self {
        let (kills, asked) = mpsc::channel(1);
        Self { kills, task: tokio::spawn(seal(site.clone(), asked)), site: site.clone() }
    }

    /// Kills the current process.
    async fn kill(&self) -> anyhow::Result<()> {
        self.kills.send(()).await.context("sealing has ended")
    }

    /// Waits for the last process. Returns the number of kills and of written blocks.
    async fn stop(self) -> anyhow::Result<(u32, u64)> {
        drop(self.kills);
        let kills = self.task.await??;
        Ok((kills, self.site.number("SELECT COUNT(*) FROM MEASURE_BLOCKS").await?))
    }
}

async fn seal(site: Arc<Site>, mut asked: mpsc::Receiver<()>) -> anyhow::Result<u32> {
    let mut kills = 0;
    loop {
        let process = command(&site, &["seal", "--older-than", "0s"]).await?;
        tokio::select! {
            exit = process.wait_for_exit(LIMIT) => {
                succeeded(&process, exit?)?;
                if asked.is_closed() {
                    return Ok(kills);
                }
            }
            Some(()) = asked.recv() => {
                if process.is_running() {
                    process.kill9().await?;
                    kills += 1;
                }
                // Simulates the expiry of the lease.
                site.number("UPDATE SEALING_LEASE SET EXPIRES_AT = 1; SELECT 1").await?;
            }
        }
    }
}

async fn run_command(site: &Site, arguments: &[&str]) -> anyhow::Result<()> {
    let process = command(site, arguments).await?;
    let exit = process.wait_for_exit(LIMIT).await?;
    succeeded(&process, exit)
}

async fn command(site: &Site, arguments: &[&str]) -> anyhow::Result<ServiceProcess> {
    let database_url = site.database_url(site.database.port());
    let builder = ServiceProcess::builder(&site.setting.binary).args(arguments);
    builder.env("DATABASE_URL", database_url).env("LOGSTASH_HOST", "").start().await
}

fn succeeded(process: &ServiceProcess, exit: Exit) -> anyhow::Result<()> {
    let lines = process.lines();
    let last: Vec<_> = lines.iter().rev().take(10).map(|line| line.text.as_str()).collect();
    ensure!(
        exit.success(),
        "a command ended with {exit}; its lines, the last one first:\n{}",
        last.join("\n")
    );
    Ok(())
}
