//! A million invalid messages of every kind, with valid ones in between that must not be delayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use lapin::BasicProperties;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use mymonit_test_support::wait_until;
use serde_json::Value;
use tokio::time::sleep;

use crate::check::{each_row, unhex};
use crate::fuzzed::{Expected, Fuzz};
use crate::publisher::{BrokerConnection, EXCHANGE, Publisher, QUEUE};
use crate::report::Report;
use crate::service::Service;
use crate::setting::{Form, Setting, Size};
use crate::site::Site;

/// The maximum backlog: valid messages should be delayed by invalid ones, not by their number.
const MAX_BACKLOG: u32 = 200;
const MAX_IN_FLIGHT: u32 = 500;
/// The memory limit in MiB, which follows from the prefetch and the byte limit of the service.
const MAX_MEMORY_MIB: u64 = 384;
/// The interval between valid messages.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);
/// The time limit for a valid message to become readable.
const MAX_LATENCY: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(60);
/// The time of the first valid message, in Unix seconds: after all others.
const FIRST_PROBE_SECONDS: u64 = 5_000_000_000;

pub(super) async fn run(setting: &Setting) -> anyhow::Result<Report> {
    let size = Size::of(setting, (1_000_000, 0), (6_000, 0));
    let fuzz = Fuzz { seed: setting.seed, seldom: if setting.form == Form::Long { 20_000 } else { 1_500 } };
    let site = Site::shared(setting).await?;
    let mut service = site.ready_service().await?;
    let mut publisher = Publisher::start(&site.broker_url, Arc::new(fuzz), 0);
    let is_fed = AtomicBool::new(false);
    let feeding = async {
        let fed = feed(&site, &mut publisher, size.messages).await;
        is_fed.store(true, Ordering::Relaxed);
        fed
    };
    let probing = async {
        let mut probes = Probes::open(&site).await?;
        // At least one probe, even if all others are consumed already.
        loop {
            probes.probe(&service).await?;
            if is_fed.load(Ordering::Relaxed) {
                return Ok(probes);
            }
        }
    };
    let ((), probes) = tokio::try_join!(feeding, probing)?;
    publisher.finish().await?;
    site.wait_until_drained().await?;
    service.note_memory()?;
    service.check_log()?;
    let stored_messages = StoredMessages::read(&site, size.messages).await?;
    let stored = stored_messages.compare(&site, &fuzz, probes.sent()).await?;
    let notes = service.finish().await?;
    ensure!(notes.peak_mib <= MAX_MEMORY_MIB, "the service took {} MiB of memory", notes.peak_mib);
    let (usual, nearly_all, slowest) = probes.latencies()?;
    let figures = format!(
        "of {} fuzzed messages {stored} were accepted and {} rejected; {} good ones in between were readable after {} ms \
         (median), {} ms (99 of 100), and at most {} ms",
        size.messages,
        stored_messages.rejected,
        probes.sent(),
        usual.as_millis(),
        nearly_all.as_millis(),
        slowest.as_millis()
    );
    if setting.form == Form::Long {
        // Not in the short form, which runs beside other tests.
        ensure!(slowest <= MAX_LATENCY, "a valid message took longer than {MAX_LATENCY:?}: {figures}");
    }
    Ok(Report {
        messages: u64::from(size.messages) + probes.sent(),
        rejected: stored_messages.rejected,
        slowest_ready: notes.slowest_ready,
        peak_mib: notes.peak_mib,
        ..Report::default()
    }
    .remark(figures))
}

/// Publishes messages as fast as they are consumed.
async fn feed(site: &Site, publisher: &mut Publisher, messages: u32) -> anyhow::Result<()> {
    let mut allowed = 0;
    while allowed < messages {
        allowed = messages.min(allowed + MAX_IN_FLIGHT);
        publisher.allow(allowed);
        publisher.wait_until_confirmed(allowed).await?;
        site.wait_until_consumed(allowed.saturating_sub(MAX_BACKLOG), publisher).await?;
    }
    Ok(())
}

/// Valid messages, each polled until a scientist can read it.
struct Probes {
    connection: BrokerConnection,
    /// The latency of each.
    took: Vec<Duration>,
}

impl Probes {
    async fn open(site: &Site) -> anyhow::Result<Self> {
        let connection = BrokerConnection::open(&site.broker_url).await?;
        connection.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(Self { connection, took: Vec::new() })
    }

    fn sent(&self) -> u64 {
        self.took.len() as u64
    }

    async fn probe(&mut self, service: &Service) -> anyhow::Result<()> {
        sleep(PROBE_INTERVAL).await;
        let second = FIRST_PROBE_SECONDS + self.sent();
        let body = format!(
            r#"{{"experiment":"device-vibrations","measure":"hertz","value":{second},"timestamp":{second}}}"#
        );
        let began = Instant::now();
        let properties = BasicProperties::default().with_delivery_mode(2);
        let options = BasicPublishOptions::default();
        let sent = self.connection.channel.basic_publish(
            EXCHANGE.into(),
            QUEUE.into(),
            options,
            body.as_bytes(),
            properties,
        );
        ensure!(sent.await?.await?.is_ack(), "the broker refused a good message");
        let range = format!("from={second}&to={}", second + 1);
        wait_until("a good message is readable", PROBE_TIMEOUT, async || match service.read(&range).await {
            Ok(1) => Ok(()),
            Ok(count) => Err(format!("{count} measures")),
            // Retries after 503.
            Err(error) => Err(format!("{error:#}")),
        })
        .await?;
        self.took.push(began.elapsed());
        Ok(())
    }

    /// The median, the 99th percentile and the maximum.
    fn latencies(&self) -> anyhow::Result<(Duration, Duration, Duration)> {
        let mut took = self.took.clone();
        took.sort_unstable();
        let slowest = took.last().context("no valid message was readable")?;
        Ok((took[took.len() / 2], took[took.len() * 99 / 100], *slowest))
    }
}

/// The fuzzed messages in the database.
struct StoredMessages {
    /// By number of the message.
    is_rejected: Vec<bool>,
    rejected: u64,
}

impl StoredMessages {
    /// Reads the rejected messages by the number in a property.
    async fn read(site: &Site, messages: u32) -> anyhow::Result<Self> {
        let mut is_rejected = vec![false; usize::try_from(messages)?];
        let mut rejected = 0;
        let query = "SELECT HEX(PROPERTIES) FROM REJECTED_MESSAGES";
        each_row(&site.database, &site.database_name, query, |columns| {
            let properties = unhex(columns.first().context("a column")?)?;
            let number = number(&properties)?;
            let is_rejected = is_rejected.get_mut(usize::try_from(number)?).context("an unknown number")?;
            ensure!(!std::mem::replace(is_rejected, true), "message {number} is rejected twice");
            rejected += 1;
            Ok(())
        })
        .await?;
        Ok(Self { is_rejected, rejected })
    }

    /// Fails unless each message is stored or rejected as expected. Returns the number stored.
    async fn compare(&self, site: &Site, fuzz: &Fuzz, probes: u64) -> anyhow::Result<u64> {
        self.compare_bodies(site, fuzz).await?;
        let mut stored = 0;
        let mut measures = 10 + probes;
        let (mut ids_stored, mut ids_rejected) = (0, 0);
        for (number, is_rejected) in (0..).zip(&self.is_rejected) {
            let (body, expected) = fuzz.body(number);
            let held = match expected {
                Expected::Rejected => None,
                Expected::Stored(measures) => Some(measures),
                Expected::Either if *is_rejected => None,
                Expected::Either => Some(1),
            };
            ensure!(
                held.is_none() == *is_rejected,
                "message {number} is {}: {}",
                if *is_rejected { "rejected" } else { "not rejected" },
                String::from_utf8_lossy(&body[..body.len().min(300)])
            );
            let has_id = u64::from(fuzz.id(number).is_some());
            match held {
                None => ids_rejected += has_id,
                Some(held) => {
                    stored += 1;
                    measures += held as u64;
                    ids_stored += has_id;
                }
            }
        }
        for (what, query, expected) in [
            ("measures", "SELECT COUNT(*) FROM MEASURES", measures),
            (
                "ids of stored messages",
                "SELECT COUNT(*) FROM MESSAGE_IDS WHERE SEEN_AT IS NOT NULL",
                ids_stored,
            ),
            (
                "ids of rejected messages",
                "SELECT COUNT(*) FROM MESSAGE_IDS WHERE SEEN_AT IS NULL",
                ids_rejected,
            ),
        ] {
            let there = site.number(query).await?;
            ensure!(there == expected, "{there} {what}; expected {expected}");
        }
        Ok(stored)
    }

    /// Fails unless each rejected message is kept byte for byte.
    async fn compare_bodies(&self, site: &Site, fuzz: &Fuzz) -> anyhow::Result<()> {
        let mut current: Option<(String, u32, Vec<u8>)> = None;
        let check = |current: Option<(String, u32, Vec<u8>)>| match current {
            Some((_, number, body)) => {
                ensure!(fuzz.body(number).0 == body, "message {number} is not kept as it was");
                Ok(())
            }
            None => Ok(()),
        };
        let mut with_bodies = 0_u64;
        // Ordered by the primary key of the bodies.
        let query = "SELECT REJECTED_MESSAGE_ID, IF(CHUNK = 0, HEX(PROPERTIES), ''), HEX(BODY) \
            FROM REJECTED_MESSAGE_BODIES JOIN REJECTED_MESSAGES ON ID = REJECTED_MESSAGE_ID \
            ORDER BY REJECTED_MESSAGE_ID, CHUNK";
        each_row(&site.database, &site.database_name, query, |columns| {
            let [id, properties, chunk] = columns else { anyhow::bail!("{columns:?}") };
            let chunk = unhex(chunk)?;
            match &mut current {
                Some((of, _, body)) if of == id => body.extend(chunk),
                _ => {
                    with_bodies += 1;
                    let next = ((*id).to_owned(), number(&unhex(properties)?)?, chunk);
                    check(current.replace(next))?;
                }
            }
            Ok(())
        })
        .await?;
        check(current)?;
        // An empty body has no chunks.
        let empty =
            (0..).zip(&self.is_rejected).filter(|(number, is)| **is && fuzz.body(*number).0.is_empty());
        let expected = self.rejected - empty.count() as u64;
        ensure!(with_bodies == expected, "{with_bodies} bodies are kept; expected {expected}");
        Ok(())
    }
}

/// The number of a rejected message, from its properties.
fn number(properties: &[u8]) -> anyhow::Result<u32> {
    let properties: Value = serde_json::from_slice(properties)?;
    let number = properties["correlation_id"].as_str().and_then(Fuzz::number);
    number.with_context(|| format!("no number in {properties}"))
}
