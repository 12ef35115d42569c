//! Faults and rotations while the adapter works.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use mymonit_test_support::{RabbitMq, ServiceProcess, wait_until};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::Mutex;

use super::records::{Format, number_of, value};
use crate::environment::{TIMEOUT, TestEnvironment};

/// Long enough for a million records on a busy host.
const LONG_TIMEOUT: Duration = Duration::from_secs(1_800);

/// Serialises the tests: each restarts its own broker.
static SERIAL: Mutex<()> = Mutex::const_new(());

/// The numbers of records and faults.
pub(super) struct Scale {
    records: u64,
    kills: u64,
    rotations: u64,
    restarts: u64,
}

impl Scale {
    /// The short scale, or the long one with `MYMONIT_LONG_TESTS=1`.
    pub(super) fn chosen() -> Self {
        match std::env::var("MYMONIT_LONG_TESTS").as_deref() {
            Ok("1") => Self { records: 1_000_000, kills: 50, rotations: 20, restarts: 10 },
            _ => Self { records: 6_000, kills: 6, rotations: 3, restarts: 1 },
        }
    }

    /// The event after each batch of records, and the size of a batch.
    fn steps(&self) -> (Vec<Event>, u64) {
        let events =
            [(Event::Kill, self.kills), (Event::Rotate, self.rotations), (Event::Restart, self.restarts)];
        let mut steps: Vec<(u64, Event)> = Vec::new();
        for (event, count) in events {
            // Spread evenly, in thousandths of all records.
            steps.extend((1..=count).map(|number| (number * 1_000 / (count + 1), event)));
        }
        steps.sort_by_key(|(at, _)| *at);
        let count = steps.len() as u64 + 1;
        (steps.into_iter().map(|(_, event)| event).collect(), self.records.div_ceil(count))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Event {
    Kill,
    Rotate,
    Restart,
}

struct Chaos {
    environment: TestEnvironment,
    broker: RabbitMq,
    adapter: ServiceProcess,
    random: StdRng,
    kills: u64,
    restarts: u64,
}

impl Chaos {
    async fn start(description: &str) -> anyhow::Result<Self> {
        let broker = RabbitMq::start().await?;
        let environment = TestEnvironment::with_broker(broker.url()).await?;
        fs::write(environment.path("chaos.toml"), description)?;
        fs::create_dir_all(environment.path("in"))?;
        let adapter = environment.adapter(&["run", "--source", "chaos.toml"]).start().await?;
        Ok(Self { environment, broker, adapter, random: StdRng::seed_from_u64(7), kills: 0, restarts: 0 })
    }

    /// Kills the adapter while it works: when unconfirmed messages are on disk, when a checkpoint
    /// has been written, or at any moment; at once if all is confirmed.
    async fn kill(&mut self, written: u64) -> anyhow::Result<()> {
        let state = self.environment.path("state/mymonit-adapter/chaos");
        let before = fs::read(state.join("checkpoint.json")).unwrap_or_default();
        if self.kills % 3 == 2 {
            tokio::time::sleep(Duration::from_millis(self.random.random_range(0..300))).await;
        }
        let is_due = || match self.kills % 3 {
            0 => fs::read_dir(state.join("spool")).is_ok_and(|mut groups| groups.next().is_some()),
            1 => fs::read(state.join("checkpoint.json")).is_ok_and(|now| now != before),
            _ => true,
        };
        let is_idle = || self.confirmed().is_ok_and(|confirmed| confirmed >= written);
        wait_until("the adapter is at work", LONG_TIMEOUT, async || {
            let may_be_killed = is_due() || is_idle() || !self.adapter.is_running();
            if may_be_killed { Ok(()) } else { Err(format!("{:?} are confirmed", self.confirmed())) }
        })
        .await?;
        self.adapter.kill9().await.with_context(|| self.last_lines())?;
        self.kills += 1;
        self.adapter.start_again().await
    }

    /// The measures that the checkpoint says are confirmed.
    fn confirmed(&self) -> Result<u64, String> {
        let path = self.environment.path("state/mymonit-adapter/chaos/checkpoint.json");
        let text = fs::read(&path).map_err(|error| error.to_string())?;
        let checkpoint: serde_json::Value =
            serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        checkpoint["counts"]["measures"].as_u64().ok_or_else(|| checkpoint.to_string())
    }

    fn last_lines(&self) -> String {
        let lines = self.adapter.lines();
        lines.iter().rev().take(20).rev().map(|line| format!("{line}\n")).collect()
    }

    async fn restart_broker(&mut self) -> anyhow::Result<()> {
        self.restarts += 1;
        match self.restarts % 2 {
            0 => self.broker.stop().await?,
            _ => self.broker.kill().await?,
        };
        self.broker.start_again().await
    }

    /// Waits until the checkpoint confirms everything; cheaper than a request to the service.
    async fn wait_until_sent(&self, records: u64) -> anyhow::Result<()> {
        let sent =
            wait_until("everything has been confirmed", LONG_TIMEOUT, async || match self.confirmed()? {
                confirmed if confirmed >= records => Ok(true),
                _ if !self.adapter.is_running() => Ok(false),
                confirmed => Err(format!("{confirmed} measures")),
            });
        ensure!(sent.await?, "the adapter has ended");
        Ok(())
    }

    async fn verify(&self, scale: &Scale) -> anyhow::Result<()> {
        ensure!((self.kills, self.restarts) == (scale.kills, scale.restarts), "not all has happened");
        let count = usize::try_from(scale.records)?;
        self.wait_until_sent(scale.records).await.with_context(|| self.last_lines())?;
        self.environment.measures_when(count, LONG_TIMEOUT).await.with_context(|| self.last_lines())?;
        let exit = self.adapter.terminate(TIMEOUT).await.with_context(|| self.last_lines())?;
        ensure!(exit.success(), "{}", self.last_lines());
        // A duplicate would be stored by now, or be in the queue before this message.
        self.environment
            .run(&["run", "--experiment", "device-vibrations", "--measure", "lux", "last.txt"])
            .await?;
        let last = wait_until("the last measure has arrived", LONG_TIMEOUT, async || {
            let measures = self.environment.measures().await.map_err(|error| format!("{error:#}"))?;
            let is_last = |measure: &&crate::environment::Measure| measure.measure_type == "lux";
            if measures.iter().any(|measure| is_last(&measure)) {
                Ok(measures)
            } else {
                Err("it has not".to_owned())
            }
        });
        let mut measures = last.await?;
        measures.retain(|measure| measure.measure_type == "hertz");
        ensure!(measures.len() == count, "{} measures instead of {count}", measures.len());
        for (number, measure) in (0..).zip(&measures) {
            let nanos = measure.timestamp.parse::<mymonit_model::Timestamp>()?.unix_nanos();
            ensure!(number_of(nanos) == Some(number), "{measure:?} instead of record {number}");
            ensure!(
                measure.value.to_bits() == value(number).to_bits(),
                "{measure:?} instead of {}",
                value(number)
            );
        }
        ensure!(
            !self.environment.path("state/mymonit-adapter/chaos/unparsable.ndjson").exists(),
            "something was not read"
        );
        Ok(())
    }
}

/// A growing file with both kinds of rotation.
pub(super) async fn follow(format: Format, scale: &Scale) -> anyhow::Result<()> {
    let _turn = SERIAL.lock().await;
    let mut chaos = Chaos::start(&format.description(&format!("follow = \"in/{}\"", format.file()))).await?;
    fs::write(chaos.environment.path("last.txt"), "1\n")?;
    let mut growing =
        Growing { format, path: chaos.environment.path("in").join(format.file()), rotations: 0 };
    growing.create()?;
    let (events, records_per_step) = scale.steps();
    for (step, event) in (0..).zip(events.into_iter().map(Some).chain([None])) {
        let written = ((step + 1) * records_per_step).min(scale.records);
        growing.write(step * records_per_step..written)?;
        match event {
            Some(Event::Kill) => chaos.kill(written).await?,
            Some(Event::Rotate) => growing.rotate()?,
            Some(Event::Restart) => chaos.restart_broker().await?,
            None => {}
        }
    }
    ensure!(growing.rotations == scale.rotations, "not rotated often enough");
    chaos.verify(scale).await
}

/// A file that grows.
struct Growing {
    format: Format,
    path: PathBuf,
    rotations: u64,
}

impl Growing {
    fn create(&self) -> anyhow::Result<()> {
        fs::write(&self.path, self.format.head()).context("a new file")
    }

    /// Writes records in pieces, which may end within a character.
    fn write(&self, numbers: std::ops::Range<u64>) -> anyhow::Result<()> {
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        let mut text = String::new();
        for number in numbers {
            self.format.append(number, false, &mut text);
        }
        for piece in text.as_bytes().chunks(4_999) {
            file.write_all(piece)?;
        }
        Ok(())
    }

    /// Alternates between renaming and copytruncate.
    fn rotate(&mut self) -> anyhow::Result<()> {
        self.rotations += 1;
        let rotated = self.path.with_extension(format!(
            "{}.{}",
            self.format.file().rsplit('.').next().unwrap(),
            self.rotations
        ));
        if self.rotations.is_multiple_of(2) {
            fs::copy(&self.path, &rotated)?;
            let file = File::options().write(true).open(&self.path)?;
            file.set_len(0)?;
            drop(file);
            OpenOptions::new().append(true).open(&self.path)?.write_all(self.format.head().as_bytes())?;
        } else {
            fs::rename(&self.path, &rotated)?;
            self.create()?;
        }
        Ok(())
    }
}

/// Documents are dropped into a folder, one for each rotation.
pub(super) async fn drop_files(format: Format, scale: &Scale) -> anyhow::Result<()> {
    let _turn = SERIAL.lock().await;
    let mut chaos =
        Chaos::start(&format.description("folder = \"in\"\ndone = \"done\"\nsettle_seconds = 0.1")).await?;
    fs::write(chaos.environment.path("last.txt"), "1\n")?;
    let folder = chaos.environment.path("in");
    let (events, records_per_step) = scale.steps();
    let (mut from, mut files) = (0, 0);
    for (step, event) in (1..).zip(events.into_iter().map(Some).chain([None])) {
        let to = (step * records_per_step).min(scale.records);
        if matches!(event, Some(Event::Rotate) | None) {
            drop_file(&folder, format, files, from..to)?;
            (from, files) = (to, files + 1);
        }
        match event {
            Some(Event::Kill) => chaos.kill(from).await?,
            Some(Event::Restart) => chaos.restart_broker().await?,
            Some(Event::Rotate) | None => {}
        }
    }
    ensure!(files == scale.rotations + 1, "not enough files");
    chaos.verify(scale).await?;
    let left = fs::read_dir(&folder)?.count();
    let done = fs::read_dir(chaos.environment.path("done"))?.count() as u64;
    ensure!((left, done) == (0, files), "{left} files are left, {done} are done");
    Ok(())
}

/// Writes a file under a temporary name and renames it.
fn drop_file(
    folder: &Path,
    format: Format,
    number: u64,
    numbers: std::ops::Range<u64>,
) -> anyhow::Result<()> {
    let mut text = format.head().to_owned();
    let first = numbers.start;
    for number in numbers {
        format.append(number, number == first, &mut text);
    }
    text.push_str(format.end());
    let unfinished = folder.join("unfinished.tmp");
    fs::write(&unfinished, text)?;
    fs::rename(&unfinished, folder.join(format!("{number:03}-{}", format.file())))?;
    Ok(())
}
