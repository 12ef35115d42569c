//! The look at every row before anything is changed.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use mymonit_model::{
    Email, Experiment, ExperimentId, ExperimentName, InvalidField, MeasureTypeName, PersonName, Quantity,
    Role, UnitSymbol, User, UserId, Username,
};
use sqlx::{AssertSqlSafe, MySqlConnection, query_as, query_scalar};
use tracing::info;

use super::originals::Originals;
use crate::error::PrepareError;
use crate::mysql::errors::prepare_error;

/// How many measures of one trouble are named by their ids; of the others there is the number.
const NAMED_MEASURES: usize = 100;

/// Everything but the measures, in the terms of this system.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) users: Vec<User>,
    pub(super) experiments: Vec<Experiment>,
    pub(super) associations: Vec<(UserId, ExperimentId)>,
    /// The Python system's own ids of them.
    pub(super) measure_types: Vec<(i64, OldMeasureType)>,
}

/// A measure type as the Python system describes it.
pub(super) struct OldMeasureType {
    pub(super) name: MeasureTypeName,
    pub(super) symbol: UnitSymbol,
    pub(super) quantity: Quantity,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Survey {
    pub(super) directory: Directory,
    /// How many measures there are.
    pub(super) measures: u64,
    /// What stands in the way, each with its table and its id.
    problems: Vec<String>,
    /// What changes on the way, each with its table and its id.
    notes: Vec<String>,
}

impl Survey {
    /// Of tables at which nobody can look more closely.
    pub(super) fn of_problems(problems: Vec<String>) -> Self {
        Self { problems, ..Self::default() }
    }

    /// # Errors
    /// If anything stands in the way; the error says all of it.
    pub(super) fn refuse_problems(&self) -> Result<(), PrepareError> {
        if self.problems.is_empty() { Ok(()) } else { Err(refusal(&self.problems)) }
    }

    /// Says what there is and what changes on the way.
    pub(super) fn announce(&self) {
        for note in &self.notes {
            info!("moving in: {note}");
        }
        info!(
            users = self.directory.users.len(),
            experiments = self.directory.experiments.len(),
            associations = self.directory.associations.len(),
            measures = self.measures,
            "moving in: every row can be kept"
        );
    }

    /// The value, or nothing and a problem at that place.
    fn take<T>(&mut self, place: &str, value: Result<T, InvalidField>) -> Option<T> {
        value.map_err(|refusal| self.problems.push(format!("{place}: {refusal}"))).ok()
    }

    /// The text, which must be there, made a value. That what surrounds it goes is noted.
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

    /// Remembers a key that may stand only once.
    fn once<K: Hash + Eq>(&mut self, seen: &mut HashMap<K, String>, key: K, place: &str, what: &str) {
        if let Some(other) = seen.get(&key) {
            self.problems.push(format!("{place}: {what} is that of {other}, too"));
        } else {
            seen.insert(key, place.to_owned());
        }
    }
}

/// The refusal that says all of it.
fn refusal(problems: &[String]) -> PrepareError {
    let count = match problems.len() {
        1 => "one problem".to_owned(),
        count => format!("{count} problems"),
    };
    PrepareError::Incompatible(format!(
        "it holds tables of the Python system that cannot be moved in as they are ({count}; nothing has been changed; \
         docs/migrating.md says what to do):\n- {}",
        problems.join("\n- ")
    ))
}

/// Looks at every row.
pub(super) async fn look(
    connection: &mut MySqlConnection,
    originals: &Originals,
) -> Result<Survey, PrepareError> {
    let mut survey = Survey::default();
    let seen = async {
        let roles = survey.roles(connection, originals).await?;
        survey.users(connection, originals, &roles).await?;
        survey.experiments(connection, originals).await?;
        survey.associations(connection, originals).await?;
        let types = survey.measure_types(connection, originals).await?;
        survey.measures(connection, originals, &types).await
    };
    seen.await.map_err(prepare_error)?;
    Ok(survey)
}

/// ID, NAME, USERNAME, EMAIL, ROLE.
type UserRow = (Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);
/// ID, NAME, SYMBOL, QUANTITY.
type TypeRow = (Option<i64>, Option<String>, Option<String>, Option<String>);
/// USER_ID, the user's ID, EXPERIMENT_ID, the experiment's ID.
type AssociationRow = (Option<String>, Option<String>, Option<i64>, Option<i64>);

impl Survey {
    async fn roles(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
    ) -> Result<HashMap<i64, Option<Role>>, sqlx::Error> {
        let select =
            format!("SELECT CAST(ID AS SIGNED), NAME FROM {} ORDER BY ID", originals.quoted("ROLES"));
        let rows: Vec<(Option<i64>, Option<String>)> =
            query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
        let mut roles = HashMap::new();
        for (id, name) in rows {
            let role = name.as_deref().and_then(|name| name.trim().parse::<Role>().ok());
            if role.is_none() {
                let name = name.unwrap_or_default();
                self.notes.push(format!(
                    "ROLES {id:?}: the role {name:?} is none of this system's and stays behind"
                ));
            }
            roles.extend(id.map(|id| (id, role)));
        }
        Ok(roles)
    }

    async fn users(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
        roles: &HashMap<i64, Option<Role>>,
    ) -> Result<(), sqlx::Error> {
        let table = originals.quoted("USERS");
        let select =
            format!("SELECT ID, NAME, USERNAME, EMAIL, CAST(ROLE AS SIGNED) FROM {table} ORDER BY ID");
        let rows: Vec<UserRow> = query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
        let (mut ids, mut usernames, mut emails) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (id, name, username, email, role) in rows {
            let place = format!("USERS {:?}", id.as_deref().unwrap_or("NULL"));
            let id = self.text(&place, "ID", id.as_deref(), UserId::new);
            let name = self.text(&place, "NAME", name.as_deref(), PersonName::new);
            let username = self.text(&place, "USERNAME", username.as_deref(), Username::new);
            let email = self.text(&place, "EMAIL", email.as_deref(), Email::new);
            let role = role.and_then(|id| roles.get(&id).copied().flatten());
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

    async fn experiments(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
    ) -> Result<(), sqlx::Error> {
        let table = originals.quoted("EXPERIMENTS");
        let select = format!("SELECT CAST(ID AS SIGNED), NAME FROM {table} ORDER BY ID");
        let rows: Vec<(Option<i64>, Option<String>)> =
            query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
        let (mut ids, mut names) = (HashMap::new(), HashMap::new());
        for (id, name) in rows {
            let id = id.unwrap_or_default();
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
                self.directory.experiments.push(Experiment { experiment_id, name });
            }
        }
        Ok(())
    }

    /// The users are found by the comparison of the table itself, which takes `s001` for `S001`.
    async fn associations(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
    ) -> Result<(), sqlx::Error> {
        let select = format!(
            "SELECT A.USER_ID, U.ID, CAST(A.EXPERIMENT_ID AS SIGNED), CAST(E.ID AS SIGNED) \
             FROM {} A LEFT JOIN {} U ON U.ID = A.USER_ID LEFT JOIN {} E ON E.ID = A.EXPERIMENT_ID \
             ORDER BY A.USER_ID, A.EXPERIMENT_ID",
            originals.quoted("USER_EXPERIMENTS"),
            originals.quoted("USERS"),
            originals.quoted("EXPERIMENTS"),
        );
        let rows: Vec<AssociationRow> = query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
        let roles: HashMap<_, _> =
            self.directory.users.iter().map(|user| (user.user_id.clone(), user.role)).collect();
        let mut seen = HashMap::new();
        for (given, user_id, experiment, found) in rows {
            let given = given.unwrap_or_default();
            let experiment = experiment.unwrap_or_default();
            let place = format!("USER_EXPERIMENTS ({given:?}, {experiment})");
            if user_id.is_none() {
                self.problems.push(format!("{place}: there is no such user"));
            }
            if found.is_none() {
                self.problems.push(format!("{place}: there is no such experiment"));
            }
            // What is wrong with the user or the experiment themselves has been said.
            let Some(user_id) = user_id.and_then(|id| UserId::new(&id).ok()) else { continue };
            let Ok(experiment_id) = experiment.to_string().parse::<ExperimentId>() else { continue };
            self.once(&mut seen, (user_id.clone(), experiment_id), &place, "the association");
            match roles.get(&user_id) {
                Some(Role::Admin) => {
                    self.problems.push(format!(
                        "{place}: the user is an administrator; only scientists are associated"
                    ));
                }
                Some(Role::Scientist) => self.directory.associations.push((user_id, experiment_id)),
                None => {}
            }
        }
        Ok(())
    }

    /// The ids of all types.
    async fn measure_types(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
    ) -> Result<Vec<i64>, sqlx::Error> {
        let table = originals.quoted("MEASURE_TYPES");
        let select = format!("SELECT CAST(ID AS SIGNED), NAME, SYMBOL, QUANTITY FROM {table} ORDER BY ID");
        let rows: Vec<TypeRow> = query_as(AssertSqlSafe(select)).fetch_all(connection).await?;
        let mut names = HashSet::new();
        let mut ids = Vec::new();
        for (id, name, symbol, quantity) in rows {
            let id = id.unwrap_or_default();
            let place = format!("MEASURE_TYPES {id}");
            let name = self.text(&place, "NAME", name.as_deref(), MeasureTypeName::new);
            let symbol = self.text(&place, "SYMBOL", symbol.as_deref(), UnitSymbol::new);
            let quantity = self.text(&place, "QUANTITY", quantity.as_deref(), Quantity::new);
            if let Some(name) = name.as_ref().filter(|name| !names.insert((*name).clone())) {
                self.notes.push(format!("{place}: there is another measure type {name}; the two become one"));
            }
            if let (Some(name), Some(symbol), Some(quantity)) = (name, symbol, quantity) {
                self.directory.measure_types.push((id, OldMeasureType { name, symbol, quantity }));
            }
            ids.push(id);
        }
        Ok(ids)
    }

    async fn measures(
        &mut self,
        connection: &mut MySqlConnection,
        originals: &Originals,
        types: &[i64],
    ) -> Result<(), sqlx::Error> {
        let table = originals.quoted("MEASURES");
        let troubles = [
            ("ID < 1".to_owned(), "the id must be positive"),
            (
                // What the server cannot tell in Unix time, and 0000-00-00, are 0; no TIMESTAMP is.
                "COALESCE(UNIX_TIMESTAMP(TIMESTAMP), 0) <= 0".to_owned(),
                "TIMESTAMP is no time from 1970 on that the server can tell",
            ),
            ("MEASURE_VALUE IS NULL".to_owned(), "MEASURE_VALUE is NULL"),
            (not_among("TYPE", types), "TYPE is the id of no measure type"),
            (
                not_in("EXPERIMENT_ID", &format!("SELECT ID FROM {}", originals.quoted("EXPERIMENTS"))),
                "EXPERIMENT_ID is the id of no experiment",
            ),
        ];
        let conditions = troubles.iter().map(|(condition, _)| format!("({condition})")).collect::<Vec<_>>();
        let count = format!(
            "SELECT COUNT(*), CAST(COALESCE(SUM({}), 0) AS SIGNED) FROM {table}",
            conditions.join(" OR ")
        );
        let (count, wrong): (i64, i64) = query_as(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
        self.measures = count.unsigned_abs();
        if wrong == 0 {
            return Ok(());
        }
        for (condition, what) in troubles {
            let select = format!(
                "SELECT CAST(ID AS SIGNED) FROM {table} WHERE {condition} ORDER BY ID LIMIT {NAMED_MEASURES}"
            );
            let ids: Vec<i64> = query_scalar(AssertSqlSafe(select)).fetch_all(&mut *connection).await?;
            self.problems.extend(ids.iter().map(|id| format!("MEASURES {id}: {what}")));
            if ids.len() == NAMED_MEASURES {
                let count = format!("SELECT COUNT(*) FROM {table} WHERE {condition}");
                let count: i64 = query_scalar(AssertSqlSafe(count)).fetch_one(&mut *connection).await?;
                let others = count.unsigned_abs().saturating_sub(ids.len() as u64);
                if others > 0 {
                    self.problems.push(format!("MEASURES, {others} more: {what}"));
                }
            }
        }
        Ok(())
    }
}

fn not_among(column: &str, ids: &[i64]) -> String {
    let ids = ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    not_in(column, if ids.is_empty() { "NULL" } else { &ids })
}

/// True also where the column is NULL, and where there is nothing to be in.
fn not_in(column: &str, values: &str) -> String {
    format!("COALESCE({column} IN ({values}), FALSE) = FALSE")
}
