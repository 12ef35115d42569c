use serde_json::{Value, json};

use crate::site::{Site, Who};

fn experiment(id: u32, name: &str) -> Value {
    json!({"experiment_id": id, "name": name, "description": "", "archived": false})
}

#[tokio::test]
async fn an_administrator_sees_all_experiments_and_a_scientist_the_associated_ones() {
    let site = Site::start().await;
    let one = experiment(1, "device-vibrations");
    let two = experiment(2, "black-holes");
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
    assert_eq!(answer.json(), experiment(3, "Ω 黒穴"));
    assert_eq!(answer.header("location"), "/experiments/3");
    assert_eq!(site.get("/experiments/3", Who::Admin).await.json(), answer.json());
    site.post("/experiments/", Who::Admin, &json!({"name": "Ω 黒穴"})).await.problem(409, "conflict");
    site.post("/experiments/", Who::Peter, &json!({"name": "mine"})).await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_experiment_is_renamed_but_keeps_its_id() {
    let site = Site::start().await;
    let renamed = experiment(1, "vibrations");
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

#[tokio::test]
async fn description_and_archive_are_kept_unless_they_are_given() {
    let site = Site::start().await;
    let new = json!({"name": "flux", "description": "  in hall 7 "});
    let created = site.post("/experiments/", Who::Admin, &new).await;
    assert_eq!(
        created.json(),
        json!({"experiment_id": 3, "name": "flux", "description": "in hall 7", "archived": false})
    );
    let put = async |body: Value| site.put("/experiments/3", Who::Admin, &body).await;
    assert_eq!(put(json!({"name": "flux", "archived": true})).await.json()["description"], "in hall 7");
    let named = put(json!({"name": "flow"})).await;
    assert_eq!(
        named.json(),
        json!({"experiment_id": 3, "name": "flow", "description": "in hall 7", "archived": true})
    );
    assert_eq!(put(json!({"name": "flow", "description": ""})).await.json()["archived"], true);
    for (field, value) in [
        ("description", json!(null)),
        ("description", json!(1)),
        ("description", json!("x".repeat(2_001))),
        ("description", json!("two\nlines")),
        ("archived", json!(null)),
        ("archived", json!("yes")),
    ] {
        let mut body = json!({"name": "flow"});
        body[field] = value;
        put(body).await.names(field);
    }
    site.post("/experiments/", Who::Admin, &json!({"name": "x", "description": 1}))
        .await
        .names("description");
}

#[tokio::test]
async fn archived_experiments_are_listed_only_where_asked_for_and_stay_readable() {
    let site = Site::start().await;
    site.put("/experiments/1", Who::Admin, &json!({"name": "device-vibrations", "archived": true})).await;
    let ids = async |path: &str, who| {
        let list = site.get(path, who).await.json();
        list.as_array()
            .unwrap()
            .iter()
            .map(|each| each["experiment_id"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    for (query, admins, peters) in [
        ("", vec![2], vec![]),
        ("?archived=exclude", vec![2], vec![]),
        ("?archived=include", vec![1, 2], vec![1]),
        ("?archived=only", vec![1], vec![1]),
    ] {
        assert_eq!(ids(&format!("/experiments/{query}"), Who::Admin).await, admins, "{query}");
        assert_eq!(ids(&format!("/experiments/{query}"), Who::Peter).await, peters, "{query}");
    }
    site.get("/experiments/?archived=yes", Who::Peter).await.names("archived");
    assert_eq!(site.get("/experiments/1", Who::Peter).await.json()["archived"], true);
    assert_eq!(site.get("/measures/1", Who::Peter).await.json().as_array().unwrap().len(), 10);
    assert_eq!(site.post_nothing("/scientists-experiments/1/S002", Who::Admin).await.status, 201);
}

#[tokio::test]
async fn experiments_are_searched_and_listed_in_pages_by_those_who_may_see_them() {
    let site = Site::start().await;
    for name in ["Ωmega", "ωmega 2", "100%"] {
        site.post("/experiments/", Who::Admin, &json!({"name": name, "description": "Hall 7"})).await;
    }
    site.post_nothing("/scientists-experiments/3/S001", Who::Admin).await;
    let ids = async |path: &str, who| {
        let (mut ids, mut next) = (Vec::new(), Some(path.to_owned()));
        while let Some(path) = next {
            let answer = site.get(&path, who).await;
            let page = answer.json();
            ids.extend(page.as_array().unwrap().iter().map(|each| each["experiment_id"].as_u64().unwrap()));
            let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
            next = link.map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
        }
        ids
    };
    for (query, admins, peters) in [
        ("", vec![1, 2, 3, 4, 5], vec![1, 3]),
        ("?limit=2", vec![1, 2, 3, 4, 5], vec![1, 3]),
        ("?limit=1&search=hall", vec![3, 4, 5], vec![3]),
        ("?search=%CE%A9MEGA", vec![3, 4], vec![3]),
        ("?search=%25", vec![5], vec![]),
        ("?search=_", vec![], vec![]),
        ("?search=-&archived=include&limit=1", vec![1, 2], vec![1]),
    ] {
        assert_eq!(ids(&format!("/experiments/{query}"), Who::Admin).await, admins, "{query}");
        assert_eq!(ids(&format!("/experiments/{query}"), Who::Peter).await, peters, "{query}");
    }
    for (query, field) in [("limit=0", "limit"), ("limit=10001", "limit"), ("cursor=forged", "cursor")] {
        site.get(&format!("/experiments/?{query}"), Who::Peter).await.names(field);
    }
}
