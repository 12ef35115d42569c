//! A measure comes in through the broker and goes out over REST.

use std::process::Stdio;

use anyhow::{Context, ensure};
use mymonit_test_support::wait_until;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::house::{Engine, House, PYTHON, SCIENTIST, SOON, message, on_every_engine};

/// Publishes with Python's pika.
async fn publish_with_python(broker_url: &str, body: &[u8]) -> anyhow::Result<()> {
    let mut child = Command::new(PYTHON)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/publish.py"))
        .arg(broker_url)
        .stdin(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().context("standard input")?;
    input.write_all(body).await?;
    drop(input);
    let status = child.wait().await?;
    ensure!(status.success(), "python ended with {status}");
    Ok(())
}

async fn a_message_from_a_python_client_is_readable(engine: Engine) {
    let house = House::new(engine).await.unwrap();
    let service = house.ready_service().await.unwrap();
    let scientist = house.client(&service, SCIENTIST);
    let body = br#"{"experiment":"device-vibrations","measure":"degree Celsius","value":-273.15,"timestamp":1650000000.123456789}"#;

    publish_with_python(&house.broker_url, body).await.unwrap();

    let expected = json!({
        "experiment": "device-vibrations",
        "measure_type": "degree Celsius",
        "timestamp": "2022-04-15T05:20:00.123456789Z",
        "value": -273.15
    });
    wait_until("the measure is the newest one", SOON, async || {
        let measures = scientist.measures("/measures/1").await.map_err(|error| error.to_string())?;
        if measures.len() == 11 && measures[0] == expected { Ok(()) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();
}

on_every_engine!(a_message_from_a_python_client_is_readable);

#[tokio::test]
async fn equal_measures_are_all_kept_and_one_message_id_is_stored_once() {
    let house = House::new(Engine::MySql).await.unwrap();
    let service = house.ready_service().await.unwrap();
    let scientist = house.client(&service, SCIENTIST);
    let adapter = house.adapter().await.unwrap();
    let body = message("device-vibrations", "hertz", 1.5, 1_700_000_000);

    adapter.publish(&body, None).await.unwrap();
    adapter.publish(&body, None).await.unwrap();
    for _ in 0..3 {
        adapter.publish(&body, Some("the one")).await.unwrap();
    }
    // The last one in the queue: when it is there, all before it have been handled.
    adapter.publish(&message("device-vibrations", "hertz", 2.5, 1_700_000_001), None).await.unwrap();

    let measures = wait_until("the last measure arrived", SOON, async || {
        let measures =
            scientist.measures("/measures/1?limit=100").await.map_err(|error| error.to_string())?;
        if measures[0]["value"] == 2.5 { Ok(measures) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();
    assert_eq!(measures.iter().filter(|measure| measure["value"] == 1.5).count(), 3);
}
