use serde_json::json;

use crate::site::{Site, Who};

#[tokio::test]
async fn an_administrator_sees_all_experiments_and_a_scientist_the_associated_ones() {
    let site = Site::start().await;
    let one = json!({"experiment_id": 1, "name": "device-vibrations"});
    let two = json!({"experiment_id": 2, "name": "black-holes"});
    assert_eq!(site.get("/experiments/", Who::Admin).await.json(), json!([one, two]));
    assert_eq!(site.get("/experiments/", Who::Peter).await.json(), json!([one]));
    assert_eq!(site.get("/experiments/1", Who::Peter).await.json(), one);
    assert_eq!(site.get("/experiments/2", Who::Admin).await.json(), two);
}

#[tokio::test]
async fn anothers_experiment_looks_like_one_that_does_not_exist() {
    let site = Site::start().await;
    let other = site.get("/experiments/2", Who::Peter).await;
    let absent = site.get("/experiments/99", Who::Peter).await;
    assert_eq!(other.problem(404, "not_found"), absent.problem(404, "not_found"));
    site.get("/experiments/99", Who::Admin).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_created_experiment_is_answered_with_its_location() {
    let site = Site::start().await;
    let answer = site.post("/experiments/", Who::Admin, &json!({"name": " Ω 黒穴 "})).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json(), json!({"experiment_id": 3, "name": "Ω 黒穴"}));
    assert_eq!(answer.header("location"), "/experiments/3");
    assert_eq!(site.get("/experiments/3", Who::Admin).await.json(), answer.json());
    site.post("/experiments/", Who::Admin, &json!({"name": "Ω 黒穴"})).await.problem(409, "conflict");
    site.post("/experiments/", Who::Peter, &json!({"name": "mine"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_experiment_is_renamed_but_keeps_its_id() {
    let site = Site::start().await;
    let renamed = json!({"experiment_id": 1, "name": "vibrations"});
    assert_eq!(site.put("/experiments/1", Who::Admin, &renamed).await.json(), renamed);
    let without_id = json!({"name": "tremors"});
    assert_eq!(site.put("/experiments/1", Who::Admin, &without_id).await.json()["name"], "tremors");
    site.put("/experiments/1", Who::Admin, &json!({"experiment_id": 2, "name": "x"}))
        .await
        .names("experiment_id");
    site.put("/experiments/1", Who::Admin, &json!({"name": "black-holes"})).await.problem(409, "conflict");
    site.put("/experiments/9", Who::Admin, &json!({"name": "x"})).await.problem(404, "not_found");
    site.put("/experiments/1", Who::Peter, &json!({"name": "x"})).await.problem(403, "forbidden");
}
