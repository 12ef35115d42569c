//! Network faults that a proxy can inject: connections that are reset, hosts that refuse, and open
//! connections that stall.

use std::time::Duration;

use mymonit_test_support::Proxy;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

use crate::message::{Catalogue, random};
use crate::publisher::Publisher;
use crate::report::Report;
use crate::service::Service;
use crate::setting::{Setting, Size, up_to_ms};
use crate::site::Site;

pub(super) async fn to_broker(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (300_000, 100), (8_000, 5));
    let site = Site::shared(setting).await?;
    let proxy = Proxy::start(site.broker.port()).await?;
    // A silent connection is closed after two heartbeats, here two seconds.
    let broker_url = format!("{}?heartbeat=1", site.broker_url_on(proxy.port()));
    let service =
        async { site.ready_service_on(&site.database_url(site.database.port()), &broker_url).await };
    let network = Network { proxy: &proxy, long_silence: Duration::from_secs(3), seed_number: 7 };
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    network.break_again_and_again(&site, size, catalogue, publisher, service.await?).await
}

pub(super) async fn to_database(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (300_000, 100), (8_000, 5));
    let site = Site::shared(setting).await?;
    let proxy = Proxy::start(site.database.port()).await?;
    let catalogue = site.catalogue(true);
    let publisher = site.publisher(catalogue, size.messages);
    let service = site.ready_service_on(&site.database_url(proxy.port()), &site.broker_url).await?;
    // Longer than the service's limit for a write.
    let long_silence = Duration::from_secs(if site.is_short() { 3 } else { 11 });
    let network = Network { proxy: &proxy, long_silence, seed_number: 8 };
    network.break_again_and_again(&site, size, catalogue, publisher, service).await
}

struct Network<'a> {
    proxy: &'a Proxy,
    /// Long enough that the heartbeat must detect the silence.
    long_silence: Duration,
    seed_number: u64,
}

impl Network<'_> {
    async fn break_again_and_again(
        &self,
        site: &Site,
        size: Size,
        catalogue: Catalogue,
        publisher: Publisher,
        mut service: Service,
    ) -> anyhow::Result<Report> {
        let mut random = random(site.setting.seed, self.seed_number);
        for fault in 0..size.faults {
            site.wait_until_consumed(size.place(fault, &mut random), &publisher).await?;
            sleep(up_to_ms(&mut random, 20)).await;
            // The kinds take turns.
            self.break_once(fault % 5, &mut random).await?;
            service.wait_until_ready().await?;
        }
        let (report, _) = site.conclude(size, catalogue, publisher, [service]).await?;
        Ok(report.remark(format!("the service connected {} times", self.proxy.accepted())))
    }

    async fn break_once(&self, kind: u32, random: &mut StdRng) -> anyhow::Result<()> {
        let short = up_to_ms(random, 1_000);
        match kind {
            0 => self.proxy.cut().await,
            1 => {
                // Data in flight arrives late.
                self.proxy.black_hole();
                sleep(short).await;
            }
            2 => {
                self.proxy.refuse().await;
                self.proxy.cut().await;
                sleep(short).await;
            }
            3 => {
                // Data in flight is lost in both directions.
                self.proxy.black_hole();
                sleep(short).await;
                self.proxy.cut().await;
            }
            _ => {
                self.proxy.black_hole();
                sleep(self.long_silence).await;
                if random.random_bool(0.5) {
                    self.proxy.cut().await;
                }
            }
        }
        self.proxy.resume().await
    }
}
