//! `mymonit import-legacy`: killed in the middle, run again, and refused.

use std::io::ErrorKind;

use mymonit_test_support::{Exit, MySqlServer, python_system, wait_until};

use crate::environment::{ADMIN, Engine, LONG, SCIENTIST, TestEnvironment, message, on_every_engine};

on_every_engine!(measures_are_copied_after_a_kill_and_the_service_goes_on_with_them);

/// The URL of a database as the Python system left it.
async fn python_database(measures: u32) -> String {
    let server = MySqlServer::shared().await.unwrap();
    let url = server.create_database().await.unwrap();
    let (schema, people) = (python_system::SCHEMA, python_system::PEOPLE);
    let measures = python_system::add_measures(measures);
    server.execute(&format!("USE {}; {schema}{people}{measures}", name(&url))).await.unwrap();
    url
}

fn name(url: &str) -> &str {
    url.rsplit('/').next().unwrap()
}

async fn measures_are_copied_after_a_kill_and_the_service_goes_on_with_them(engine: Engine) {
    const MEASURES: usize = 300_000;
    let python = python_database(MEASURES.try_into().unwrap()).await;
    let environment = TestEnvironment::new(engine).await.unwrap();
    let adapter = environment.adapter().await.unwrap();
    adapter.declare().await.unwrap();
    adapter.publish(&message("black-holes", "hertz", 0.25, 1_900_000_000), Some("waiting")).await.unwrap();
    let import = || environment.command_with(&["import-legacy", "--from", &python]).unwrap();

    let killed = import().start().await.unwrap();
    wait_until("some measures are copied", LONG, async || {
        let mut session = environment.session().await.map_err(|error| format!("{error:#}"))?;
        match session.number("SELECT COUNT(*) FROM MEASURES").await {
            Ok(0) => Err("none yet".to_owned()),
            Ok(_) => Ok(()),
            Err(error) => Err(format!("{error:#}")),
        }
    })
    .await
    .unwrap();
    killed.process.kill9().await.unwrap();
    assert_eq!(killed.process.wait_for_exit(LONG).await.unwrap(), Exit::Signal(9));
    for command in [&["serve"][..], &["migrate"], &["import-legacy", "--from", &python]] {
        let refused = environment.command_with(command).unwrap().run().await.unwrap();
        assert_ne!(refused.status, 0, "{command:?}: {refused:?}");
        assert!(refused.stderr.contains("incomplete copy"), "{command:?}: {refused:?}");
    }
    match engine {
        Engine::MySql => {
            let drop = format!("DROP DATABASE {}", name(&environment.database_url));
            MySqlServer::shared().await.unwrap().execute(&drop).await.unwrap();
        }
        Engine::Sqlite => {
            let file = environment.database_url.strip_prefix("sqlite://").unwrap();
            for file in [file.to_owned(), format!("{file}-wal"), format!("{file}-shm")] {
                // A command that was refused may have removed the log.
                if let Err(error) = std::fs::remove_file(file) {
                    assert_eq!(error.kind(), ErrorKind::NotFound);
                }
            }
        }
    }
    let copied = import().start().await.unwrap();
    let exit = copied.process.wait_for_exit(LONG).await.unwrap();
    assert!(exit.success(), "{exit}: {}", copied.last_lines());
    assert!(copied.process.lines().iter().all(|line| !line.text.contains(&python)));

    let service = environment.ready_service().await.unwrap();
    let mut session = environment.session().await.unwrap();
    session.wait_until_found("SELECT COUNT(*) FROM MEASURES WHERE MEASURE_VALUE = 0.25").await.unwrap();
    let count = session.number("SELECT COUNT(*) FROM MEASURES").await.unwrap();
    assert_eq!(count, i64::try_from(MEASURES + 1).unwrap());
    let page = environment.client(&service, SCIENTIST).measures("/measures/1?limit=1000").await.unwrap();
    assert_eq!(page.len(), 1_000);
    let users = environment.client(&service, ADMIN).read("/users/").await.unwrap();
    assert_eq!(users[2]["name"], "Zoë Bouman");
    service.stop().await.unwrap();
    let refused = import().run().await.unwrap();
    assert_eq!(refused.status, 1, "{refused:?}");
    assert!(refused.stderr.contains("the target database is not empty"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_cannot_be_copied_end_the_command_with_all_of_them() {
    let python = python_database(10).await;
    let server = MySqlServer::shared().await.unwrap();
    let spoil = "UPDATE USERS SET EMAIL = 'noreply@localhost'; UPDATE EXPERIMENTS SET NAME = '' WHERE ID = 2";
    server.execute(&format!("USE {}; {spoil}", name(&python))).await.unwrap();
    let environment = TestEnvironment::new(Engine::Sqlite).await.unwrap();
    let refused =
        environment.command_with(&["import-legacy", "--from", &python]).unwrap().run().await.unwrap();
    assert_eq!(refused.status, 1);
    for expected in ["USERS \"S001\": EMAIL", "USERS \"S002\": EMAIL", "EXPERIMENTS 2", "nothing was written"]
    {
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    assert!(!refused.stderr.contains("noreply"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_and_a_migration_on_the_python_systems_database_name_the_command() {
    let python = python_database(10).await;
    let broker = mymonit_test_support::RabbitMq::shared().await.unwrap().create_vhost().await.unwrap();
    let environment = TestEnvironment::with_mysql(python.clone(), broker).await.unwrap();
    for command in ["serve", "migrate"] {
        let refused = environment.command(command).unwrap().run().await.unwrap();
        assert_eq!(refused.status, 1, "{refused:?}");
        assert!(refused.stderr.contains("mymonit import-legacy --from"), "{refused:?}");
    }
    let tables =
        format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = '{}'", name(&python));
    assert_eq!(MySqlServer::shared().await.unwrap().execute(&tables).await.unwrap().trim(), "6");
}
