use serde_json::json;

use crate::site::{Site, Who};

#[tokio::test]
async fn associations_are_listed_by_experiment_in_the_order_of_the_numbers() {
    let site = Site::start().await;
    for number in 3..=10 {
        let name = format!("experiment {number}");
        site.post("/experiments/", Who::Admin, &json!({"name": name})).await;
    }
    for path in ["/scientists-experiments/10/S001", "/scientists-experiments/2/S001"] {
        assert_eq!(site.post_nothing(path, Who::Admin).await.status, 201);
    }
    let answer = site.get("/scientists-experiments/", Who::Admin).await;
    let peter = site.get("/users/S001", Who::Admin).await.json();
    let katie = site.get("/users/S002", Who::Admin).await.json();
    assert_eq!(
        answer.json(),
        json!({"1": {"users": [peter]}, "2": {"users": [peter, katie]}, "10": {"users": [peter]}})
    );
    let place = |key: &str| answer.text.find(&format!("\"{key}\":{{")).unwrap();
    assert!(place("1") < place("2") && place("2") < place("10"), "{}", answer.text);
}

#[tokio::test]
async fn an_association_gives_access_and_its_end_takes_it() {
    let site = Site::start().await;
    site.get("/measures/2", Who::Peter).await.problem(404, "not_found");
    let answer = site.post_nothing("/scientists-experiments/2/S001", Who::Admin).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json(), json!({"experiment_id": 2, "user_id": "S001"}));
    assert_eq!(answer.header("location"), "/scientists-experiments/2/S001");
    assert_eq!(site.get("/measures/2", Who::Peter).await.status, 200);
    let answer = site.delete(answer.header("location"), Who::Admin).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    site.get("/measures/2", Who::Peter).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_cannot_be_associated_is_refused() {
    let site = Site::start().await;
    site.post_nothing("/scientists-experiments/1/S001", Who::Admin).await.problem(409, "conflict");
    site.post_nothing("/scientists-experiments/9/S001", Who::Admin).await.problem(404, "not_found");
    site.post_nothing("/scientists-experiments/1/S999", Who::Admin).await.problem(404, "not_found");
    site.post_nothing("/scientists-experiments/1/A001", Who::Admin).await.names("user_id");
    site.post_nothing("/scientists-experiments/x/S001", Who::Admin).await.names("experiment_id");
    site.delete("/scientists-experiments/2/S001", Who::Admin).await.problem(404, "not_found");
    site.delete("/scientists-experiments/0/S001", Who::Admin).await.names("experiment_id");
}

#[tokio::test]
async fn associations_are_the_administrators_matter() {
    let site = Site::start().await;
    site.get("/scientists-experiments/", Who::Peter).await.problem(403, "forbidden");
    site.post_nothing("/scientists-experiments/2/S001", Who::Peter).await.problem(403, "forbidden");
    site.delete("/scientists-experiments/1/S001", Who::Peter).await.problem(403, "forbidden");
}
