use reqwest::Method;
use serde_json::json;

use crate::site::{Site, Who, finish};

#[tokio::test]
async fn an_administrator_manages_publishers() {
    let site = Site::start().await;
    let station = json!({"name": "station-1", "experiments": [1, 2]});
    let body = json!({"name": " station-1 ", "experiments": [2, 1, 2]});
    let answer = site.put("/publishers/station-1", Who::Admin, &body).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, station.clone()));
    let any = json!({"name": "böe", "experiments": null});
    let answer = site.put("/publishers/b%C3%B6e", Who::Admin, &json!({"experiments": null})).await;
    assert_eq!((answer.status.as_u16(), answer.json()), (200, any.clone()));
    assert_eq!(site.get("/publishers/", Who::Admin).await.json(), json!([any, station]));
    assert_eq!(site.get("/publishers/b%C3%B6e", Who::Admin).await.json(), any);

    let none = json!({"name": "station-1", "experiments": []});
    assert_eq!(site.put("/publishers/station-1", Who::Admin, &none).await.json(), none);
    assert_eq!(site.get("/publishers/station-1", Who::Admin).await.json(), none);

    let delete = || site.request(Method::DELETE, "/publishers/station-1", Who::Admin);
    assert_eq!(finish(delete()).await.status, 204);
    finish(delete()).await.problem(404, "not_found");
    site.get("/publishers/station-1", Who::Admin).await.problem(404, "not_found");
    assert_eq!(site.get("/publishers/", Who::Admin).await.json(), json!([any]));
}

#[tokio::test]
async fn a_publisher_that_breaks_a_rule_is_refused_by_field() {
    let site = Site::start().await;
    for (path, body, detail) in [
        ("/publishers/a", json!({}), "`experiments` is missing"),
        ("/publishers/a", json!({"experiments": [1, 99]}), "`experiments` must hold ids of experiments only"),
        ("/publishers/a", json!({"experiments": null, "name": "b"}), "`name` cannot be changed"),
        ("/publishers/%20", json!({"experiments": null}), "`name` must not be blank"),
        ("/publishers/a%0Ab", json!({"experiments": null}), "`name` must not contain control characters"),
    ] {
        let answer = site.put(path, Who::Admin, &body).await;
        assert_eq!(answer.problem(400, "invalid_argument"), detail, "{path} {body}");
    }
    for body in [json!({"experiments": 1}), json!({"experiments": ["1"]}), json!({"experiments": [-1]})] {
        let answer = site.put("/publishers/a", Who::Admin, &body).await;
        let detail = answer.problem(400, "invalid_argument").to_owned();
        assert!(detail.contains("`experiments"), "{detail}");
    }
    let long = format!("/publishers/{}", "%C3%A9".repeat(128));
    let answer = site.put(&long, Who::Admin, &json!({"experiments": null})).await;
    assert_eq!(answer.problem(400, "invalid_argument"), "`name` must have at most 255 bytes");
    site.get(&long, Who::Admin).await.problem(404, "not_found");
    assert_eq!(site.get("/publishers/", Who::Admin).await.json(), json!([]));
}

#[tokio::test]
async fn publishers_are_for_administrators_only() {
    let site = Site::start().await;
    site.get("/publishers/", Who::Peter).await.problem(403, "forbidden");
    for (method, body) in [(Method::GET, None), (Method::DELETE, None), (Method::PUT, Some(()))] {
        let request = site.request(method, "/publishers/a", Who::Peter);
        let request = match body {
            Some(()) => request.json(&json!({"experiments": null})),
            None => request,
        };
        finish(request).await.problem(403, "forbidden");
    }
}
