//! `import-legacy` copies a complete database of the Python system, or refuses it with all errors.

use mymonit_model::{Faceted, MeasureTypeId, Role, Timestamp};
use mymonit_services::ports::Order;
use mymonit_storage::{LegacyImport, LegacyImportError, LegacyImported, MySqlTls, PrepareError};
use mymonit_test_support::{MySqlServer, python_system};
use sqlx::{Connection, MySqlConnection};

use crate::database::{Database, POOL_SIZE, Probe, Stores, mysql_stores, on_every_engine};
use crate::fixtures::{add_user, all_of, measure, message, named};

/// A database as the Python system left it.
struct PythonDatabase {
    server: &'static MySqlServer,
    url: String,
}

impl PythonDatabase {
    async fn new() -> Self {
        Self::on(MySqlServer::shared().await.unwrap()).await
    }

    async fn on(server: &'static MySqlServer) -> Self {
        Self::with(server, &format!("{}{}", python_system::SCHEMA, python_system::PEOPLE)).await
    }

    async fn with(server: &'static MySqlServer, statements: &str) -> Self {
        let this = Self { server, url: server.create_database().await.unwrap() };
        this.execute(statements).await;
        this
    }

    async fn with_measures(count: u32) -> Self {
        let this = Self::new().await;
        this.execute(&python_system::add_measures(count)).await;
        this
    }

    async fn execute(&self, sql: &str) {
        Probe::MySql(MySqlConnection::connect(&self.url).await.unwrap()).execute(sql).await;
    }

    /// Every table with every row of it, as text, to see whether anything has changed.
    async fn content(&self) -> String {
        let database = self.url.rsplit('/').next().unwrap();
        let tables = format!(
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}' ORDER BY 1"
        );
        let names = self.server.execute(&tables).await.unwrap();
        let statements = names
            .lines()
            .map(|name| format!("SHOW CREATE TABLE {name}; SELECT * FROM {name} ORDER BY 1, 2;"))
            .collect::<String>();
        self.server.execute(&format!("USE {database}; {statements}")).await.unwrap()
    }

    async fn copy_to(&self, target: &Stores) -> Result<LegacyImported, LegacyImportError> {
        import(target).run(&Faceted::new(self.url.clone())).await
    }

    /// Runs a copy that must be refused before anything is written to either database.
    async fn refusal(&self, target: &Database) -> String {
        let before = self.content().await;
        let refused = self.copy_to(target).await;
        let Err(LegacyImportError::Refused(message)) = refused else { panic!("not refused: {refused:?}") };
        assert_eq!(self.content().await, before);
        assert_eq!(target.number("SELECT COUNT(*) FROM ONE_TIME_STEPS WHERE NAME LIKE 'import%'").await, 0);
        message
    }
}

pub(crate) fn import(target: &Stores) -> LegacyImport {
    LegacyImport {
        tls: MySqlTls::default(),
        database: target.database.clone(),
        directory: target.directory.clone(),
        ingest: target.ingest.clone(),
        measures: target.measures.clone(),
    }
}

on_every_engine! {
    async fn everything_is_copied_and_the_system_works_on_it(database: Database) {
        let python = PythonDatabase::with_measures(25_000).await;
        let before = python.content().await;
        let copied = python.copy_to(&database).await.unwrap();
        let expected = LegacyImported { users: 3, experiments: 2, associations: 2, measures: 25_000 };
        assert_eq!(copied, expected);
        assert_eq!(python.content().await, before);

        let users = database.users.list().await.unwrap();
        let shown: Vec<_> = users
            .iter()
            .map(|user| {
                (user.user_id.as_str(), user.name.reveal().as_str(), user.email.reveal().as_str(), user.role)
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("A001", "Allan Alcorn", "aalcorn@home.cern", Role::Admin),
                ("S001", "Peter Higg", "phigg@home.cern", Role::Scientist),
                ("S002", "Zoë Bouman", "kbouman@home.cern", Role::Scientist),
            ]
        );
        let associations = database.associations.list().await.unwrap();
        let associations: Vec<_> =
            associations.iter().map(|(experiment, user)| (experiment.get(), user.user_id.as_str())).collect();
        assert_eq!(associations, [(1, "S001"), (2, "S002")]);
        // The symbols are this system's.
        let types = database.measure_types.list().await.unwrap();
        assert_eq!((types.len(), types[10].symbol.as_str(), types[15].symbol.as_str()), (38, "Ω", "°C"));

        // Each measure of the first experiment, in the order of time and then of arrival.
        let originals = format!(
            "USE {}; SELECT TYPE, UNIX_TIMESTAMP(TIMESTAMP), MEASURE_VALUE FROM MEASURES \
             WHERE EXPERIMENT_ID = 1 ORDER BY TIMESTAMP, ID",
            python.url.rsplit('/').next().unwrap()
        );
        let originals = python.server.execute(&originals).await.unwrap();
        let page = database.measures.page(&all_of(1, Order::Ascending), None, 20_000).await.unwrap();
        let copies = page.iter().map(|measure| {
            (measure.measure_type.get(), measure.timestamp.unix_nanos() / 1_000_000_000, measure.value.get())
        });
        let originals = originals.lines().map(|line| {
            let mut columns = line.split('\t');
            let mut next = || columns.next().unwrap();
            (next().parse().unwrap(), next().parse().unwrap(), next().parse().unwrap())
        });
        assert_eq!(page.len(), 12_500);
        assert!(copies.eq(originals));

        // New rows get the next numbers.
        let next = database.experiments.insert(&named("next")).await.unwrap();
        assert_eq!(next.experiment_id.get(), 3);
        database.ingest.commit(vec![message("", vec![measure(1, 1, 1, 0.5)])]).await.unwrap();
        database.other_process().prepare().await.unwrap();
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 25_001);
    }

    async fn a_target_that_is_not_empty_is_refused(database: Database) {
        add_user(&database, "S001", Role::Scientist).await;
        database.ingest.commit(vec![message("", vec![measure(1, 1, 1, 0.5)])]).await.unwrap();
        let message = PythonDatabase::with_measures(10).await.refusal(&database).await;
        assert!(message.contains("the target database is not empty: USERS, MEASURES hold rows"), "{message}");
        assert_eq!(database.number("SELECT COUNT(*) FROM MEASURES").await, 1);
    }

    async fn rows_that_differ_without_harm_are_copied(database: Database) {
        let python = PythonDatabase::new().await;
        python
            .execute(
                "SET FOREIGN_KEY_CHECKS = 0; \
                 UPDATE USER_EXPERIMENTS SET USER_ID = 's001' WHERE USER_ID = 'S001'; \
                 UPDATE USERS SET NAME = ' Peter Higg ' WHERE ID = 'S001'; \
                 INSERT INTO ROLES (NAME) VALUES ('AUDITOR'); \
                 INSERT INTO MEASURE_TYPES VALUES (30, 'bit', 'bit', 'information'), (31, 'hertz', 'Hz', 'frequency'); \
                 UPDATE MEASURE_TYPES SET ID = 40 WHERE NAME = 'volt'; \
                 UPDATE MEASURE_TYPES SET NAME = 'baud' WHERE ID = 2; \
                 INSERT INTO MEASURES VALUES (5, 30, FROM_UNIXTIME(1), 1, 5), (-6, 31, FROM_UNIXTIME(1), 1, 6), \
                 (9, 40, FROM_UNIXTIME(1), 1, 9), (10, 2, FROM_UNIXTIME(1), 1, 10)",
            )
            .await;
        python.copy_to(&database).await.unwrap();
        assert_eq!(database.users.list().await.unwrap()[1].name.reveal().as_str(), "Peter Higg");
        assert_eq!(database.associations.list().await.unwrap()[0].1.user_id.as_str(), "S001");
        let types = database.measure_types.list().await.unwrap();
        let page = database.measures.page(&all_of(1, Order::Ascending), None, 10).await.unwrap();
        let named: Vec<_> = page
            .iter()
            .map(|measure| {
                let kind = types.iter().find(|kind| kind.id == measure.measure_type).unwrap();
                (kind.id.get(), kind.name.as_str(), measure.value.get())
            })
            .collect();
        assert_eq!(named, [(1, "hertz", 6.0), (30, "bit", 5.0), (40, "volt", 9.0), (2, "baud", 10.0)]);
        // A default type whose id is taken gets another one.
        assert_eq!(types.iter().find(|kind| kind.name.as_str() == "radian").unwrap().id.get(), 9);
    }

    async fn an_interrupted_copy_is_refused_by_every_start_until_the_target_is_empty(database: Database) {
        let python = PythonDatabase::with_measures(10).await;
        python.copy_to(&database).await.unwrap();
        database
            .execute("INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES ('import_legacy.unfinished', 1)")
            .await;
        let process = database.other_process();
        for refused in [process.prepare().await, process.attach().await] {
            let message = incompatible(refused);
            assert!(message.contains("incomplete copy") && message.contains("DROP DATABASE"), "{message}");
        }
    }

    async fn a_copy_that_differs_is_found(database: Database) {
        let python = PythonDatabase::with_measures(100).await;
        let mut probe = database.probe().await;
        let spoil = match &probe {
            Probe::MySql(_) => {
                "CREATE TRIGGER SPOIL BEFORE INSERT ON MEASURES FOR EACH ROW \
                 SET NEW.MEASURE_VALUE = IF(NEW.TYPE = 7, 1, NEW.MEASURE_VALUE)"
            }
            Probe::Sqlite(_) => {
                "CREATE TRIGGER SPOIL AFTER INSERT ON MEASURES WHEN NEW.TYPE = 7 \
                 BEGIN UPDATE MEASURES SET MEASURE_VALUE = 1.0 WHERE ID = NEW.ID; END"
            }
        };
        probe.execute(spoil).await;
        let spoiled = python.copy_to(&database).await;
        let Err(LegacyImportError::Incomplete(message)) = &spoiled else { panic!("{spoiled:?}") };
        assert_eq!(message, "experiment 1: of 50 measures the copy has 50, or they differ");
        assert!(incompatible(database.other_process().prepare().await).contains("incomplete copy"));
    }
}

fn incompatible(result: Result<(), PrepareError>) -> String {
    match result {
        Err(PrepareError::Incompatible(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_instants_whatever_the_time_zone_of_the_server() {
    // A session of the Python system had the time zone of its server.
    for zone in ["+00:00", "+05:45", "-11:00"] {
        let server = Box::leak(Box::new(
            MySqlServer::start_with(&[&format!("--default-time-zone={zone}")]).await.unwrap(),
        ));
        let python = PythonDatabase::on(server).await;
        let statements = format!(
            "SET time_zone = '{zone}'; \
             INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES \
             (1, FROM_UNIXTIME(1), 1, 1.5), (16, FROM_UNIXTIME(1650000000), 1, -0.1), \
             (22, FROM_UNIXTIME(2147483647), 1, 1.7976931348623157e308)"
        );
        python.execute(&statements).await;
        let database = Database::sqlite().await;
        python.copy_to(&database).await.unwrap();
        let page = database.measures.page(&all_of(1, Order::Ascending), None, 10).await.unwrap();
        let read: Vec<_> = page
            .iter()
            .map(|measure| (measure.measure_type, measure.timestamp, measure.value.get()))
            .collect();
        let expected = [(1, 1, 1.5), (16, 1_650_000_000, -0.1), (22, 2_147_483_647, f64::MAX)];
        let expected = expected.map(|(kind, seconds, value)| {
            (MeasureTypeId::new(kind), Timestamp::from_unix_nanos(seconds * 1_000_000_000).unwrap(), value)
        });
        assert_eq!(read, expected, "{zone}");
        server.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_row_that_cannot_be_copied_is_listed_and_nothing_is_written() {
    let python = PythonDatabase::with_measures(50).await;
    python
        .execute(
            "SET SESSION sql_mode = '', FOREIGN_KEY_CHECKS = 0; \
             INSERT INTO ROLES (NAME) VALUES ('AUDITOR'); \
             ALTER TABLE MEASURES MODIFY MEASURE_VALUE DOUBLE NULL; \
             INSERT INTO USERS VALUES ('S003', 'A', 'uid-3', 'PHigg@Home.CERN', 2), ('S004', '', 'uid-4', 'a@b.ch', 2), \
             ('S005', 'B', 'uid-3', 'no address', 2), ('me', 'C', 'uid-6', 'c@b.ch', 2), ('S007', 'D', 'uid-7', 'd@b.ch', 3), \
             ('S008', 'E', 'uid-8', 'e@b.ch', 9); \
             INSERT INTO EXPERIMENTS VALUES (7, ' black-holes'), (8, 'a\\nb'), (-9, 'minus'); \
             INSERT INTO USER_EXPERIMENTS VALUES ('A001', 1), ('S999', 1), ('S001', 99); \
             INSERT INTO MEASURE_TYPES VALUES (-1, 'bit', 'bit', 'information'); \
             INSERT INTO MEASURES VALUES (101, 1, '0000-00-00 00:00:00', 1, 1), (102, 99, FROM_UNIXTIME(9), 1, 1), \
             (103, 1, FROM_UNIXTIME(9), 99, 1), (104, 1, FROM_UNIXTIME(9), 1, NULL)",
        )
        .await;
    let message = python.refusal(&Database::mysql().await).await;
    for expected in [
        "problems: 18,",
        "USERS \"S003\": EMAIL (without regard to case) is that of USERS \"S001\", too",
        "USERS \"S004\": `name` must not be blank",
        "USERS \"S005\": `email` must be a valid e-mail address",
        "USERS \"S005\": USERNAME is that of USERS \"S003\", too",
        "USERS \"me\": `user_id` must not be",
        "USERS \"S007\": ROLE is neither",
        "USERS \"S008\": ROLE is neither",
        "EXPERIMENTS 7: NAME is that of EXPERIMENTS 2, too",
        "EXPERIMENTS 8: `name` must not contain control characters",
        "EXPERIMENTS -9: ",
        "USER_EXPERIMENTS (\"A001\", 1): the user is an administrator",
        "USER_EXPERIMENTS (\"S001\", 99): EXPERIMENT_ID is the id of no experiment",
        "USER_EXPERIMENTS (\"S999\", 1): USER_ID is the id of no user",
        "MEASURE_TYPES -1: the id must be from 1 to 65535",
        "MEASURES 101: TIMESTAMP is not between",
        "MEASURES 102: TYPE is the id of no measure type",
        "MEASURES 103: EXPERIMENT_ID is the id of no experiment",
        "MEASURES 104: MEASURE_VALUE is NULL",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    for secret in ["phigg", "PHigg", "uid-3", "no address"] {
        assert!(!message.contains(secret), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_measures_of_one_problem_are_named_by_some_ids_and_counted() {
    let python = PythonDatabase::with_measures(150).await;
    python.execute("SET FOREIGN_KEY_CHECKS = 0; UPDATE MEASURES SET TYPE = 77, TIMESTAMP = TIMESTAMP").await;
    let message = python.refusal(&Database::sqlite().await).await;
    assert!(message.contains("MEASURES 100: TYPE") && !message.contains("MEASURES 101: TYPE"), "{message}");
    assert!(message.contains("MEASURES, 50 more: TYPE is the id of no measure type"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_time_that_does_not_fit_is_refused() {
    let python = PythonDatabase::new().await;
    python
        .execute(
            "ALTER TABLE MEASURES MODIFY TIMESTAMP DATETIME NULL; INSERT INTO MEASURES VALUES \
             (1, 1, '2022-04-06 07:00:00', 1, 1), (2, 1, '2500-01-01 00:00:00', 1, 1), (3, 1, NULL, 1, 1), \
             (4, 1, '1960-01-01 00:00:00', 1, 1)",
        )
        .await;
    let message = python.refusal(&Database::sqlite().await).await;
    assert!(!message.contains("MEASURES 1:"), "{message}");
    for id in 2..=4 {
        assert!(message.contains(&format!("MEASURES {id}: TIMESTAMP is not between")), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_shape_are_refused_with_what_differs() {
    let python = PythonDatabase::new().await;
    python
        .execute("ALTER TABLE USERS ADD PHONE VARCHAR(30); ALTER TABLE MEASURES MODIFY MEASURE_VALUE FLOAT NOT NULL")
        .await;
    let target = Database::sqlite().await;
    let message = python.refusal(&target).await;
    for expected in ["the column PHONE", "MEASURE_VALUE is of type float"] {
        assert!(message.contains(expected), "{message}");
    }
    python.execute("DROP TABLE MEASURES").await;
    let message = python.refusal(&target).await;
    assert!(message.contains("MEASURES: the table is missing"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_people_and_a_server_with_lower_case_names_are_copied() {
    let server = Box::leak(Box::new(MySqlServer::start_with(&["--lower-case-table-names=1"]).await.unwrap()));
    let python = PythonDatabase::with(server, python_system::SCHEMA).await;
    let database = Database::sqlite().await;
    let copied = python.copy_to(&database).await.unwrap();
    assert_eq!(copied, LegacyImported { users: 0, experiments: 0, associations: 0, measures: 0 });
    assert_eq!(database.measure_types.list().await.unwrap().len(), 38);
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_address_is_refused_without_being_repeated() {
    let database = Database::sqlite().await;
    for url in
        ["canary", "postgres://u:canary@h/d", "mysql://u:canary@127.0.0.1", "mysql://u:canary@127.0.0.1:1/d"]
    {
        let refused = import(&database).run(&Faceted::new(url.to_owned())).await.unwrap_err();
        assert!(matches!(refused, LegacyImportError::Refused(_)) && !refused.to_string().contains("canary"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_on_the_python_systems_own_database_names_the_command_and_changes_nothing() {
    let python = PythonDatabase::with_measures(10).await;
    let before = python.content().await;
    let message = incompatible(mysql_stores(&python.url, POOL_SIZE).prepare().await);
    assert!(message.contains("mymonit import-legacy --from"), "{message}");
    assert_eq!(python.content().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_an_earlier_release_converted_in_part_is_refused() {
    let database = Database::mysql().await;
    database.execute("CREATE TABLE PYTHON_MEASURES (ID BIGINT)").await;
    assert!(incompatible(database.other_process().prepare().await).contains("PYTHON_"));
    database.execute("INSERT INTO ONE_TIME_STEPS (NAME, DONE_AT) VALUES ('moving_in', 1)").await;
    database.other_process().prepare().await.unwrap();
}
