//! Publishers declare exchange, queue and binding before, after and together with the service.
//! No declaration may fail with 406, which would close the channel.

use crate::publisher::BrokerConnection;
use crate::report::Report;
use crate::service::Notes;
use crate::setting::{Setting, Size};
use crate::site::Site;

const MESSAGES: u32 = 20;

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (0, 15), (0, 3));
    let mut notes = Notes::default();
    let mut rejected = 0;
    for round in 0..size.faults {
        // An empty virtual host each time.
        let site = Site::shared(setting).await?;
        let service = match round % 3 {
            0 => {
                BrokerConnection::open(&site.broker_url).await?;
                site.ready_service().await?
            }
            1 => {
                let service = site.ready_service().await?;
                BrokerConnection::open(&site.broker_url).await?;
                service
            }
            _ => tokio::try_join!(site.ready_service(), BrokerConnection::open(&site.broker_url))?.0,
        };
        // Repeated on one channel and on others while the service consumes.
        let connection = BrokerConnection::open(&site.broker_url).await?;
        connection.declare().await?;
        let catalogue = site.catalogue(true);
        let mut publisher = site.publisher(catalogue, MESSAGES);
        publisher.wait_until_confirmed(MESSAGES).await?;
        publisher.finish().await?;
        site.wait_until_drained().await?;
        // The channel is still open, so no declaration was refused.
        connection.declare().await?;
        notes = notes.and(service.finish().await?);
        rejected += site.compare(catalogue, MESSAGES).await?.exactly_once()?.rejected;
    }
    let verdict = crate::check::Verdict { rejected, ..Default::default() };
    Ok(Report::new(size.faults * MESSAGES, 0, verdict, notes)
        .remark(format!("{} virtual hosts; no declaration was refused", size.faults)))
}
