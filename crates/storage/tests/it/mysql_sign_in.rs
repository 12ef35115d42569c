//! Password authentication at a MySQL server. An account that the server has not cached needs the
//! full exchange.

use mymonit_storage::PrepareError;
use mymonit_test_support::{Make, MySqlServer};

use crate::database::{POOL_SIZE, mysql_stores};

/// Properties of a connection of that account, from the server.
async fn connection_type(server: &MySqlServer, account: &str) -> String {
    let types = "SELECT DISTINCT CONNECTION_TYPE FROM performance_schema.threads WHERE PROCESSLIST_USER";
    server.execute(&format!("{types} = '{account}'")).await.unwrap().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_proven_with_tls_and_without() {
    let server = MySqlServer::shared().await.unwrap();
    // Debian's MariaDB has no certificate by default; MySQL generates one, and accepts an uncached
    // password by TLS only.
    let has_tls = server.make() == Make::MySql;
    for (mode, is_encrypted) in [("disabled", false), ("preferred", has_tls), ("required", true)] {
        let url = server.create_database().await.unwrap();
        let (_, name) = url.rsplit_once('/').unwrap();
        let account = &name[..16];
        server
            .execute(&format!(
                "CREATE USER {account}@'127.0.0.1' IDENTIFIED BY 'secret'; GRANT ALL ON {name}.* TO {account}@'127.0.0.1'"
            ))
            .await
            .unwrap();
        let url = |password| {
            format!("mysql://{account}:{password}@127.0.0.1:{}/{name}?ssl-mode={mode}", server.port())
        };
        let denied = mysql_stores(&url("wrong"), POOL_SIZE).prepare().await;
        assert!(matches!(denied, Err(PrepareError::Unavailable(_))), "{mode}: {denied:?}");
        let stores = mysql_stores(&url("secret"), POOL_SIZE);
        let prepared = stores.prepare().await;
        if (is_encrypted && !has_tls) || (mode == "disabled" && has_tls) {
            // Never in the clear.
            assert!(matches!(prepared, Err(PrepareError::Unavailable(_))), "{mode}: {prepared:?}");
            continue;
        }
        prepared.unwrap_or_else(|error| panic!("{mode}: {error}"));
        assert_eq!(stores.users.list().await.unwrap(), []);
        if server.make() == Make::MySql {
            let expected = if is_encrypted { "SSL/TLS" } else { "TCP/IP" };
            assert_eq!(connection_type(server, account).await, expected, "{mode}");
        }
    }
}
