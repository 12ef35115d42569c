use std::time::Duration;

use mymonit_test_support::RabbitMq;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Whether the port answers the AMQP protocol header with Connection.Start.
async fn speaks_amqp(port: u16) -> bool {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    stream.write_all(b"AMQP\x00\x00\x09\x01").await.unwrap();
    let mut frame = [0; 11];
    stream.read_exact(&mut frame).await.unwrap();
    // A method frame on channel 0 that holds Connection.Start (class 10, method 10).
    frame[..3] == [1, 0, 0] && frame[7..] == [0, 10, 0, 10]
}

#[tokio::test]
async fn two_nodes_are_isolated() {
    let (one, two) = tokio::try_join!(RabbitMq::start(), RabbitMq::start()).unwrap();
    assert!(speaks_amqp(one.port()).await);
    assert!(speaks_amqp(two.port()).await);
    let vhost = one.create_vhost().await.unwrap();
    let name = vhost.rsplit('/').next().unwrap();
    assert!(one.ctl(&["list_vhosts"]).await.unwrap().contains(name));
    assert!(!two.ctl(&["list_vhosts"]).await.unwrap().contains(name));
    assert!(two.ctl(&["cluster_status"]).await.unwrap().contains(&two.port().to_string()));
}

#[tokio::test]
async fn a_node_keeps_port_and_data_over_a_stop_and_a_kill() {
    let node = RabbitMq::start().await.unwrap();
    let vhost = node.create_vhost().await.unwrap();
    let name = vhost.rsplit('/').next().unwrap();
    let first_pid = node.pid().unwrap();

    node.stop().await.unwrap();
    TcpStream::connect(("127.0.0.1", node.port())).await.unwrap_err();
    node.start_again().await.unwrap();
    assert!(speaks_amqp(node.port()).await);

    node.kill().await.unwrap();
    node.start_again().await.unwrap();
    assert!(speaks_amqp(node.port()).await);
    assert_ne!(node.pid().unwrap(), first_pid);
    assert!(node.ctl(&["list_vhosts"]).await.unwrap().contains(name));
}

#[tokio::test]
async fn a_paused_node_answers_when_it_is_resumed() {
    let node = RabbitMq::shared().await.unwrap();
    // Pauses the shared node: other tests only wait a little longer.
    node.pause().unwrap();
    let mut answer = Box::pin(speaks_amqp(node.port()));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut answer).await;
    node.resume().unwrap();
    early.unwrap_err();
    assert!(answer.await);
}

#[tokio::test]
async fn guest_may_use_a_new_virtual_host() {
    let node = RabbitMq::shared().await.unwrap();
    let url = node.create_vhost().await.unwrap();
    let (server, name) = url.rsplit_once('/').unwrap();
    assert_eq!(server, format!("amqp://guest:guest@127.0.0.1:{}", node.port()));
    let permissions = node.ctl(&["list_permissions", "-p", name, "--no-table-headers"]).await.unwrap();
    assert_eq!(permissions.trim(), "guest\t.*\t.*\t.*");
}

#[tokio::test]
async fn further_configuration_is_used() {
    let node = RabbitMq::builder().config("channel_max = 77").start().await.unwrap();
    let value = node.ctl(&["eval", "application:get_env(rabbit, channel_max)."]).await.unwrap();
    assert_eq!(value.trim(), "{ok,77}");
}

#[tokio::test]
async fn a_node_that_cannot_start_says_why() {
    let error = RabbitMq::builder().config("no.such.key = 1").start().await.unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("no.such.key"), "{error}");
}

#[tokio::test]
async fn nothing_listens_on_any_other_than_the_loopback_address() {
    let node = RabbitMq::shared().await.unwrap();
    let sockets = node
        .ctl(&[
            "eval",
            "[S || P <- erlang:ports(), erlang:port_info(P, name) =:= {name, \"tcp_inet\"}, \
             {ok, S} <- [inet:sockname(P)]].",
        ])
        .await
        .unwrap();
    assert!(sockets.contains(&format!("{{{{127,0,0,1}},{}}}", node.port())), "{sockets}");
    assert_eq!(sockets.matches("{{").count(), sockets.matches("{{127,0,0,1},").count(), "{sockets}");
}

#[tokio::test]
async fn the_nodes_of_a_cluster_agree_after_one_is_killed_and_restarted() {
    let nodes = RabbitMq::start_cluster(3).await.unwrap();
    let vhost = nodes[0].create_quorum_vhost().await.unwrap();
    for node in &nodes {
        assert!(speaks_amqp(node.port()).await);
        assert!(node.ctl(&["list_vhosts"]).await.unwrap().contains(&vhost));
    }
    // The node with the port mapper.
    nodes[0].kill().await.unwrap();
    let later = nodes[1].create_quorum_vhost().await.unwrap();
    nodes[0].start_again().await.unwrap();
    assert!(nodes[0].ctl(&["list_vhosts"]).await.unwrap().contains(&later));
}
