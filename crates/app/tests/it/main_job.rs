//! A measure is consumed from the broker and read over REST.

use std::process::Stdio;

use anyhow::{Context, ensure};
use mymonit_test_support::wait_until;
use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::environment::{
    ADMIN, Engine, PYTHON, SCIENTIST, TIMEOUT, TestEnvironment, message, on_every_engine,
};

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
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let body = br#"{"experiment":"device-vibrations","measure":"degree Celsius","value":-273.15,"timestamp":1650000000.123456789}"#;

    publish_with_python(&environment.broker_url, body).await.unwrap();

    let expected = json!({
        "experiment": "device-vibrations",
        "measure_type": "degree Celsius",
        "timestamp": "2022-04-15T05:20:00.123456789Z",
        "value": -273.15
    });
    wait_until("the measure is the newest one", TIMEOUT, async || {
        let measures = scientist.measures("/measures/1").await.map_err(|error| error.to_string())?;
        if measures.len() == 11 && measures[0] == expected { Ok(()) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();
}

/// A corrected symbol of a measure type takes effect at once, also in processes that have cached
/// the old one.
async fn a_symbol_is_accepted_in_place_of_the_name_and_a_misspelt_name_gets_the_closest_one(engine: Engine) {
    let environment = TestEnvironment::new(engine).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let administrator = environment.client(&service, ADMIN);
    let scientist = environment.client(&service, SCIENTIST);
    let adapter = environment.adapter().await.unwrap();
    adapter.publish(&message("device-vibrations", "Hz", 1.5, 1_700_000_000), None).await.unwrap();
    let stored = |value: f64, measure_type: &'static str| {
        let scientist = &scientist;
        wait_until("the measure is the newest one", TIMEOUT, async move || {
            let newest = scientist.read("/measures/1?limit=1").await.map_err(|error| error.to_string())?;
            let is_it = newest[0]["value"] == value && newest[0]["measure_type"] == measure_type;
            if is_it { Ok(()) } else { Err(newest.to_string()) }
        })
    };
    stored(1.5, "hertz").await.unwrap();

    let exchanged = [("/measure-types/1", "hertz", "cps"), ("/measure-types/2", "radian", "Hz")];
    for (path, name, symbol) in exchanged {
        let body = json!({"name": name, "symbol": symbol, "quantity": "any"});
        assert_eq!(administrator.send(Method::PUT, path, Some(&body)).await.unwrap().status, 200);
    }
    adapter.publish(&message("device-vibrations", "Hz", 2.5, 1_700_000_001), None).await.unwrap();
    stored(2.5, "radian").await.unwrap();

    adapter.publish(&message("device-vibration", "hertz", 1.0, 1), None).await.unwrap();
    adapter.publish(&message("device-vibrations", "kelvn", 1.0, 1), None).await.unwrap();
    for closest in ["the closest known name is `device-vibrations`", "the closest known name is `kelvin`"] {
        wait_until("the message is rejected", TIMEOUT, async || {
            let list = administrator.read("/rejected-messages/").await.map_err(|error| error.to_string())?;
            if list.to_string().contains(closest) { Ok(()) } else { Err(list.to_string()) }
        })
        .await
        .unwrap();
    }
}

on_every_engine!(
    a_message_from_a_python_client_is_readable,
    a_symbol_is_accepted_in_place_of_the_name_and_a_misspelt_name_gets_the_closest_one,
);

#[tokio::test]
async fn equal_measures_are_all_kept_and_one_message_id_is_stored_once() {
    let environment = TestEnvironment::new(Engine::MySql).await.unwrap();
    let service = environment.ready_service().await.unwrap();
    let scientist = environment.client(&service, SCIENTIST);
    let adapter = environment.adapter().await.unwrap();
    let body = message("device-vibrations", "hertz", 1.5, 1_700_000_000);

    adapter.publish(&body, None).await.unwrap();
    adapter.publish(&body, None).await.unwrap();
    for _ in 0..3 {
        adapter.publish(&body, Some("the one")).await.unwrap();
    }
    // The last one in the queue: once it is stored, all earlier ones are handled.
    adapter.publish(&message("device-vibrations", "hertz", 2.5, 1_700_000_001), None).await.unwrap();

    let measures = wait_until("the last measure arrived", TIMEOUT, async || {
        let measures =
            scientist.measures("/measures/1?limit=100").await.map_err(|error| error.to_string())?;
        if measures[0]["value"] == 2.5 { Ok(measures) } else { Err(format!("{measures:?}")) }
    })
    .await
    .unwrap();
    assert_eq!(measures.iter().filter(|measure| measure["value"] == 1.5).count(), 3);
}
