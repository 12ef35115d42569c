//! The plans and costs of the statements of a page.

use mymonit_model::Faceted;
use mymonit_services::ports::{IngestStore, Order};
use mymonit_test_support::MySqlServer;
use sqlx::{
    ConnectOptions, Connection as _, MySql, MySqlConnection, Row, Sqlite, SqliteConnection, query_with,
};

use super::*;
use crate::connection::arguments;
use crate::measure_shapes::{ADD_READER, measures, readers, shapes};
use crate::mysql::MySqlDatabase;
use crate::sensors::series;
use crate::sqlite::SqliteDatabase;
use crate::{Database, SqlIngestStore};

const LIMIT: u32 = 10;

/// No reader or one, with the tables that the statement joins to find the reader.
fn who(readers: &[Identity]) -> Vec<(Option<&Identity>, &'static [&'static str])> {
    let tables = |reader: &Identity| match reader {
        Identity::Username(_) => &["U", "R", "A", "E"][..],
        Identity::ApiToken(..) => &["T", "X", "U", "R", "A", "E"],
    };
    let readers = readers.iter().map(|reader| (Some(reader), tables(reader)));
    [(None, &[][..])].into_iter().chain(readers).collect()
}

/// A connection to a database with measures and their reader.
async fn mysql() -> MySqlConnection {
    let url = MySqlServer::shared().await.unwrap().create_database().await.unwrap();
    let database = MySqlDatabase::from_url(&Faceted::new(url.clone()), 1).unwrap();
    let database = Database::MySql(database);
    database.prepare().await.unwrap();
    SqlIngestStore::of(database).commit(vec![measures()]).await.unwrap();
    let mut connection = MySqlConnection::connect(&url).await.unwrap();
    for statement in ADD_READER {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection
}

/// [`mysql`] on SQLite.
async fn sqlite(folder: &tempfile::TempDir) -> SqliteConnection {
    let file = folder.path().join("mymonit.db");
    let database = SqliteDatabase::new(file.to_str().unwrap(), 1).unwrap();
    let database = Database::Sqlite(database);
    database.prepare().await.unwrap();
    SqlIngestStore::of(database).commit(vec![measures()]).await.unwrap();
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(&file);
    let mut connection = options.connect().await.unwrap();
    for statement in ADD_READER {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    connection
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_on_mysql_reads_ranges_of_keys_in_order() {
    let mut connection = mysql().await;
    for (query, after) in shapes() {
        for (identity, tables) in who(&readers()) {
            let own = Connection::MySql(&mut connection);
            let selects = statement::page(&own, &query, after, identity, LIMIT.into(), 2);
            assert_eq!(selects.len(), if after.is_some() { 3 } else { 2 });
            for (sql, values) in selects {
                let plan = AssertSqlSafe(format!("EXPLAIN FORMAT = TRADITIONAL {sql}"));
                let plan = query_with(plan, arguments::<MySql>(values).unwrap());
                let mut plan = plan.fetch_all(&mut connection).await.unwrap();
                plan.retain(|step| step.get::<Option<String>, _>("table") != Some("S".to_owned()));
                let (step, lookups) = plan.split_last().unwrap();
                let lookups: Vec<String> = lookups.iter().map(|step| step.get("type")).collect();
                assert_eq!(lookups, vec!["const"; tables.len()]);
                let (table, access): (String, String) = (step.get("table"), step.get("type"));
                let key: String = step.get("key");
                let extras = plan.iter().map(|step| step.get::<Option<String>, _>("Extra"));
                let extra = extras.flatten().collect::<Vec<_>>().join("; ");
                assert!(["range", "ref"].contains(&&*access), "{sql}: {access}");
                let expected = match (&*table, query.order) {
                    ("M", _) => "PRIMARY",
                    (_, Order::Ascending) => "IX_MEASURE_BLOCKS_LAST",
                    (_, Order::Descending) => "IX_MEASURE_BLOCKS_FIRST",
                };
                assert_eq!(key, expected, "{sql}");
                assert!(!extra.contains("filesort") && !extra.contains("temporary"), "{sql}: {extra}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_statement_on_sqlite_reads_ranges_of_keys_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let mut connection = sqlite(&folder).await;
    for (query, after) in shapes() {
        for (identity, tables) in who(&readers()) {
            let own = Connection::Sqlite(&mut connection);
            for (sql, values) in statement::page(&own, &query, after, identity, LIMIT.into(), 2) {
                let plan = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
                let plan = query_with(plan, arguments::<Sqlite>(values).unwrap());
                let plan = plan.fetch_all(&mut connection).await.unwrap();
                let steps = plan.iter().map(|step| step.get("detail"));
                let steps: Vec<String> =
                    steps.filter(|step: &String| !step.contains(" S ") && !step.contains("SCALAR")).collect();
                let (step, lookups) = steps.split_last().unwrap();
                assert_eq!(lookups.len(), tables.len(), "{lookups:?}");
                let search = |table: &str| format!("SEARCH {table} USING ");
                let in_order =
                    lookups.iter().zip(tables).all(|(lookup, table)| lookup.starts_with(&search(table)));
                assert!(in_order, "{lookups:?}");
                let searches = [
                    "SEARCH M USING PRIMARY KEY (EXPERIMENT_ID=? AND TIMESTAMP=? AND ID",
                    "SEARCH M USING PRIMARY KEY (EXPERIMENT_ID=? AND TIMESTAMP>? AND TIMESTAMP<?)",
                    "SEARCH B USING INDEX IX_MEASURE_BLOCKS_LAST (EXPERIMENT_ID=? AND LAST_TIMESTAMP>?)",
                    "SEARCH B USING INDEX IX_MEASURE_BLOCKS_FIRST (EXPERIMENT_ID=? AND FIRST_TIMESTAMP<?)",
                ];
                assert!(searches.iter().any(|search| step.starts_with(search)), "{sql}: {step}");
            }
        }
    }
}

/// How many rows and index entries the server has read for this connection.
async fn reads(connection: &mut MySqlConnection) -> u64 {
    let status = sqlx::query("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(connection).await.unwrap();
    status.iter().map(|row| row.get::<String, _>(1).parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_reads_no_more_of_each_range_than_it_returns() {
    let mut connection = mysql().await;
    let readers = readers();
    let shapes = shapes().into_iter().filter(|(query, _)| query.types.is_empty() && query.sensors.is_empty());
    let by_all = |shape: (_, _)| readers.iter().map(move |reader| (reader, shape.clone()));
    for (reader, (query, after)) in shapes.flat_map(by_all) {
        let ranges = if after.is_some() { 2 } else { 1 };
        // The server reads its statistics of a table when it is used first.
        read(&mut Connection::MySql(&mut connection), &query, after, LIMIT, &mut Vec::new()).await.unwrap();
        let before = reads(&mut connection).await;
        let (mut page, mut page_for) = (Vec::new(), Vec::new());
        read(&mut Connection::MySql(&mut connection), &query, after, LIMIT, &mut page).await.unwrap();
        let between = reads(&mut connection).await;
        let mut own = Connection::MySql(&mut connection);
        read_for(&mut own, reader, &query, after, LIMIT, &mut page_for).await.unwrap();
        let (cost, cost_for) = (between - before, reads(&mut connection).await - between);
        assert!(cost <= ranges * u64::from(LIMIT) + 4, "{query:?}: {cost} reads for {} rows", page.len());
        assert!(cost_for <= cost + 6 * (ranges + 1), "{query:?}: {cost_for} reads instead of {cost}");
        assert_eq!(page_for, page);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn series_are_read_from_one_range_of_their_key() {
    let mut connection = mysql().await;
    let sql = series(&Connection::MySql(&mut connection));
    let explain = AssertSqlSafe(format!("EXPLAIN FORMAT = TRADITIONAL {sql}"));
    let plan = sqlx::query(explain).bind(1).fetch_all(&mut connection).await.unwrap();
    let steps: Vec<(String, String)> = plan.iter().map(|step| (step.get("type"), step.get("key"))).collect();
    assert_eq!(steps, [("ref".to_owned(), "PRIMARY".to_owned())]);

    let folder = tempfile::tempdir().unwrap();
    let mut connection = sqlite(&folder).await;
    let sql = series(&Connection::Sqlite(&mut connection));
    let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
    let plan = sqlx::query(explain).bind(1).fetch_all(&mut connection).await.unwrap();
    let steps: Vec<String> = plan.iter().map(|step| step.get("detail")).collect();
    assert_eq!(steps, ["SEARCH SERIES USING PRIMARY KEY (EXPERIMENT_ID=?)"]);
}

/// The latency for a user without the association must not reveal the number of measures.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_for_a_user_without_access_reads_no_measures() {
    let mut connection = mysql().await;
    let stranger = [
        "INSERT INTO USERS (ID, NAME, USERNAME, EMAIL, EMAIL_KEY, ROLE) \
         VALUES ('S002', 'Katie Bouman', 'stranger', 'kbouman@home.cern', 'kbouman@home.cern', 2)",
        "DELETE FROM API_TOKEN_EXPERIMENTS",
    ];
    for statement in stranger {
        sqlx::query(statement).execute(&mut connection).await.unwrap();
    }
    let stranger = Identity::Username(mymonit_model::Username::new("stranger").unwrap().into());
    let [_, _, token_of_others] = readers();
    for reader in [stranger, token_of_others] {
        for (query, after) in shapes() {
            let selects = if after.is_some() { 3 } else { 2 };
            let mut costs = [0; 2];
            // The server reads its statistics of a table when it is used first.
            for cost in &mut costs {
                let before = reads(&mut connection).await;
                let (mut own, mut page) = (Connection::MySql(&mut connection), Vec::new());
                let access = read_for(&mut own, &reader, &query, after, 500, &mut page).await.unwrap();
                *cost = reads(&mut connection).await - before;
                assert!(access.is_none() && page.is_empty(), "{query:?}");
            }
            assert!(costs[1] <= 8 * selects, "{query:?} {after:?}: {costs:?} reads");
        }
    }
}
