//! Starts servers and waits to be killed by the test
//! `a_killed_test_process_leaves_nothing_behind`.

use std::future::pending;

use mymonit_test_support::{MySqlServer, RabbitMq, ServiceProcess};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let shared_mysql = MySqlServer::shared().await?;
    let shared_rabbitmq = RabbitMq::shared().await?;
    let paused = MySqlServer::start().await?;
    paused.pause()?;
    let service = ServiceProcess::builder("/bin/sleep").arg("1000").start().await?;
    let pids = [shared_mysql.pid()?, shared_rabbitmq.pid()?, paused.pid()?, service.pid()?];
    #[allow(clippy::print_stdout, reason = "the test reads it")]
    for pid in pids {
        println!("pid {pid}");
    }
    pending().await
}
