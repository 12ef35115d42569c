//! The service is pointed at a database of the Python system, with a million measures, and is killed on the way again and
//! again.

use mymonit_test_support::{Exit, MySqlServer, RabbitMq, python_system, wait_until};

use crate::house::{ADMIN, House, LONG, SCIENTIST, Service, message};

const MEASURES: u32 = 1_000_000;
/// How many measures have been copied when the processes are killed.
const KILLED_AT: [u32; 5] = [0, 1, 200_000, 500_000, 900_000];

/// Every measure is there once, as it was.
const EQUAL: &str = "SELECT COUNT(*) FROM PYTHON_MEASURES P JOIN MEASURES M ON M.ID = P.ID \
    AND M.TIMESTAMP = UNIX_TIMESTAMP(P.TIMESTAMP) * 1000000000 AND M.TYPE = P.TYPE \
    AND M.EXPERIMENT_ID = P.EXPERIMENT_ID AND M.MEASURE_VALUE = P.MEASURE_VALUE";

async fn python_house(measures: u32) -> (House, String) {
    let server = MySqlServer::shared().await.unwrap();
    let url = server.create_database().await.unwrap();
    let database = url.rsplit('/').next().unwrap().to_owned();
    let (schema, people) = (python_system::SCHEMA, python_system::PEOPLE);
    let measures = python_system::add_measures(measures);
    server.execute(&format!("USE {database}; {schema}{people}{measures}")).await.unwrap();
    let broker = RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    (House::with_mysql(url, broker).await.unwrap(), database)
}

/// Two processes that migrate at once.
async fn two_migrations(house: &House) -> [Service; 2] {
    let (one, other) =
        tokio::join!(house.command("migrate").unwrap().start(), house.command("migrate").unwrap().start());
    [one.unwrap(), other.unwrap()]
}

/// Waits until so many measures have been copied. Before the originals are set aside there is no such number.
async fn wait_until_copied(database: &str, count: u32) {
    let server = MySqlServer::shared().await.unwrap();
    let copied =
        format!("SELECT (SELECT COUNT(*) FROM {database}.MEASURES) FROM {database}.PYTHON_ROLES LIMIT 1");
    wait_until("measures are copied", LONG, async || {
        let copied = server.execute(&copied).await.map_err(|error| format!("{error:#}"))?;
        if copied.trim().parse().unwrap_or(0) >= count { Ok(()) } else { Err(copied) }
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_million_measures_are_moved_in_whole_by_processes_that_are_killed_again_and_again() {
    let mut killed_at = [false; KILLED_AT.len()];
    // Once, unless this test stood still for so long that all had been moved in before a kill.
    for _ in 0..10 {
        for (all, now) in killed_at.iter_mut().zip(move_in_with_kills().await) {
            *all |= now;
        }
        if killed_at == [true; KILLED_AT.len()] {
            return;
        }
    }
    panic!("the processes were not killed at each of {KILLED_AT:?}: {killed_at:?}");
}

/// Has a million measures moved in, and tells for each number whether that was on the way when the processes were killed.
async fn move_in_with_kills() -> [bool; KILLED_AT.len()] {
    let (house, database) = python_house(MEASURES).await;
    let mut killed_at = [false; KILLED_AT.len()];
    for (is_killed, count) in killed_at.iter_mut().zip(KILLED_AT) {
        let processes = two_migrations(&house).await;
        wait_until_copied(&database, count).await;
        let mut exits = Vec::new();
        for process in &processes {
            exits.push(kill(process).await);
        }
        // One that came to its own end has moved everything in.
        *is_killed = exits == [Exit::Signal(9); 2];
    }
    for process in two_migrations(&house).await {
        let exit = process.process.wait_for_exit(LONG).await.unwrap();
        assert!(exit.success(), "{exit}: {}", process.last_lines());
    }

    let mut session = house.session().await.unwrap();
    for (count, expected) in [("SELECT COUNT(*) FROM MEASURES", MEASURES), (EQUAL, MEASURES)] {
        assert_eq!(session.number(count).await.unwrap(), i64::from(expected), "{count}");
    }
    let service = house.ready_service().await.unwrap();
    let page = house.client(&service, SCIENTIST).measures("/measures/1?limit=1000").await.unwrap();
    assert_eq!(page.len(), 1_000);
    let users = house.client(&service, ADMIN).read("/users/").await.unwrap();
    assert_eq!(users[2]["name"], "Zoë Bouman");
    service.stop().await.unwrap();
    killed_at
}

/// Kills a migration, unless it is over, and tells how it has ended. By itself it must have ended well.
async fn kill(migration: &Service) -> Exit {
    // An error says that it is gone.
    let _ = migration.process.kill9().await;
    let exit = migration.process.wait_for_exit(LONG).await.unwrap();
    assert!(exit.success() || exit == Exit::Signal(9), "{exit}: {}", migration.last_lines());
    exit
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_service_moves_in_by_itself_and_then_drains_what_has_waited_in_the_queue() {
    let (house, _) = python_house(50_000).await;
    let adapter = house.adapter().await.unwrap();
    adapter.declare().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 0.25, 1_700_000_000), Some("waiting")).await.unwrap();
    let service = house.ready_service().await.unwrap();
    let mut session = house.session().await.unwrap();
    session.wait_until_found("SELECT COUNT(*) FROM MEASURES WHERE MEASURE_VALUE = 0.25").await.unwrap();
    assert_eq!(session.number(EQUAL).await.unwrap(), 50_000);
    service.stop().await.unwrap();
    let said: Vec<_> = service.process.lines().iter().map(|line| line.text.clone()).collect();
    assert!(said.iter().any(|line| line.contains("DROP TABLE PYTHON_MEASURES")), "{said:?}");
    // As long as the originals are there, each start says so.
    let again = house.ready_service().await.unwrap();
    again.process.wait_for_line("they hold personal data", LONG).await.unwrap();
    again.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_kept_ends_the_start_and_the_migration_with_all_of_it() {
    let (house, database) = python_house(10).await;
    let server = MySqlServer::shared().await.unwrap();
    let spoil = "UPDATE USERS SET EMAIL = 'noreply@localhost'; UPDATE EXPERIMENTS SET NAME = '' WHERE ID = 2";
    server.execute(&format!("USE {database}; {spoil}")).await.unwrap();
    let finished = house.command("migrate").unwrap().run().await.unwrap();
    assert_eq!(finished.status, 1);
    for expected in
        ["USERS \"S001\": EMAIL", "USERS \"S002\": EMAIL", "EXPERIMENTS 2", "nothing has been changed"]
    {
        assert!(finished.stderr.contains(expected), "{}", finished.stderr);
    }
    assert!(!finished.stderr.contains("noreply"));
    let service = house.service().unwrap().start().await.unwrap();
    let exit = service.process.wait_for_exit(LONG).await.unwrap();
    assert!(!exit.success());
    let tables = format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{database}'");
    assert_eq!(server.execute(&tables).await.unwrap().trim(), "6");
}
