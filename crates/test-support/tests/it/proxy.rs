use std::io::ErrorKind;
use std::time::Duration;

use mymonit_test_support::{Proxy, ReservedPort, wait_until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Long enough for data to pass the proxy.
const SHORT_TIME: Duration = Duration::from_millis(100);

/// An echo server behind a proxy, which runs until the test ends.
async fn echo_server_behind_a_proxy() -> Proxy {
    let port = ReservedPort::reserve().unwrap();
    let server = TcpListener::bind(("127.0.0.1", port.get())).await.unwrap();
    let proxy = Proxy::start(port.get()).await.unwrap();
    tokio::spawn(async move {
        let _kept = port;
        while let Ok((mut client, _)) = server.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = client.split();
                tokio::io::copy(&mut from, &mut to).await
            });
        }
    });
    proxy
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap()
}

/// Sends four bytes and reads them again.
async fn echo(stream: &mut TcpStream) -> std::io::Result<()> {
    stream.write_all(b"echo").await?;
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await?;
    assert_eq!(&answer, b"echo");
    Ok(())
}

#[tokio::test]
async fn data_and_the_end_of_a_stream_are_forwarded() {
    let proxy = echo_server_behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    let sent = vec![7; 1_000_000];
    let (mut from, mut to) = stream.split();
    let mut received = Vec::new();
    let (sending, receiving) = tokio::join!(
        async {
            to.write_all(&sent).await?;
            to.shutdown().await
        },
        from.read_to_end(&mut received)
    );
    sending.unwrap();
    receiving.unwrap();
    assert_eq!(received, sent);
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_cut_resets_open_connections_and_allows_new_ones() {
    let proxy = echo_server_behind_a_proxy().await;
    let mut streams = [connect(&proxy).await, connect(&proxy).await];
    for stream in &mut streams {
        echo(stream).await.unwrap();
    }
    proxy.cut().await;
    for stream in &mut streams {
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
    }
    echo(&mut connect(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn a_black_hole_keeps_connections_open_and_delivers_when_it_ends() {
    let proxy = echo_server_behind_a_proxy().await;
    let mut old = connect(&proxy).await;
    echo(&mut old).await.unwrap();
    proxy.black_hole();
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"late").await.unwrap();
        timeout(SHORT_TIME, stream.read_u8()).await.unwrap_err();
    }
    proxy.resume().await.unwrap();
    for stream in [&mut old, &mut new] {
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"late");
    }
}

#[tokio::test]
async fn a_black_hole_can_be_cut() {
    let proxy = echo_server_behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    echo(&mut stream).await.unwrap();
    proxy.black_hole();
    proxy.cut().await;
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_refusing_proxy_takes_no_connections_until_it_resumes_on_the_same_port() {
    let proxy = echo_server_behind_a_proxy().await;
    let mut stream = connect(&proxy).await;
    echo(&mut stream).await.unwrap();
    for _ in 0..3 {
        proxy.refuse().await;
        let refused = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        echo(&mut stream).await.unwrap();
        proxy.resume().await.unwrap();
        echo(&mut connect(&proxy).await).await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_down_looks_like_a_reset() {
    let nobody = ReservedPort::reserve().unwrap();
    let proxy = Proxy::start(nobody.get()).await.unwrap();
    let mut stream = connect(&proxy).await;
    assert_eq!(stream.read_u8().await.unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_dropped_proxy_is_closed() {
    let proxy = echo_server_behind_a_proxy().await;
    let port = proxy.port();
    let mut stream = connect(&proxy).await;
    echo(&mut stream).await.unwrap();
    drop(proxy);
    wait_until("the port is closed", Duration::from_secs(60), async || {
        match TcpStream::connect(("127.0.0.1", port)).await {
            Ok(_) => Err("it is open"),
            Err(_) => Ok(()),
        }
    })
    .await
    .unwrap();
    assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
}
