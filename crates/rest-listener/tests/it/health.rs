use std::sync::atomic::Ordering;

use serde_json::json;

use crate::site::{Site, Who};

#[tokio::test]
async fn the_process_is_live_without_token_or_database() {
    let site = Site::start().await;
    site.set_unreachable(true);
    site.database.is_ready.store(false, Ordering::SeqCst);
    let answer = site.get("/health/live", Who::Nobody).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"status": "live"})));
}

#[tokio::test]
async fn readiness_names_each_part_and_its_state() {
    let site = Site::start().await;
    let answer = site.get("/health/ready", Who::Nobody).await;
    assert_eq!(answer.status, 200);
    let works = json!({"ready": true, "state": "works"});
    assert_eq!(answer.json(), json!({"status": "ready", "parts": {"database": works, "consumer": works}}));

    site.consumer.is_ready.store(false, Ordering::SeqCst);
    let answer = site.get("/health/ready", Who::Nobody).await;
    assert_eq!(answer.status, 503);
    let away = json!({"ready": false, "state": "away"});
    assert_eq!(answer.json(), json!({"status": "not ready", "parts": {"database": works, "consumer": away}}));
}

#[tokio::test]
async fn a_process_without_the_rest_listener_serves_health_only() {
    let site = Site::start_with_health_alone().await;
    for path in ["/health/live", "/health/live/", "/health/ready"] {
        assert_eq!(site.get(path, Who::Nobody).await.status, 200, "{path}");
    }
    for path in ["/users/", "/measures/1", "/api.yaml", "/docs", "/"] {
        for who in [Who::Nobody, Who::Admin] {
            let answer = site.get(path, who).await;
            assert_eq!(
                (answer.status.as_u16(), &answer.json()["code"]),
                (404, &json!("not_found")),
                "{path}"
            );
        }
    }
    site.consumer.is_ready.store(false, Ordering::SeqCst);
    assert_eq!(site.get("/health/ready", Who::Nobody).await.status, 503);
}
