//! A MySQL server that is unreachable, silent, read-only or busy: stores are unavailable and
//! recover.
//! Also servers with small packets or an auto-increment step.

use std::time::Duration;

use mymonit_model::{Faceted, Role};
use mymonit_services::ports::{Order, StorageError};
use mymonit_storage::{InvalidAddress, MySqlDatabase, PrepareError};
use mymonit_test_support::{MySqlServer, Proxy, wait_until};
use tokio::join;
use tokio::time::timeout;

use crate::database::{Database, POOL_SIZE, Probe, mysql_stores};
use crate::fixtures::{add_user, measure, message, profile, read, rejected, user, user_id};
use crate::rejected_messages::all;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Checks that it is unavailable; returns the cause.
fn unavailable<T: std::fmt::Debug>(result: Result<T, StorageError>) -> String {
    match result {
        Err(StorageError::Unavailable(cause)) => cause.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unreachable_server_is_unavailable_and_recovers_by_itself() {
    let server = MySqlServer::start().await.unwrap();
    let stores = mysql_stores(&server.create_database().await.unwrap(), POOL_SIZE);
    stores.prepare().await.unwrap();
    add_user(&stores, "S001", Role::Scientist).await;

    for stop_gracefully in [true, false] {
        if stop_gracefully {
            server.stop().await.unwrap()
        } else {
            server.kill().await.unwrap()
        };
        let batch = [message("a", vec![measure(1, 1, 1, 1.0)])];
        let new = user("S002", Role::Scientist);
        let (listed, written, committed, checked) = join!(
            stores.users.list(),
            stores.users.insert(&new),
            stores.ingest.commit(batch.to_vec()),
            stores.health.check(),
        );
        unavailable(listed);
        unavailable(written);
        unavailable(committed);
        unavailable(checked);
        let away = stores.prepare().await;
        assert!(matches!(away, Err(PrepareError::Unavailable(_))), "{away:?}");

        server.start_again().await.unwrap();
        wait_until("the stores to heal", TIMEOUT, async || stores.health.check().await).await.unwrap();
        assert_eq!(stores.users.list().await.unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_server_passes_no_health_check_and_heals_by_itself() {
    let server = MySqlServer::start().await.unwrap();
    let url = server.create_database().await.unwrap();
    let stores = mysql_stores(&url, POOL_SIZE);
    stores.prepare().await.unwrap();
    wait_until("a healthy database", TIMEOUT, async || stores.health.check().await).await.unwrap();
    server.pause().unwrap();
    // The caller limits the check, as the readiness probe does.
    let checked = timeout(Duration::from_secs(2), stores.health.check()).await;
    assert!(!matches!(checked, Ok(Ok(()))), "{checked:?}");
    server.resume().unwrap();
    wait_until("the stores to heal", TIMEOUT, async || stores.health.check().await).await.unwrap();
    assert_eq!(stores.users.list().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_server_is_unavailable_for_writing() {
    let server = MySqlServer::start().await.unwrap();
    let root = server.create_database().await.unwrap();
    let name = root.rsplit('/').next().unwrap();
    // Unlike root, an ordinary account is bound by `read_only`.
    let account =
        format!("CREATE USER mymonit@'%' IDENTIFIED BY 'secret'; GRANT ALL ON {name}.* TO mymonit@'%'");
    server.execute(&account).await.unwrap();
    let stores =
        mysql_stores(&format!("mysql://mymonit:secret@127.0.0.1:{}/{name}", server.port()), POOL_SIZE);
    stores.prepare().await.unwrap();
    server.execute("SET GLOBAL read_only = 1").await.unwrap();
    unavailable(stores.users.insert(&user("S001", Role::Scientist)).await);
    unavailable(stores.ingest.commit(vec![message("a", vec![measure(1, 1, 1, 1.0)])]).await);
    assert_eq!(stores.users.list().await.unwrap(), []);
    server.execute("SET GLOBAL read_only = 0").await.unwrap();
    add_user(&stores, "S001", Role::Scientist).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_go_to_the_new_server_after_a_switchover() {
    // Unlike root, an ordinary account is bound by `read_only`.
    const ACCOUNT: &str =
        "CREATE USER mymonit@'%' IDENTIFIED BY 'secret'; GRANT ALL ON my_monit.* TO mymonit@'%'";
    let (old, new) = (MySqlServer::start().await.unwrap(), MySqlServer::start().await.unwrap());
    let proxy = Proxy::start(new.port()).await.unwrap();
    let url = format!("mysql://mymonit:secret@127.0.0.1:{}/my_monit", proxy.port());
    for server in [&old, &new] {
        server.execute(ACCOUNT).await.unwrap();
    }
    mysql_stores(&url, 1).prepare().await.unwrap();
    proxy.switch_to(old.port());
    let stores = mysql_stores(&url, POOL_SIZE);
    stores.prepare().await.unwrap();
    // Several connections of the pool lead to the old server.
    let (one, two, three) = join!(stores.users.list(), stores.users.list(), stores.users.list());
    one.and(two).and(three).unwrap();
    add_user(&stores, "S001", Role::Scientist).await;

    old.execute("SET GLOBAL read_only = 1").await.unwrap();
    proxy.switch_to(new.port());
    let cause = unavailable(stores.users.insert(&user("S002", Role::Scientist)).await);
    assert!(cause.starts_with("1290"), "{cause}");
    // The next one is written, and reads see it.
    add_user(&stores, "S003", Role::Scientist).await;
    let (one, two, three) = join!(stores.users.list(), stores.users.list(), stores.users.list());
    for listed in [one, two, three] {
        let ids: Vec<_> = listed.unwrap().into_iter().map(|user| user.user_id).collect();
        assert_eq!(ids, [user_id("S003")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_row_and_an_exhausted_pool_are_unavailable() {
    let database = Database::mysql().await;
    add_user(&database, "S001", Role::Scientist).await;
    let Probe::MySql(mut stalled) = database.probe().await else { unreachable!() };
    sqlx::raw_sql("BEGIN; SELECT * FROM USERS WHERE ID = 'S001' FOR UPDATE")
        .execute(&mut stalled)
        .await
        .unwrap();

    let small = database.other_process_with(1);
    small.prepare().await.unwrap();
    let (id, new) = (user_id("S001"), profile("New", "new", "new@home.cern"));
    // The first waits for the row until the server gives up; the second waits for the first.
    let (one, two) = join!(small.users.update(&id, &new), small.users.list());
    let cause = unavailable(one);
    assert!(cause.contains("1205"), "it was not the server that gave up: {cause}");
    assert!(two.is_ok() || matches!(two, Err(StorageError::Unavailable(_))), "{two:?}");

    sqlx::raw_sql("ROLLBACK").execute(&mut stalled).await.unwrap();
    assert!(small.users.update(&id, &new).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_the_server_ended_are_replaced() {
    let server = MySqlServer::start().await.unwrap();
    let stores = mysql_stores(&server.create_database().await.unwrap(), POOL_SIZE);
    stores.prepare().await.unwrap();
    for _ in 0..3 {
        let (one, two, three) = join!(stores.users.list(), stores.users.list(), stores.users.list());
        one.and(two).and(three).unwrap();
        let others =
            "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'root' AND ID <> CONNECTION_ID()";
        let others = server.execute(others).await.unwrap();
        assert!(!others.is_empty());
        for id in others.lines() {
            // A connection at its end of life may be closed.
            if let Err(error) = server.execute(&format!("KILL CONNECTION {id}")).await {
                assert!(error.to_string().contains("Unknown thread id"), "{error}");
            }
        }
        // At most the trusted connections fail once each.
        wait_until("the pool to heal", TIMEOUT, async || stores.users.list().await.map(drop)).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_small_packets_only_takes_large_messages_and_batches() {
    let server = MySqlServer::start_with(&["--max-allowed-packet=1M"]).await.unwrap();
    let stores = mysql_stores(&server.create_database().await.unwrap(), POOL_SIZE);
    stores.prepare().await.unwrap();
    let many = |first: i64| (first..first + 10_000).map(|number| measure(1, 1, number, 1.0)).collect();
    let batch = [message("a", many(0)), rejected("b", vec![7; 5 * 1024 * 1024]), message("c", many(10_000))];
    stores.ingest.commit(batch.to_vec()).await.unwrap();
    assert_eq!(read(&stores, 1, Order::Ascending).await.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rejected_messages_keep_their_bodies_on_a_server_of_a_cluster_which_numbers_rows_in_steps() {
    let options = ["--auto-increment-increment=3", "--auto-increment-offset=2"];
    let server = MySqlServer::start_with(&options).await.unwrap();
    let stores = mysql_stores(&server.create_database().await.unwrap(), POOL_SIZE);
    stores.prepare().await.unwrap();
    let batch: Vec<_> = (0..100).map(|number| rejected(&number.to_string(), number.to_string())).collect();
    stores.ingest.commit(batch.to_vec()).await.unwrap();
    let messages = all(&stores).await;
    assert_eq!(messages.len(), 100);
    for message in messages {
        let (message, body) = stores.rejected.find(message.id).await.unwrap().unwrap();
        assert_eq!(message.message_id.unwrap().as_bytes(), body);
    }
}

#[tokio::test]
async fn a_wrong_password_is_worth_another_try_since_an_operator_can_mend_it() {
    let server = MySqlServer::shared().await.unwrap();
    let url = server.create_database().await.unwrap();
    let stores = mysql_stores(&url.replace("root:", "root:not-"), POOL_SIZE);
    let denied = stores.prepare().await;
    assert!(matches!(denied, Err(PrepareError::Unavailable(_))), "{denied:?}");
}

#[tokio::test]
async fn an_address_that_cannot_be_used_is_refused_without_being_repeated() {
    for url in [
        "",
        "canary",
        "mysql://user:canary@host",
        "postgres://user:canary@host/db",
        "mysql://user:canary@:x/db",
        "mysql://user:canary@host/db?ssl-mode=canary",
    ] {
        let refused: Result<_, InvalidAddress> =
            MySqlDatabase::from_url(&Faceted::new(url.to_owned()), 1).map(drop);
        let message = refused.expect_err(url).to_string();
        assert!(!message.contains("canary"), "{message}");
    }
}
