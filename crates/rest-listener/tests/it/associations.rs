use serde_json::{Value, json};

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

#[tokio::test]
async fn the_scientists_of_an_experiment_are_replaced_whole() {
    let site = Site::start().await;
    let peter = site.get("/users/S001", Who::Admin).await.json();
    let katie = site.get("/users/S002", Who::Admin).await.json();
    assert_eq!(site.get("/scientists-experiments/1", Who::Admin).await.json(), json!({"users": [peter]}));
    let put = async |user_ids: Value| {
        site.put("/scientists-experiments/1", Who::Admin, &json!({"user_ids": user_ids})).await
    };
    let both = put(json!(["S002", "S001", "S002"])).await;
    assert_eq!((both.status.as_u16(), both.json()), (200, json!({"users": [peter, katie]})));
    assert_eq!(site.get("/scientists-experiments/1", Who::Admin).await.json(), both.json());
    for wrong in [json!(["S001", "S999"]), json!(["A001"]), json!(["me"]), json!([""])] {
        put(wrong).await.names("user_ids");
    }
    for wrong in [json!(null), json!("S001"), json!({}), json!([1])] {
        put(wrong).await.problem(400, "invalid_argument");
    }
    site.put("/scientists-experiments/1", Who::Admin, &json!({})).await.names("user_ids");
    assert_eq!(site.get("/scientists-experiments/1", Who::Admin).await.json(), both.json());
    assert_eq!(put(json!([])).await.json(), json!({"users": []}));
    site.get("/measures/1", Who::Peter).await.problem(404, "not_found");
    let none = json!({"user_ids": []});
    site.put("/scientists-experiments/9", Who::Admin, &none).await.problem(404, "not_found");
    site.put("/scientists-experiments/x", Who::Admin, &none).await.names("experiment_id");
    site.put("/scientists-experiments/1", Who::Peter, &none).await.problem(403, "forbidden");
    site.get("/scientists-experiments/9", Who::Admin).await.problem(404, "not_found");
    site.get("/scientists-experiments/1", Who::Peter).await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_experiments_of_a_user_are_for_administrators_and_the_user() {
    let site = Site::start().await;
    let own = site.get("/experiments/", Who::Peter).await.json();
    for who in [Who::Admin, Who::Peter] {
        assert_eq!(site.get("/users/S001/experiments", who).await.json(), own);
    }
    assert_eq!(site.get("/users/A001/experiments", Who::Admin).await.json(), json!([]));
    site.get("/users/S999/experiments", Who::Admin).await.problem(404, "not_found");
    for id in ["S002", "S999"] {
        site.get(&format!("/users/{id}/experiments"), Who::Peter).await.problem(403, "forbidden");
    }
    site.put("/experiments/1", Who::Admin, &json!({"name": "vibrations", "archived": true})).await;
    assert_eq!(site.get("/users/S001/experiments", Who::Admin).await.json(), json!([]));
    let archived = site.get("/users/S001/experiments?archived=only&search=VIBRA&limit=1", Who::Admin).await;
    assert_eq!(archived.json()[0]["experiment_id"], 1);
    assert!(archived.headers.get("link").is_none());
}
