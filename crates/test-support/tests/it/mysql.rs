use std::io::Write as _;

use mymonit_test_support::{MySqlServer, numbers};

/// Runs SQL in the database that a connection string ends with.
async fn execute(server: &MySqlServer, url: &str, sql: &str) -> String {
    let database = url.rsplit('/').next().unwrap();
    server.execute(&format!("USE {database}; {sql}")).await.unwrap().trim().to_owned()
}

#[tokio::test]
async fn two_servers_and_their_databases_are_isolated() {
    let (one, two) = tokio::try_join!(MySqlServer::start(), MySqlServer::start()).unwrap();
    assert_ne!(one.port(), two.port());
    let url = one.create_database().await.unwrap();
    let name = url.rsplit('/').next().unwrap();
    assert!(one.execute("SHOW DATABASES").await.unwrap().contains(name));
    assert!(!two.execute("SHOW DATABASES").await.unwrap().contains(name));
    assert_ne!(one.create_database().await.unwrap(), url);
}

#[tokio::test]
async fn data_survive_a_stop_and_a_kill_on_the_same_port() {
    let server = MySqlServer::start().await.unwrap();
    let port = server.port();
    let url = server.create_database().await.unwrap();
    execute(&server, &url, "CREATE TABLE T (N INT PRIMARY KEY) ENGINE = InnoDB; INSERT INTO T VALUES (1)")
        .await;
    let first_pid = server.pid().unwrap();

    assert!(server.stop().await.unwrap().success());
    assert!(server.pid().unwrap_err().to_string().contains("not running"));
    server.start_again().await.unwrap();
    execute(&server, &url, "INSERT INTO T VALUES (2)").await;

    server.kill().await.unwrap();
    server.start_again().await.unwrap();
    assert_eq!(execute(&server, &url, "SELECT COUNT(*) FROM T").await, "2");
    assert_eq!(server.port(), port);
    assert_ne!(server.pid().unwrap(), first_pid);
    assert_eq!(
        server.execute("SELECT @@port, @@character_set_server").await.unwrap(),
        format!("{port}\tutf8mb4\n")
    );
}

#[tokio::test]
async fn a_paused_server_answers_when_it_is_resumed() {
    let server = MySqlServer::start().await.unwrap();
    server.pause().unwrap();
    let mut answer = Box::pin(server.execute("SELECT 1"));
    tokio::time::timeout(std::time::Duration::from_millis(200), &mut answer).await.unwrap_err();
    server.resume().unwrap();
    assert_eq!(answer.await.unwrap(), "1\n");
}

#[tokio::test]
async fn further_options_overrule_the_usual_ones() {
    let server = MySqlServer::start_with(&["--max-connections=17"]).await.unwrap();
    assert_eq!(server.execute("SELECT @@max_connections").await.unwrap(), "17\n");
}

#[tokio::test]
async fn a_server_that_cannot_start_says_why() {
    let error = MySqlServer::start_with(&["--no-such-option"]).await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("no-such-option"), "{error}");
}

#[tokio::test]
async fn a_shared_server_is_one_server() {
    let (one, two) = tokio::try_join!(MySqlServer::shared(), MySqlServer::shared()).unwrap();
    assert_eq!(one.pid().unwrap(), two.pid().unwrap());
    let url = one.create_database().await.unwrap();
    assert!(url.starts_with(&format!("mysql://root:password@127.0.0.1:{}/test_", two.port())), "{url}");
}

#[tokio::test]
async fn root_signs_in_over_tcp_with_the_password_of_the_connection_string_only() {
    let server = MySqlServer::shared().await.unwrap();
    let port = format!("--port={}", server.port());
    for (password, welcome) in
        [("--password=password", true), ("--password=wrong", false), ("--skip-password", false)]
    {
        let mut client = tokio::process::Command::from(server.bare_client());
        client.args(["--host=127.0.0.1", "--user=root", &port, password, "--execute=SELECT 1"]);
        assert_eq!(client.output().await.unwrap().status.success(), welcome, "{password}");
    }
}

#[tokio::test]
async fn a_small_disk_is_full_until_freed_and_private_to_its_test() {
    let Some(server) = MySqlServer::start_on_small_disk(256).await.unwrap() else {
        // Written directly, since the test harness captures `eprintln!`.
        let _ = writeln!(std::io::stderr(), "NOT RUN: this account may not mount a small disk");
        return;
    };
    let fill = &format!("USE test_disk; INSERT INTO T SELECT REPEAT('x', 10000) FROM {}", numbers(500));
    server.execute("CREATE DATABASE test_disk; CREATE TABLE test_disk.T (TEXT LONGTEXT)").await.unwrap();
    server.execute(fill).await.unwrap();
    server.fill_disk().await.unwrap();
    let full = server.execute(&format!("{fill}; {fill}; {fill}")).await.unwrap_err().to_string();
    assert!(full.contains("1114"), "{full}");
    server.free_disk().await.unwrap();
    server.execute(fill).await.unwrap();
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    assert!(!mounts.contains("mymonit-test-mysql"), "{mounts}");
}

#[tokio::test]
async fn numbers_are_those_from_one_to_the_count_once_each() {
    let server = MySqlServer::shared().await.unwrap();
    for count in [1_u32, 9, 10, 4_321] {
        let sums =
            format!("SELECT COUNT(*), COUNT(DISTINCT seq), MIN(seq), MAX(seq) FROM {}", numbers(count));
        assert_eq!(server.execute(&sums).await.unwrap(), format!("{count}\t{count}\t1\t{count}\n"));
    }
}
