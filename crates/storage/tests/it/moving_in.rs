//! A database that the Python system made becomes one of this system, whole, whatever happens on the way; or it is
//! refused with all that is wrong, and stays as it was.

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join_all;
use mymonit_model::{MeasureTypeId, Role, Timestamp};
use mymonit_services::ports::Order;
use mymonit_storage::PrepareError;
use mymonit_test_support::{MySqlServer, ReservedPort, python_system};
use sqlx::{Connection, MySqlConnection};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::database::{POOL_SIZE, Probe, Stores, mysql_stores};
use crate::fixtures::all_of;

/// A database as the Python system left it.
struct PythonDatabase {
    server: &'static MySqlServer,
    url: String,
}

impl PythonDatabase {
    async fn new() -> Self {
        Self::with(
            MySqlServer::shared().await.unwrap(),
            &format!("{}{}", python_system::SCHEMA, python_system::PEOPLE),
        )
        .await
    }

    async fn with(server: &'static MySqlServer, statements: &str) -> Self {
        let this = Self { server, url: server.create_database().await.unwrap() };
        this.execute(statements).await;
        this
    }

    /// With so many measures.
    async fn with_measures(count: u32) -> Self {
        let this = Self::new().await;
        this.execute(&python_system::add_measures(count)).await;
        this
    }

    /// What a process has.
    fn process(&self) -> Stores {
        mysql_stores(&self.url, POOL_SIZE)
    }

    /// A process that reaches the server at that port, in the clear, so that what stands there can tell statements.
    fn process_through(&self, port: u16) -> Stores {
        let url = self.url.replace(&format!(":{}/", self.server.port()), &format!(":{port}/"));
        mysql_stores(&format!("{url}?ssl-mode=disabled"), POOL_SIZE)
    }

    async fn probe(&self) -> Probe {
        Probe::MySql(MySqlConnection::connect(&self.url).await.unwrap())
    }

    async fn execute(&self, sql: &str) {
        self.probe().await.execute(sql).await;
    }

    async fn number(&self, sql: &str) -> i64 {
        self.probe().await.number(sql).await
    }

    /// Every table with every row of it, as text, to see whether anything has changed.
    async fn content(&self) -> String {
        let mut dump = self.server.client().unwrap();
        let database = self.url.rsplit('/').next().unwrap();
        let tables =
            "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() ORDER BY 1";
        let run = |command: &mut std::process::Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let names = run(dump.args(["--batch", "--skip-column-names", database, "--execute", tables]));
        let mut content = names.clone();
        for name in names.lines() {
            let mut show = self.server.client().unwrap();
            let statements = format!("SHOW CREATE TABLE {name}; SELECT * FROM {name} ORDER BY 1, 2");
            content.push_str(&run(show.args([database, "--execute", &statements])));
        }
        content
    }

    /// Every measure is there once, as it was; and so is everything else.
    async fn assert_moved_in(&self, measures: i64) {
        const EQUAL: &str = "SELECT COUNT(*) FROM PYTHON_MEASURES P JOIN MEASURES M ON M.ID = P.ID \
            AND M.TIMESTAMP = TIMESTAMPDIFF(SECOND, '1970-01-01 00:00:00', P.TIMESTAMP) * 1000000000 \
            AND M.TYPE = P.TYPE AND M.EXPERIMENT_ID = P.EXPERIMENT_ID AND M.MEASURE_VALUE = P.MEASURE_VALUE \
            AND NOT M.IS_NEGATIVE_ZERO";
        let mut probe = self.probe().await;
        for (count, expected) in [
            ("SELECT COUNT(*) FROM MEASURES", measures),
            ("SELECT COUNT(*) FROM PYTHON_MEASURES", measures),
            (EQUAL, measures),
            ("SELECT COUNT(*) FROM USERS", 3),
            ("SELECT COUNT(*) FROM PYTHON_USERS", 3),
            ("SELECT COUNT(*) FROM EXPERIMENTS", 2),
            ("SELECT COUNT(*) FROM USER_EXPERIMENTS", 2),
            ("SELECT COUNT(*) FROM MEASURE_TYPES", 22),
            ("SELECT COUNT(*) FROM _sqlx_migrations WHERE NOT success", 0),
        ] {
            assert_eq!(probe.number(count).await, expected, "{count}");
        }
    }
}

fn refusal(result: Result<(), PrepareError>) -> String {
    match result {
        Err(PrepareError::Incompatible(message)) => message,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_of_the_python_system_is_there_afterwards_and_the_system_works_on_it() {
    let python = PythonDatabase::with_measures(3_000).await;
    let stores = python.process();
    stores.prepare().await.unwrap();
    python.assert_moved_in(3_000).await;
    stores.health.check().await.unwrap();

    let users = stores.users.list().await.unwrap();
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
    let associations = stores.associations.list().await.unwrap();
    let associations: Vec<_> =
        associations.iter().map(|(experiment, user)| (experiment.get(), user.user_id.as_str())).collect();
    assert_eq!(associations, [(1, "S001"), (2, "S002")]);
    let page = stores.measures.page(&all_of(1, Order::Ascending), None, 5_000).await.unwrap();
    assert_eq!(page.len(), 1_500);
    assert!(page.is_sorted_by_key(|measure| (measure.timestamp, measure.id)));
    // The symbols are this system's.
    let types = stores.measure_types.list().await.unwrap();
    assert_eq!((types[10].symbol.as_str(), types[15].symbol.as_str()), ("Ω", "°C"));

    // What comes next gets the next numbers.
    let name = mymonit_model::ExperimentName::new("next").unwrap();
    assert_eq!(stores.experiments.insert(&name).await.unwrap().experiment_id.get(), 3);
    let next = crate::fixtures::message("", vec![crate::fixtures::measure(1, 1, 1, 0.5)]);
    stores.ingest.commit(&[next]).await.unwrap();
    assert!(python.number("SELECT CAST(MAX(ID) AS SIGNED) FROM MEASURES").await > 3_000);

    // Once more changes nothing, nor does it when the originals are gone.
    python.process().prepare().await.unwrap();
    python.execute(
        "DROP TABLE PYTHON_MEASURES, PYTHON_MEASURE_TYPES, PYTHON_USER_EXPERIMENTS, PYTHON_EXPERIMENTS, PYTHON_USERS, \
         PYTHON_ROLES",
    )
    .await;
    python.process().prepare().await.unwrap();
    assert_eq!(python.number("SELECT COUNT(*) FROM MEASURES").await, 3_001);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn times_are_instants_whatever_the_time_zone_of_the_server() {
    // A session of the Python system had whatever zone its server had.
    for zone in ["+00:00", "+05:45", "-11:00"] {
        let server = Box::leak(Box::new(
            MySqlServer::start_with(&[&format!("--default-time-zone={zone}")]).await.unwrap(),
        ));
        let python =
            PythonDatabase::with(server, &format!("{}{}", python_system::SCHEMA, python_system::PEOPLE))
                .await;
        let statements = format!(
            "SET time_zone = '{zone}'; \
             INSERT INTO MEASURES (TYPE, TIMESTAMP, EXPERIMENT_ID, MEASURE_VALUE) VALUES \
             (1, FROM_UNIXTIME(1), 1, 1.5), (16, FROM_UNIXTIME(1650000000), 1, -0.1), \
             (22, FROM_UNIXTIME(2147483647), 1, 1.7976931348623157e308)"
        );
        python.execute(&statements).await;
        let stores = python.process();
        stores.prepare().await.unwrap();
        let page = stores.measures.page(&all_of(1, Order::Ascending), None, 10).await.unwrap();
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
async fn everything_that_cannot_be_kept_is_said_at_once_and_nothing_is_changed() {
    let python = PythonDatabase::with_measures(50).await;
    python
        .execute(
            "SET SESSION sql_mode = '', FOREIGN_KEY_CHECKS = 0; \
             INSERT INTO ROLES (NAME) VALUES ('AUDITOR'); \
             ALTER TABLE MEASURES MODIFY MEASURE_VALUE DOUBLE NULL; \
             INSERT INTO USERS VALUES ('S003', 'A', 'uid-3', 'PHigg@Home.CERN', 2), ('S004', '', 'uid-4', 'a@b.ch', 2), \
             ('S005', 'B', 'uid-3', 'no address', 2), ('me', 'C', 'uid-6', 'c@b.ch', 2), ('S007', 'D', 'uid-7', 'd@b.ch', 3), \
             ('S008', 'E', 'uid-8', 'e@b.ch', 9); \
             INSERT INTO EXPERIMENTS VALUES (7, ' black-holes'), (8, 'a\\nb'); \
             INSERT INTO USER_EXPERIMENTS VALUES ('A001', 1), ('S999', 1), ('S001', 99); \
             INSERT INTO MEASURES VALUES (101, 1, '0000-00-00 00:00:00', 1, 1), (102, 99, FROM_UNIXTIME(9), 1, 1), \
             (103, 1, FROM_UNIXTIME(9), 99, 1), (104, 1, FROM_UNIXTIME(9), 1, NULL), (-5, 1, FROM_UNIXTIME(9), 1, 1)",
        )
        .await;
    let before = python.content().await;
    let message = refusal(python.process().prepare().await);
    for expected in [
        "17 problems",
        "USERS \"S003\": EMAIL (without regard to case) is that of USERS \"S001\", too",
        "USERS \"S004\": `name` must not be blank",
        "USERS \"S005\": `email` must be a valid e-mail address",
        "USERS \"S005\": USERNAME is that of USERS \"S003\", too",
        "USERS \"me\": `user_id` must not be",
        "USERS \"S007\": ROLE is neither",
        "USERS \"S008\": ROLE is neither",
        "EXPERIMENTS 7: NAME is that of EXPERIMENTS 2, too",
        "EXPERIMENTS 8: `name` must not contain control characters",
        "USER_EXPERIMENTS (\"A001\", 1): the user is an administrator",
        "USER_EXPERIMENTS (\"S001\", 99): there is no such experiment",
        "USER_EXPERIMENTS (\"S999\", 1): there is no such user",
        "MEASURES 101: TIMESTAMP is no time",
        "MEASURES 102: TYPE is the id of no measure type",
        "MEASURES 103: EXPERIMENT_ID is the id of no experiment",
        "MEASURES 104: MEASURE_VALUE is NULL",
        "MEASURES -5: the id must be positive",
    ] {
        assert!(message.contains(expected), "{expected}: {message}");
    }
    for secret in ["phigg", "PHigg", "uid-3", "no address"] {
        assert!(!message.contains(secret), "{message}");
    }
    assert_eq!(python.content().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_measures_of_one_trouble_are_named_by_some_ids_and_their_number() {
    let python = PythonDatabase::with_measures(150).await;
    python.execute("SET FOREIGN_KEY_CHECKS = 0; UPDATE MEASURES SET TYPE = 77, TIMESTAMP = TIMESTAMP").await;
    let message = refusal(python.process().prepare().await);
    assert!(message.contains("MEASURES 100: TYPE") && !message.contains("MEASURES 101: TYPE"), "{message}");
    assert!(message.contains("MEASURES, 50 more: TYPE is the id of no measure type"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tables_of_another_shape_are_refused_with_what_differs_and_left_alone() {
    let python = PythonDatabase::new().await;
    python
        .execute(
            "ALTER TABLE USERS ADD PHONE VARCHAR(30); ALTER TABLE MEASURES MODIFY MEASURE_VALUE FLOAT NOT NULL; \
             ALTER TABLE ROLES ADD CONSTRAINT CK_USERS_ERASED CHECK (NAME <> '')",
        )
        .await;
    let before = python.content().await;
    let message = refusal(python.process().prepare().await);
    for expected in ["the column PHONE", "MEASURE_VALUE is of type float", "the constraint CK_USERS_ERASED"] {
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(python.content().await, before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_differs_without_harm_is_kept() {
    let python = PythonDatabase::new().await;
    python
        .execute(
            "SET FOREIGN_KEY_CHECKS = 0; \
             UPDATE USER_EXPERIMENTS SET USER_ID = 's001' WHERE USER_ID = 'S001'; \
             UPDATE USERS SET NAME = ' Peter Higg ' WHERE ID = 'S001'; \
             INSERT INTO MEASURE_TYPES VALUES (30, 'bit', 'bit', 'information'), (31, 'hertz', 'Hz', 'frequency'); \
             UPDATE MEASURE_TYPES SET ID = 40 WHERE NAME = 'volt'; \
             INSERT INTO MEASURES VALUES (5, 30, FROM_UNIXTIME(1), 1, 5), (6, 31, FROM_UNIXTIME(1), 1, 6), \
             (9, 40, FROM_UNIXTIME(1), 1, 9)",
        )
        .await;
    let stores = python.process();
    stores.prepare().await.unwrap();
    let users = stores.users.list().await.unwrap();
    assert_eq!(users[1].name.reveal().as_str(), "Peter Higg");
    assert_eq!(stores.associations.list().await.unwrap()[0].1.user_id.as_str(), "S001");
    let types = stores.measure_types.list().await.unwrap();
    let page = stores.measures.page(&all_of(1, Order::Ascending), None, 10).await.unwrap();
    let named: Vec<_> = page
        .iter()
        .map(|measure| {
            let kind = types.iter().find(|kind| kind.id == measure.measure_type).unwrap();
            (measure.id.get(), kind.name.as_str(), measure.value.get())
        })
        .collect();
    assert_eq!(named, [(5, "bit", 5.0), (6, "hertz", 6.0), (9, "volt", 9.0)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_database_of_the_python_system_is_moved_in() {
    let python = PythonDatabase::with(MySqlServer::shared().await.unwrap(), python_system::SCHEMA).await;
    let stores = python.process();
    stores.prepare().await.unwrap();
    assert_eq!(stores.users.list().await.unwrap().len(), 0);
    assert_eq!(stores.measure_types.list().await.unwrap().len(), 22);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_writes_table_names_in_lower_case_is_no_trouble() {
    let server = Box::leak(Box::new(MySqlServer::start_with(&["--lower-case-table-names=1"]).await.unwrap()));
    let python =
        PythonDatabase::with(server, &format!("{}{}", python_system::SCHEMA, python_system::PEOPLE)).await;
    python.execute(&python_system::add_measures(200)).await;
    let stores = python.process();
    stores.prepare().await.unwrap();
    python.assert_moved_in(200).await;
    python.process().prepare().await.unwrap();
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_move_in_at_once_do_it_once_and_all_succeed() {
    let python = PythonDatabase::with_measures(30_000).await;
    let processes = (0..4).map(|_| {
        let process = python.process();
        tokio::spawn(async move { process.prepare().await })
    });
    for prepared in join_all(processes).await {
        prepared.unwrap().unwrap();
    }
    python.assert_moved_in(30_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_is_waited_for_and_the_work_goes_on_when_there_is_room() {
    const MEASURES: u32 = 200_000;
    let Some(server) = MySqlServer::start_on_small_disk(384).await.unwrap() else {
        // Past the test harness, which would keep it.
        let _ = writeln!(std::io::stderr(), "NOT RUN: this account may not mount a small disk");
        return;
    };
    let server = Box::leak(Box::new(server));
    let python =
        PythonDatabase::with(server, &format!("{}{}", python_system::SCHEMA, python_system::PEOPLE)).await;
    python.execute(&python_system::add_measures(MEASURES)).await;
    server.fill_disk().await.unwrap();
    let full = python.process().prepare().await;
    assert!(matches!(full, Err(PrepareError::Unavailable(_))), "{full:?}");
    server.free_disk().await.unwrap();
    python.process().prepare().await.unwrap();
    python.assert_moved_in(i64::from(MEASURES)).await;
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_tampered_with_is_found_and_the_originals_are_whole() {
    let python = PythonDatabase::with_measures(100).await;
    python.process().prepare().await.unwrap();
    // As after a kill before the end, with something else at work meanwhile.
    python.execute("DELETE FROM ONE_TIME_STEPS WHERE NAME = 'moving_in'; UPDATE MEASURES SET MEASURE_VALUE = 1 WHERE ID = 7").await;
    let message = refusal(python.process().prepare().await);
    assert!(message.contains("the measures with the ids from 1 to 100 differ"), "{message}");
    python.execute("UPDATE USERS SET NAME = 'x' WHERE ID = 'S001'").await;
    assert!(refusal(python.process().prepare().await).contains("USERS differs from PYTHON_USERS"));
    assert_eq!(python.number("SELECT COUNT(*) FROM PYTHON_MEASURES").await, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_tables_that_somebody_wrote_to_are_not_made_afresh() {
    let python = PythonDatabase::with_measures(10).await;
    python.process().prepare().await.unwrap();
    python.execute("DELETE FROM ONE_TIME_STEPS").await;
    let message = refusal(python.process().prepare().await);
    assert!(message.contains("USERS holds rows that something else has written"), "{message}");
    assert_eq!(python.number("SELECT COUNT(*) FROM MEASURES").await, 10);
}

/// Forwards to the server, and breaks off right after it has answered the `cut_after`th statement that a client had it
/// execute: to the server that is a client killed at that moment.
struct Guillotine {
    port: ReservedPort,
    has_fallen: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Guillotine {
    async fn new(server: u16, cut_after: usize) -> Self {
        let port = ReservedPort::reserve().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port.get())).await.unwrap();
        let has_fallen = Arc::new(AtomicBool::new(false));
        let fallen = has_fallen.clone();
        let task = tokio::spawn(async move {
            let mut executed = 0;
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await.unwrap();
                relay(client, server, &mut executed, cut_after, &fallen).await;
                if fallen.load(Ordering::Acquire) {
                    return;
                }
            }
        });
        Self { port, has_fallen, task }
    }
}

impl Drop for Guillotine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Forwards one connection to its end.
async fn relay(
    client: TcpStream,
    server: TcpStream,
    executed: &mut usize,
    cut_after: usize,
    has_fallen: &Arc<AtomicBool>,
) {
    const QUERY: u8 = 0x03;
    const EXECUTE: u8 = 0x17;
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let fallen = has_fallen.clone();
    let answers = tokio::spawn(async move {
        let mut bytes = vec![0; 64 * 1024];
        loop {
            match from_server.read(&mut bytes).await {
                Ok(length) if length > 0 => {
                    // Nothing is read before the server has done it.
                    if fallen.load(Ordering::Acquire) || to_client.write_all(&bytes[..length]).await.is_err()
                    {
                        return;
                    }
                }
                _ => return,
            }
        }
    });
    loop {
        let mut header = [0; 4];
        if from_client.read_exact(&mut header).await.is_err() {
            return;
        }
        let mut body = vec![0; u32::from_le_bytes([header[0], header[1], header[2], 0]) as usize];
        if from_client.read_exact(&mut body).await.is_err() {
            return;
        }
        if header[3] == 0 && matches!(body.first(), Some(&(QUERY | EXECUTE))) {
            *executed += 1;
            has_fallen.store(*executed == cut_after, Ordering::Release);
        }
        if to_server.write_all(&[&header[..], &body[..]].concat()).await.is_err() {
            return;
        }
        if has_fallen.load(Ordering::Acquire) {
            answers.await.unwrap();
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_killed_after_any_of_its_statements_is_followed_by_one_that_ends_the_work() {
    const AT_ONCE: usize = 6;
    let server = MySqlServer::shared().await.unwrap();
    let mut cuts = 0;
    for first in (1..).step_by(AT_ONCE) {
        let trials = (first..first + AT_ONCE).map(|cut_after| {
            tokio::spawn(async move {
                let python = PythonDatabase::with_measures(40).await;
                let guillotine = Guillotine::new(server.port(), cut_after).await;
                let killed = python.process_through(guillotine.port.get()).prepare().await;
                let has_fallen = guillotine.has_fallen.load(Ordering::Acquire);
                assert_eq!(killed.is_err(), has_fallen, "{cut_after}: {killed:?}");
                python.process().prepare().await.unwrap_or_else(|error| panic!("{cut_after}: {error}"));
                python.assert_moved_in(40).await;
                has_fallen
            })
        });
        let fallen = join_all(trials).await.into_iter().filter(|fallen| *fallen.as_ref().unwrap()).count();
        cuts += fallen;
        if fallen < AT_ONCE {
            break;
        }
    }
    // The statements of the whole way; fewer would mean that the cut came too early each time.
    assert!(cuts > 60, "{cuts}");
}
