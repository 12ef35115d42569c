//! The check of every row before anything is written.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use mymonit_model::{
    Email, ExperimentDetails, ExperimentId, ExperimentName, InvalidField, MeasureType, MeasureTypeId,
    MeasureTypeName, MeasureValue, PersonName, Quantity, Role, Timestamp, UnitSymbol, User, UserId, Username,
};
use mymonit_services::directory::Directory;
use mymonit_services::ports::NewMeasure;
use tracing::info;

use super::source::{MeasureRow, Source, refuse};

/// Measures of one problem that are named by their ids; the others are counted.
const NAMED_MEASURES: usize = 100;

/// What is to be copied.
#[derive(Default)]
pub(super) struct Survey {
    /// Everything except the measures, as planned for the target, sorted.
    pub(super) directory: Directory,
    /// Number of measures.
    pub(super) measures: u64,
    /// The ids of measure types in the target, by the source's.
    types: HashMap<i64, MeasureTypeId>,
    /// Rows that cannot be copied, each with its table and its id.
    problems: Vec<String>,
    /// Rows that change in the copy.
    notes: Vec<String>,
}

/// ID, NAME, USERNAME, EMAIL, ROLE.
type UserRow = (Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);
/// ID, NAME, SYMBOL, QUANTITY.
type TypeRow = (i64, Option<String>, Option<String>, Option<String>);
/// USER_ID, the user's ID, EXPERIMENT_ID, the experiment's ID.
type AssociationRow = (Option<String>, Option<String>, Option<i64>, Option<i64>);

impl Survey {
    /// Checks every row.
    ///
    /// # Errors
    /// If a row cannot be copied; the error lists all of them.
    pub(super) async fn of(source: &mut Source, target: &Directory) -> Result<Self, String> {
        info!("import-legacy: checking every row");
        let mut survey = Self::default();
        let roles = survey.roles(source).await?;
        survey.users(source, &roles).await?;
        survey.experiments(source).await?;
        survey.associations(source).await?;
        survey.measure_types(source, &target.measure_types).await?;
        survey.measures(source).await?;
        refuse(&survey.problems)?;
        survey.directory.sort();
        for note in &survey.notes {
            info!("import-legacy: {note}");
        }
        Ok(survey)
    }

    /// A row of MEASURES as it is stored here.
    pub(super) fn measure(&self, row: &MeasureRow) -> Result<NewMeasure, InvalidField> {
        let (_, kind, nanos, experiment, value) = *row;
        Ok(NewMeasure {
            experiment_id: experiment.to_string().parse()?,
            measure_type: *self
                .types
                .get(&kind)
                .ok_or_else(|| InvalidField::new("TYPE", "must be the id of a measure type"))?,
            sensor: None,
            timestamp: Timestamp::from_unix_nanos(nanos)
                .ok_or_else(|| InvalidField::new("TIMESTAMP", "must not be before 1970"))?,
            value: MeasureValue::new(value)?,
        })
    }

    /// The value, or a problem.
    fn take<T>(&mut self, place: &str, value: Result<T, InvalidField>) -> Option<T> {
        value.map_err(|refusal| self.problems.push(format!("{place}: {refusal}"))).ok()
    }

    /// The text as a value. Blanks around it are noted.
    fn text<T>(
        &mut self,
        place: &str,
        column: &str,
        text: Option<&str>,
        make: impl Fn(&str) -> Result<T, InvalidField>,
    ) -> Option<T> {
        let Some(text) = text else {
            self.problems.push(format!("{place}: {column} is NULL"));
            return None;
        };
        if text != text.trim() {
            self.notes.push(format!("{place}: {column} loses the blanks around it"));
        }
        self.take(place, make(text))
    }

    /// Checks that a key is unique.
    fn once<K: Hash + Eq>(&mut self, seen: &mut HashMap<K, String>, key: K, place: &str, what: &str) {
        if let Some(other) = seen.get(&key) {
            self.problems.push(format!("{place}: {what} is that of {other}, too"));
        } else {
            seen.insert(key, place.to_owned());
        }
    }

    async fn roles(&mut self, source: &mut Source) -> Result<HashMap<i64, Role>, String> {
        let rows: Vec<(i64, Option<String>)> =
            source.rows("SELECT CAST(ID AS SIGNED), NAME FROM {ROLES} ORDER BY ID").await?;
        let mut roles = HashMap::new();
        for (id, name) in rows {
            let name = name.unwrap_or_default();
            match name.trim().parse() {
                Ok(role) => drop(roles.insert(id, role)),
                Err(_) => self.notes.push(format!("ROLES {id}: {name:?} is unknown here and is not copied")),
            }
        }
        Ok(roles)
    }

    async fn users(&mut self, source: &mut Source, roles: &HashMap<i64, Role>) -> Result<(), String> {
        const SELECT: &str =
            "SELECT ID, NAME, USERNAME, EMAIL, CAST(ROLE AS SIGNED) FROM {USERS} ORDER BY ID";
        let rows: Vec<UserRow> = source.rows(SELECT).await?;
        let (mut ids, mut usernames, mut emails) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (id, name, username, email, role) in rows {
            let place = format!("USERS {:?}", id.as_deref().unwrap_or("NULL"));
            let id = self.text(&place, "ID", id.as_deref(), UserId::new);
            let name = self.text(&place, "NAME", name.as_deref(), PersonName::new);
            let username = self.text(&place, "USERNAME", username.as_deref(), Username::new);
            let email = self.text(&place, "EMAIL", email.as_deref(), Email::new);
            let role = role.and_then(|id| roles.get(&id).copied());
            if role.is_none() {
                self.problems.push(format!("{place}: ROLE is neither that of ADMIN nor that of SCIENTIST"));
            }
            if let Some(id) = &id {
                self.once(&mut ids, id.clone(), &place, "ID");
            }
            if let Some(username) = &username {
                self.once(&mut usernames, username.clone(), &place, "USERNAME");
            }
            if let Some(email) = &email {
                self.once(&mut emails, email.uniqueness_key(), &place, "EMAIL (without regard to case)");
            }
            if let (Some(user_id), Some(name), Some(username), Some(email), Some(role)) =
                (id, name, username, email, role)
            {
                let user =
                    User { user_id, name: name.into(), username: username.into(), email: email.into(), role };
                self.directory.users.push(user);
            }
        }
        Ok(())
    }

    async fn experiments(&mut self, source: &mut Source) -> Result<(), String> {
        let rows: Vec<(i64, Option<String>)> =
            source.rows("SELECT CAST(ID AS SIGNED), NAME FROM {EXPERIMENTS} ORDER BY ID").await?;
        let (mut ids, mut names) = (HashMap::new(), HashMap::new());
        for (id, name) in rows {
            let place = format!("EXPERIMENTS {id}");
            let name = self.text(&place, "NAME", name.as_deref(), ExperimentName::new);
            let id = self.take(&place, id.to_string().parse::<ExperimentId>());
            if let Some(id) = id {
                self.once(&mut ids, id, &place, "ID");
            }
            if let Some(name) = &name {
                self.once(&mut names, name.clone(), &place, "NAME");
            }
            if let (Some(experiment_id), Some(name)) = (id, name) {
                self.directory.experiments.push(ExperimentDetails::named(name).numbered(experiment_id));
            }
        }
        Ok(())
    }

    /// The join compares as the tables do, which takes `s001` for `S001`.
    async fn associations(&mut self, source: &mut Source) -> Result<(), String> {
        const SELECT: &str = "SELECT A.USER_ID, U.ID, CAST(A.EXPERIMENT_ID AS SIGNED), CAST(E.ID AS SIGNED) \
            FROM {USER_EXPERIMENTS} A LEFT JOIN {USERS} U ON U.ID = A.USER_ID \
            LEFT JOIN {EXPERIMENTS} E ON E.ID = A.EXPERIMENT_ID ORDER BY A.USER_ID, A.EXPERIMENT_ID";
        let rows: Vec<AssociationRow> = source.rows(SELECT).await?;
        let roles: HashMap<_, _> =
            self.directory.users.iter().map(|user| (user.user_id.clone(), user.role)).collect();
        let mut seen = HashMap::new();
        for (given, user_id, experiment, found) in rows {
            let given = given.unwrap_or_default();
            let experiment = experiment.unwrap_or_default();
            let place = format!("USER_EXPERIMENTS ({given:?}, {experiment})");
            if user_id.is_none() {
                self.problems.push(format!("{place}: USER_ID is the id of no user"));
            }
            if found.is_none() {
                self.problems.push(format!("{place}: EXPERIMENT_ID is the id of no experiment"));
            }
            // Problems of the user and the experiment themselves are listed already.
            let Some(user_id) = user_id.and_then(|id| UserId::new(&id).ok()) else { continue };
            let Ok(experiment_id) = experiment.to_string().parse::<ExperimentId>() else { continue };
            self.once(&mut seen, (user_id.clone(), experiment_id), &place, "the association");
            match roles.get(&user_id) {
                Some(Role::Admin) => {
                    self.problems.push(format!(
                        "{place}: the user is an administrator; only scientists are associated"
                    ));
                }
                Some(Role::Scientist) => self.directory.associations.push((experiment_id, user_id)),
                None => {}
            }
        }
        Ok(())
    }

    /// Keeps the ids. Types that the target has by default keep its symbol and quantity, which the
    /// Python system often spoiled by a wrong character set; defaults that the source lacks are
    /// added.
    async fn measure_types(&mut self, source: &mut Source, defaults: &[MeasureType]) -> Result<(), String> {
        const SELECT: &str =
            "SELECT CAST(ID AS SIGNED), NAME, SYMBOL, QUANTITY FROM {MEASURE_TYPES} ORDER BY ID";
        let rows: Vec<TypeRow> = source.rows(SELECT).await?;
        let mut types = HashMap::<MeasureTypeName, MeasureType>::new();
        for (old_id, name, symbol, quantity) in rows {
            let place = format!("MEASURE_TYPES {old_id}");
            let name = self.text(&place, "NAME", name.as_deref(), MeasureTypeName::new);
            let symbol = self.text(&place, "SYMBOL", symbol.as_deref(), UnitSymbol::new);
            let quantity = self.text(&place, "QUANTITY", quantity.as_deref(), Quantity::new);
            let id = u16::try_from(old_id).ok().filter(|id| *id > 0);
            if id.is_none() {
                self.problems.push(format!("{place}: the id must be from 1 to 65535"));
            }
            let id = MeasureTypeId::new(id.unwrap_or_default());
            self.types.insert(old_id, id);
            let (Some(name), Some(symbol), Some(quantity)) = (name, symbol, quantity) else { continue };
            if let Some(other) = types.get(&name) {
                self.notes.push(format!(
                    "{place}: becomes measure type {}, which has the same name",
                    other.id.get()
                ));
                self.types.insert(old_id, other.id);
                continue;
            }
            let new = MeasureType {
                id,
                name: name.clone(),
                symbol: symbol.as_str().to_owned(),
                quantity: quantity.as_str().to_owned(),
            };
            let default = defaults.iter().find(|default| default.name == name);
            types.insert(name, default.map_or(new, |default| MeasureType { id, ..default.clone() }));
        }
        let mut used: HashSet<_> = types.values().map(|kind| kind.id.get()).collect();
        for default in defaults {
            if !types.contains_key(&default.name) {
                let id = (default.id.get()..).find(|id| !used.contains(id)).unwrap_or(default.id.get());
                used.insert(id);
                types.insert(
                    default.name.clone(),
                    MeasureType { id: MeasureTypeId::new(id), ..default.clone() },
                );
            }
        }
        self.directory.measure_types = types.into_values().collect();
        Ok(())
    }

    async fn measures(&mut self, source: &mut Source) -> Result<(), String> {
        let types = self.types.keys().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let checks = [
            (
                // NULL, 0000-00-00 and what the server cannot convert to Unix time; 2^63
                // nanoseconds.
                "COALESCE(UNIX_TIMESTAMP(TIMESTAMP), 0) NOT BETWEEN 1 AND 9223372036".to_owned(),
                "TIMESTAMP is not between 1970 and 2262, or the server cannot convert it",
            ),
            ("MEASURE_VALUE IS NULL".to_owned(), "MEASURE_VALUE is NULL"),
            (
                not_in("TYPE", if types.is_empty() { "NULL" } else { &types }),
                "TYPE is the id of no measure type",
            ),
            (
                not_in("EXPERIMENT_ID", "SELECT ID FROM {EXPERIMENTS}"),
                "EXPERIMENT_ID is the id of no experiment",
            ),
        ];
        let any = checks.iter().map(|(check, _)| format!("({check})")).collect::<Vec<_>>().join(" OR ");
        let counts = format!("SELECT COUNT(*), CAST(COALESCE(SUM({any}), 0) AS SIGNED) FROM {{MEASURES}}");
        let counts: Vec<(i64, i64)> = source.rows(&counts).await?;
        let (count, wrong) = counts.first().copied().unwrap_or_default();
        self.measures = count.unsigned_abs();
        if wrong == 0 {
            return Ok(());
        }
        for (check, problem) in checks {
            let ids = format!(
                "SELECT CAST(ID AS SIGNED) FROM {{MEASURES}} WHERE {check} ORDER BY ID LIMIT {NAMED_MEASURES}"
            );
            let ids: Vec<(i64,)> = source.rows(&ids).await?;
            self.problems.extend(ids.iter().map(|(id,)| format!("MEASURES {id}: {problem}")));
            let all: Vec<(i64,)> =
                source.rows(&format!("SELECT COUNT(*) FROM {{MEASURES}} WHERE {check}")).await?;
            let others = all.first().map_or(0, |(all,)| all.unsigned_abs()).saturating_sub(ids.len() as u64);
            if others > 0 {
                self.problems.push(format!("MEASURES, {others} more: {problem}"));
            }
        }
        Ok(())
    }
}

/// True also where the column is NULL, and where the set is empty.
fn not_in(column: &str, values: &str) -> String {
    format!("COALESCE({column} IN ({values}), FALSE) = FALSE")
}
