//! `mymonit import-legacy`: copies a database of the Python system of 2022 into an empty one of
//! this system.
//!
//! Every row is checked before anything is written. The source is read in one read-only snapshot,
//! in pages, and written through the ordinary stores. At the end the target is read back and
//! compared. A mark in ONE_TIME_STEPS keeps a service from starting on an incomplete copy.

mod source;
mod survey;

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use mymonit_model::{
    ExperimentDetails, ExperimentId, Faceted, FlagFilter, MeasureTypeId, MeasureValue, Timestamp,
};
use mymonit_services::directory::{Change, Directory, ExperimentChange};
use mymonit_services::ports::{
    DirectoryStore, IngestContent, IngestMessage, IngestStore, MeasurePosition, MeasureQuery, MeasureStore,
    Order, StorageError,
};
use sqlx::AssertSqlSafe;
use thiserror::Error;
use tracing::info;

use crate::MySqlTls;
use crate::database::DatabaseHandle;
use crate::error::storage_error;
use crate::migrations::{HOW_TO_EMPTY, UNFINISHED};
use source::Source;
use survey::Survey;

/// Measures of one transaction, and of one page.
const PAGE: u32 = 10_000;
const LOG_EVERY: Duration = Duration::from_secs(10);
/// Tables that must hold no rows before the copy.
const EMPTY: [&str; 7] =
    ["USERS", "EXPERIMENTS", "SENSORS", "MEASURES", "MEASURE_BLOCKS", "MESSAGE_IDS", "REJECTED_MESSAGES"];

/// Why a database was not copied.
#[derive(Debug, Error)]
pub enum LegacyImportError {
    /// Before the first write.
    #[error("{0}\nnothing was written")]
    Refused(String),
    /// After it.
    #[error("{0}; the copy is incomplete: {HOW_TO_EMPTY}")]
    Incomplete(String),
}

/// Rows that were copied and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegacyImported {
    /// Rows of USERS.
    pub users: usize,
    /// Rows of EXPERIMENTS.
    pub experiments: usize,
    /// Rows of USER_EXPERIMENTS.
    pub associations: usize,
    /// Rows of MEASURES.
    pub measures: u64,
}

/// The target and its stores.
pub struct LegacyImport {
    /// The handle, whose database is prepared.
    pub database: Arc<dyn DatabaseHandle>,
    /// The target of users, experiments and associations.
    pub directory: Arc<dyn DirectoryStore>,
    /// Where measures go.
    pub ingest: Arc<dyn IngestStore>,
    /// Where they are read back.
    pub measures: Arc<dyn MeasureStore>,
    /// TLS to the Python system's database, where its URL does not say.
    pub tls: MySqlTls,
}

impl LegacyImport {
    /// Copies the database at that `mysql://` URL.
    ///
    /// # Errors
    /// If the target is not empty, if a row cannot be copied, if either database fails, or if the
    /// copy differs.
    pub async fn run(&self, from: &Faceted<String>) -> Result<LegacyImported, LegacyImportError> {
        let refused = |error: StorageError| LegacyImportError::Refused(target_failed(&error));
        self.require_empty_target().await?;
        let mut target = self.directory.read().await.map_err(refused)?;
        target.sort();
        let mut source = Source::open(from, &self.tls).await.map_err(LegacyImportError::Refused)?;
        let survey = Survey::of(&mut source, &target).await.map_err(LegacyImportError::Refused)?;
        self.begin(&target, &survey.directory).await.map_err(refused)?;
        self.copy(&mut source, &target, &survey).await.map_err(LegacyImportError::Incomplete)?;
        source.close().await;
        Ok(LegacyImported {
            users: survey.directory.users.len(),
            experiments: survey.directory.experiments.len(),
            associations: survey.directory.associations.len(),
            measures: survey.measures,
        })
    }

    async fn require_empty_target(&self) -> Result<(), LegacyImportError> {
        let filled = self.database.read(|mut connection| {
            async move {
                let mut filled = Vec::new();
                for table in EMPTY {
                    let any = format!("SELECT COUNT(*) FROM (SELECT 1 FROM {table} LIMIT 1) T");
                    if connection.number(AssertSqlSafe(any), []).await? > 0 {
                        filled.push(table);
                    }
                }
                Ok(filled)
            }
            .boxed()
        });
        match filled.await {
            Ok(filled) if filled.is_empty() => Ok(()),
            Ok(filled) => {
                let message = format!(
                    "the target database is not empty: {} hold rows; {HOW_TO_EMPTY}",
                    filled.join(", ")
                );
                Err(LegacyImportError::Refused(message))
            }
            Err(error) => Err(LegacyImportError::Refused(target_failed(&error))),
        }
    }

    /// Marks the target and replaces its measure types where their ids or names differ. Nothing
    /// refers to them yet.
    async fn begin(&self, target: &Directory, wanted: &Directory) -> Result<(), StorageError> {
        const MARK: &str = "INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES (?, ?)";
        const INSERT: &str = "INSERT INTO MEASURE_TYPES (ID, NAME, SYMBOL, QUANTITY) VALUES (?, ?, ?, ?)";
        let is_same = target.measure_types == wanted.measure_types;
        let types = if is_same { Vec::new() } else { wanted.measure_types.clone() };
        self.database
            .transaction(move |mut connection| {
                async move {
                    let now = Timestamp::now().unix_nanos();
                    connection.execute(MARK, [UNFINISHED.into(), now.into()]).await?;
                    if !is_same {
                        connection.execute("DELETE FROM MEASURE_TYPES", []).await?;
                    }
                    for kind in types {
                        let texts = [kind.name.as_str().into(), kind.symbol.into(), kind.quantity.into()];
                        let [name, symbol, quantity] = texts;
                        connection
                            .execute(INSERT, [u32::from(kind.id.get()).into(), name, symbol, quantity])
                            .await?;
                    }
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    async fn copy(&self, source: &mut Source, target: &Directory, survey: &Survey) -> Result<(), String> {
        let failed = |error: StorageError| target_failed(&error);
        let wanted = &survey.directory;
        let seen = Directory { measure_types: wanted.measure_types.clone(), ..target.clone() };
        if self.directory.apply(&seen, &changes(wanted)).await.map_err(failed)?.is_none() {
            return Err("another process has written to the target".to_owned());
        }
        let sent = self.copy_measures(source, survey).await?;
        info!("import-legacy: comparing the copy");
        let mut found = self.directory.read().await.map_err(failed)?;
        found.sort();
        if found != *wanted {
            return Err("users, experiments, associations or measure types of the copy differ".to_owned());
        }
        for experiment in &wanted.experiments {
            let id = experiment.experiment_id;
            let (sent, stored) =
                (sent.get(&id).copied().unwrap_or_default(), self.stored(id).await.map_err(failed)?);
            if sent != stored {
                return Err(format!(
                    "experiment {id}: of {} measures the copy has {}, or they differ",
                    sent.count, stored.count
                ));
            }
        }
        let unmark = "DELETE FROM ONE_TIME_STEPS WHERE NAME = ?";
        self.database.execute(unmark, [UNFINISHED.into()]).await.map_err(failed)?;
        Ok(())
    }

    /// Copies the measures in the order of their ids, so that those of one moment keep their order.
    async fn copy_measures(
        &self,
        source: &mut Source,
        survey: &Survey,
    ) -> Result<BTreeMap<ExperimentId, Digest>, String> {
        let mut digests = BTreeMap::<ExperimentId, Digest>::new();
        let (mut last, mut copied, mut logged) = (None, 0_u64, Instant::now());
        loop {
            let rows = source.measures(last, PAGE).await?;
            let Some(row) = rows.last() else { break };
            last = Some(row.0);
            let measures =
                rows.iter().map(|row| survey.measure(row)).collect::<Result<Vec<_>, _>>().map_err(
                    |error| format!("a measure between the ids {:?} and {:?}: {error}", rows[0].0, row.0),
                )?;
            for measure in &measures {
                digests.entry(measure.experiment_id).or_default().add(
                    measure.measure_type,
                    measure.timestamp,
                    measure.value,
                );
            }
            copied += measures.len() as u64;
            let message = IngestMessage {
                publisher: None,
                message_id: None,
                content: IngestContent::Measures(measures),
            };
            self.ingest.commit(vec![message]).await.map_err(|error| target_failed(&error))?;
            if logged.elapsed() >= LOG_EVERY {
                logged = Instant::now();
                info!(measures = copied, of = survey.measures, "import-legacy: copying measures");
            }
        }
        if copied != survey.measures {
            return Err(format!("{copied} of {} measures were read", survey.measures));
        }
        Ok(digests)
    }

    /// The digest of an experiment's measures in the target.
    async fn stored(&self, experiment_id: ExperimentId) -> Result<Digest, StorageError> {
        let query = MeasureQuery {
            experiment_id,
            from: None,
            to: None,
            types: Vec::new(),
            sensors: Vec::new(),
            order: Order::Ascending,
            flags: FlagFilter::default(),
        };
        let (mut digest, mut after) = (Digest::default(), None);
        loop {
            let page = self.measures.page(&query, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(digest) };
            after = Some(MeasurePosition { timestamp: last.timestamp, id: last.id });
            for measure in &page {
                digest.add(measure.measure_type, measure.timestamp, measure.value);
            }
        }
    }
}

/// Count and checksum of measures, in any order.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Digest {
    count: u64,
    sum: u64,
}

impl Digest {
    fn add(&mut self, kind: MeasureTypeId, timestamp: Timestamp, value: MeasureValue) {
        let mut hasher = DefaultHasher::new();
        (kind.get(), timestamp.unix_nanos(), value.get().to_bits()).hash(&mut hasher);
        self.count += 1;
        self.sum = self.sum.wrapping_add(hasher.finish());
    }
}

fn changes(wanted: &Directory) -> Vec<Change> {
    let users = wanted.users.iter().cloned().map(Change::AddUser);
    let experiments = wanted.experiments.iter().map(|experiment| {
        let details = ExperimentDetails::named(experiment.name.clone());
        Change::Experiment(ExperimentChange::Add(Some(experiment.experiment_id), details))
    });
    let associations = wanted.associations.iter().filter_map(|(id, user_id)| {
        let experiment = wanted.experiments.iter().find(|experiment| experiment.experiment_id == *id)?;
        Some(Change::Associate(experiment.name.clone(), user_id.clone()))
    });
    users.chain(experiments).chain(associations).collect()
}

fn target_failed(error: &StorageError) -> String {
    format!("the target database failed: {}", explained(error))
}

fn source_failed(error: sqlx::Error) -> String {
    format!("the Python system's database failed: {}", explained(&storage_error(error)))
}

fn explained(error: &StorageError) -> String {
    match error {
        StorageError::Conflict(_) | StorageError::RejectedFull | StorageError::TooManySensors(_) => {
            error.to_string()
        }
        StorageError::Unavailable(cause) | StorageError::Data(cause) | StorageError::Internal(cause) => {
            cause.to_string()
        }
    }
}
