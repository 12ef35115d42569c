//! Bringing the schema up to date.

use futures::future::join_all;
use mymonit_model::{ExperimentId, FlagId, Role, Timestamp};
use mymonit_services::example_data::example_data;
use mymonit_services::ports::{Erasure, ExperimentFilter, Order, StorageError};
use mymonit_storage::PrepareError;
use mymonit_test_support::MySqlServer;

use crate::database::{Database, POOL_SIZE, Probe, mysql_stores, on_every_engine};
use crate::fixtures::{
    add_user, all_of, by_name, experiment_name, message, named, profile, renaming, user, user_id, username,
};

fn is_unavailable<T>(result: Result<T, StorageError>) -> bool {
    matches!(result, Err(StorageError::Unavailable(_)))
}

pub(crate) fn incompatible(result: Result<(), PrepareError>) -> String {
    match result {
        Err(PrepareError::Incompatible(message)) => message,
        other => panic!("not incompatible: {other:?}"),
    }
}

on_every_engine! {
    unprepared:

    async fn before_the_first_preparation_every_store_is_unavailable(database: Database) {
        let (user, id, name) = (user("S001", Role::Scientist), user_id("S001"), experiment_name("x"));
        let experiment = ExperimentId::new(1);
        let query = all_of(1, Order::Descending);
        for refused in [
            is_unavailable(database.users.list().await),
            is_unavailable(database.users.page(None, 1).await),
            is_unavailable(database.users.find(&id).await),
            is_unavailable(database.users.find_by_username(&username("x")).await),
            is_unavailable(database.users.access(&by_name("x"), experiment).await),
            is_unavailable(database.api_tokens.list(&id).await),
            is_unavailable(database.users.insert(&user).await),
            is_unavailable(database.users.update(&id, &profile("x", "x", "x@home.cern")).await),
            is_unavailable(database.users.erase(&id).await),
            is_unavailable(database.experiments.page(&ExperimentFilter::default(), None, 1).await),
            is_unavailable(database.experiments.names().await),
            is_unavailable(database.experiments.find(experiment).await),
            is_unavailable(database.experiments.find_of(&id, experiment).await),
            is_unavailable(database.experiments.ids_by_name(std::slice::from_ref(&name)).await),
            is_unavailable(database.experiments.insert(&named("x")).await),
            is_unavailable(database.experiments.update(experiment, &renaming("x")).await),
            is_unavailable(database.associations.list().await),
            is_unavailable(database.associations.scientists_of(experiment).await),
            is_unavailable(database.associations.replace(experiment, &[]).await),
            is_unavailable(database.associations.insert(experiment, &id).await),
            is_unavailable(database.associations.delete(experiment, &id).await),
            is_unavailable(database.measure_types.list().await),
            is_unavailable(database.measures.page(&query, None, 1).await),
            is_unavailable(database.flags.list(experiment).await),
            is_unavailable(database.flags.ranges(experiment).await),
            is_unavailable(database.flags.delete(experiment, FlagId::new(1)).await),
            is_unavailable(database.ingest.commit(vec![message("", Vec::new())]).await),
            is_unavailable(database.ingest.forget_message_ids(Timestamp::now(), 1).await),
            is_unavailable(database.example_data.install(&example_data().unwrap()).await),
            is_unavailable(database.directory.read().await),
            is_unavailable(database.health.check().await),
        ] {
            assert!(refused);
        }
        database.prepare().await.unwrap();
        database.health.check().await.unwrap();
        add_user(&database, "S001", Role::Scientist).await;
    }

    async fn a_database_is_used_as_it_is_only_if_its_schema_is_up_to_date(database: Database) {
        assert!(incompatible(database.attach().await).contains("mymonit migrate"));
        database.prepare().await.unwrap();
        let process = database.other_process();
        process.attach().await.unwrap();
        add_user(&process, "S001", Role::Scientist).await;
        database.execute("DELETE FROM _sqlx_migrations WHERE version > 3").await;
        assert!(incompatible(database.other_process().attach().await).contains("mymonit migrate"));
    }

    async fn preparing_again_changes_nothing(database: Database) {
        database.prepare().await.unwrap();
        add_user(&database, "S001", Role::Scientist).await;
        database.prepare().await.unwrap();
        database.other_process().prepare().await.unwrap();
        assert_eq!(database.users.list().await.unwrap().len(), 1);
    }

    async fn processes_that_prepare_an_empty_database_at_once_do_it_once_and_all_succeed(database: Database) {
        let processes: Vec<_> = (0..6).map(|_| database.other_process()).collect();
        let prepared = processes.iter().cloned().map(|process| {
            tokio::spawn(async move {
                process.prepare().await.unwrap();
                process.health.check().await.unwrap();
                process.measure_types.list().await.unwrap().len()
            })
        });
        for types in join_all(prepared).await {
            assert_eq!(types.unwrap(), 38);
        }
        let applied = database.number("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").await;
        assert_eq!(applied, i64::try_from(statements_of("mysql").len()).unwrap());
        assert_eq!(database.number("SELECT COUNT(*) FROM ROLES").await, 2);
    }

    async fn a_schema_newer_than_the_program_is_refused(database: Database) {
        database.prepare().await.unwrap();
        database
            .execute("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                VALUES (9999, 'from the future', TRUE, '', 0)")
            .await;
        let message = incompatible(database.other_process().prepare().await);
        assert!(message.contains("9999"), "{message}");
        // A running older process continues: the newer schema is compatible.
        database.health.check().await.unwrap();
    }

    async fn a_migration_that_was_edited_after_it_was_applied_is_refused(database: Database) {
        database.prepare().await.unwrap();
        database.execute("UPDATE _sqlx_migrations SET checksum = 'x' WHERE version = 3").await;
        let message = incompatible(database.other_process().prepare().await);
        assert!(message.contains('3'), "{message}");
    }

    async fn a_database_of_another_system_is_refused_and_left_alone(database: Database) {
        if let Probe::Sqlite(_) = {
            // The file must exist before another process can create a table in it.
            database.prepare().await.unwrap();
            database.probe().await
        } {
            for table in ["FLAGS", "PUBLISHER_EXPERIMENTS", "PUBLISHERS", "API_TOKEN_EXPERIMENTS", "API_TOKENS", "SENSORS", "SERIES", "MEASURE_IDS", "REJECTED_MESSAGE_BODIES", "REJECTED_MESSAGES", "MESSAGE_IDS", "USER_EXPERIMENTS", "USERS",
                "ROLES", "EXPERIMENTS", "MEASURES", "MEASURE_TYPES", "ONE_TIME_STEPS", "_sqlx_migrations"] {
                database.execute(&format!("DROP TABLE {table}")).await;
            }
        } else {
            database
                .execute("DROP TABLE FLAGS, PUBLISHER_EXPERIMENTS, PUBLISHERS, API_TOKEN_EXPERIMENTS, API_TOKENS, SENSORS, SERIES, MEASURE_IDS, REJECTED_MESSAGE_BODIES, REJECTED_MESSAGES, MESSAGE_IDS, USER_EXPERIMENTS, USERS, \
                    ROLES, EXPERIMENTS, MEASURES, MEASURE_TYPES, ONE_TIME_STEPS, _sqlx_migrations")
                .await;
        }
        database.execute("CREATE TABLE MEASURES (N BIGINT); INSERT INTO MEASURES VALUES (42)").await;
        let message = incompatible(database.other_process().prepare().await);
        assert!(message.contains("MEASURES"), "{message}");
        assert_eq!(database.number("SELECT N FROM MEASURES").await, 42);
    }

    async fn a_database_that_was_set_back_is_unhealthy(database: Database) {
        database.prepare().await.unwrap();
        database.execute("DELETE FROM _sqlx_migrations WHERE version > 3").await;
        assert!(is_unavailable(database.health.check().await));
        database.execute("DROP TABLE _sqlx_migrations").await;
        assert!(is_unavailable(database.health.check().await));
    }

    async fn a_closed_handle_is_unavailable(database: Database) {
        database.prepare().await.unwrap();
        database.close().await;
        assert!(is_unavailable(database.users.list().await));
        assert!(is_unavailable(database.users.insert(&user("S001", Role::Scientist)).await));
    }
}

#[tokio::test]
async fn a_missing_mysql_database_is_created() {
    let server = MySqlServer::shared().await.unwrap();
    let url = server.create_database().await.unwrap();
    // A name that has to be quoted.
    let url = format!("{url}%60-new");
    let stores = mysql_stores(&url, POOL_SIZE);
    stores.prepare().await.unwrap();
    add_user(&stores, "S001", Role::Scientist).await;
}

/// As the service in production: another account has changed the schema.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_may_not_change_the_schema_uses_one_that_is_up_to_date() {
    let database = Database::empty_mysql().await;
    let (server, name) = (MySqlServer::shared().await.unwrap(), database.name());
    let account = format!(
        "CREATE USER {name}@'%' IDENTIFIED BY 'secret'; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON {name}.* TO {name}@'%'"
    );
    server.execute(&account).await.unwrap();
    let url = format!("mysql://{name}:secret@127.0.0.1:{}/{name}", server.port());
    let refused = async || match mysql_stores(&url, POOL_SIZE).prepare().await {
        Err(PrepareError::Unavailable(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(refused().await.contains("run `mymonit migrate` with one that may"), "an empty database");
    database.prepare().await.unwrap();

    let service = mysql_stores(&url, POOL_SIZE);
    service.prepare().await.unwrap();
    add_user(&service, "S001", Role::Scientist).await;
    service.example_data.install(&example_data().unwrap()).await.unwrap();
    service.ingest.commit(vec![message("id", Vec::new())]).await.unwrap();
    assert_eq!(service.users.erase(&user_id("S001")).await.unwrap(), Erasure::Erased);
    let query = all_of(1, Order::Ascending);
    assert_eq!(service.measures.page(&query, None, 20).await.unwrap().len(), 10);

    let last = "(SELECT V FROM (SELECT MAX(version) AS V FROM _sqlx_migrations) AS L)";
    database.execute(&format!("DELETE FROM _sqlx_migrations WHERE version = {last}")).await;
    assert!(refused().await.contains("denied to user"), "a schema of before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_waits_while_another_changes_the_schema() {
    let database = Database::empty_mysql().await;
    let mut other = database.probe().await;
    other.number("SELECT GET_LOCK(CONCAT('mymonit.', LEFT(SHA2(DATABASE(), 256), 32)), 0)").await;
    let stores = database.other_process();
    let preparing = tokio::spawn(async move { stores.prepare().await });
    let mut watcher = database.probe().await;
    mymonit_test_support::wait_until("a waiting process", std::time::Duration::from_secs(60), async || {
        let waiting = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
            WHERE DB = DATABASE() AND STATE = 'User lock'";
        match watcher.number(waiting).await {
            1 => Ok(()),
            other => Err(other),
        }
    })
    .await
    .unwrap();
    assert_eq!(
        watcher
            .number("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
            .await,
        0
    );
    other.execute("DO RELEASE_ALL_LOCKS()").await;
    preparing.await.unwrap().unwrap();
}

/// The version and the statements of each migration for an engine.
pub(crate) fn statements_of(engine: &str) -> Vec<(i64, Vec<String>)> {
    let folder = format!("{}/../../migrations/{engine}", env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let statements = |path: &std::path::PathBuf| {
        let version = path.file_name().unwrap().to_str().unwrap()[..4].parse().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with("--")).collect();
        let statements: Vec<_> = lines.join("\n").split(";").map(|text| text.trim().to_owned()).collect();
        (version, statements.into_iter().filter(|statement| !statement.is_empty()).collect())
    };
    files.iter().map(statements).collect()
}

/// The definition of each table and the rows of the migrations, as the server reports them.
async fn schema(database: &str) -> String {
    let server = MySqlServer::shared().await.unwrap();
    let tables = format!(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' ORDER BY TABLE_NAME"
    );
    let tables = server.execute(&tables).await.unwrap();
    let tables = tables.lines().map(|table| format!("SHOW CREATE TABLE {table};")).collect::<String>();
    let rows = "SELECT * FROM ROLES ORDER BY ID; SELECT * FROM MEASURE_TYPES ORDER BY ID; \
        SELECT * FROM MEASURE_IDS; \
        SELECT version, success, HEX(checksum) FROM _sqlx_migrations ORDER BY version";
    server.execute(&format!("USE {database}; {tables} {rows}")).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migration_that_was_left_after_any_of_its_statements_is_brought_to_its_end() {
    let server = MySqlServer::shared().await.unwrap();
    let whole = Database::empty_mysql().await;
    whole.prepare().await.unwrap();
    let (whole, expected) = (whole.name(), schema(&whole.name()).await);
    let migrations = statements_of("mysql");
    for (before, (version, migration)) in migrations.iter().enumerate() {
        for done in 0..=migration.len() {
            let left = Database::empty_mysql().await;
            let name = left.name();
            let there =
                migrations[..before].iter().flat_map(|(_, statements)| statements).chain(&migration[..done]);
            let there: String = there.map(|statement| format!("{statement};\n")).collect();
            let noted = format!(
                "CREATE TABLE _sqlx_migrations LIKE {whole}._sqlx_migrations; \
                 INSERT INTO _sqlx_migrations SELECT * FROM {whole}._sqlx_migrations WHERE version <= {version}; \
                 UPDATE _sqlx_migrations SET success = FALSE WHERE version = {version}"
            );
            server.execute(&format!("USE {name}; {there} {noted}")).await.unwrap();
            assert!(incompatible(left.attach().await).contains("mymonit migrate"));
            left.prepare().await.unwrap();
            assert_eq!(schema(&name).await, expected, "{done} statements of migration {version}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_made_migration_of_a_newer_version_is_refused_and_so_is_one_of_another_text() {
    let database = Database::empty_mysql().await;
    database.prepare().await.unwrap();
    database.execute("UPDATE _sqlx_migrations SET success = FALSE, checksum = 'x' WHERE version = 6").await;
    assert!(incompatible(database.other_process().prepare().await).contains("another text"));
    database.execute("UPDATE _sqlx_migrations SET version = 9999 WHERE version = 6").await;
    let message = incompatible(database.other_process().prepare().await);
    assert!(message.contains("9999") && message.contains("newer program"), "{message}");
}
