use serde_json::{Value, json};

use crate::site::{Site, Who};

fn peter() -> Value {
    json!({
        "user_id": "S001",
        "name": "Peter Higg",
        "username": "uJayGH994iVa2TY5auSNYZoUpwk1",
        "email": "phigg@home.cern",
        "role": "SCIENTIST"
    })
}

fn marie() -> Value {
    json!({
        "user_id": "S/003 é",
        "name": "Marie Curie",
        "username": "marie-uid",
        "email": "mcurie@home.cern",
        "role": "SCIENTIST"
    })
}

#[tokio::test]
async fn an_administrator_lists_all_users() {
    let site = Site::start().await;
    let answer = site.get("/users/", Who::Admin).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let users = answer.json();
    let ids: Vec<_> =
        users.as_array().unwrap().iter().map(|user| user["user_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["A001", "S001", "S002"]);
    assert_eq!(users[1], peter());
}

/// The ids of a list of users, page by page.
async fn pages(site: &Site, path: &str) -> Vec<Vec<String>> {
    let (mut pages, mut next) = (Vec::new(), Some(path.to_owned()));
    while let Some(path) = next {
        let answer = site.get(&path, Who::Admin).await;
        let id = |user: &Value| user["user_id"].as_str().unwrap().to_owned();
        pages.push(answer.json().as_array().unwrap().iter().map(id).collect());
        let link = answer.headers.get("link").map(|link| link.to_str().unwrap().to_owned());
        next = link.map(|link| link.strip_prefix('<').unwrap().split_once('>').unwrap().0.to_owned());
    }
    pages
}

#[tokio::test]
async fn users_are_searched_and_listed_in_pages() {
    let site = Site::start().await;
    assert_eq!(site.post("/users/", Who::Admin, &marie()).await.status, 201);
    for (query, expected) in [
        ("limit=2", vec![vec!["A001", "S/003 é"], vec!["S001", "S002"]]),
        ("limit=4", vec![vec!["A001", "S/003 é", "S001", "S002"]]),
        ("limit=1&search=CERN", vec![vec!["A001"], vec!["S/003 é"], vec!["S001"], vec!["S002"]]),
        ("search=marie%20cur", vec![vec!["S/003 é"]]),
        ("search=%C3%89", vec![vec!["S/003 é"]]),
        ("search=HIRBB", vec![vec!["S002"]]),
        ("search=s00", vec![vec!["S001", "S002"]]),
        ("search=%25", vec![vec![]]),
        ("search=", vec![vec!["A001", "S/003 é", "S001", "S002"]]),
    ] {
        assert_eq!(pages(&site, &format!("/users/?{query}")).await, expected, "{query}");
    }
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=10001", "limit"),
        ("limit=", "limit"),
        ("cursor=forged", "cursor"),
        ("search=a&search=b", "search"),
        ("searhc=a", "searhc"),
    ] {
        site.get(&format!("/users/?{query}"), Who::Admin).await.names(field);
    }
    site.get(&format!("/users/?search={}", "x".repeat(256)), Who::Admin).await.names("search");
    site.get("/users/?search=a&limit=1", Who::Peter).await.problem(403, "forbidden");
}

#[tokio::test]
async fn everybody_reads_the_own_record() {
    let site = Site::start().await;
    assert_eq!(site.get("/users/me", Who::Peter).await.json(), peter());
    assert_eq!(site.get("/users/S001", Who::Peter).await.json(), peter());
    assert_eq!(site.get("/users/S001", Who::Admin).await.json(), peter());
    assert_eq!(site.get("/users/me", Who::Admin).await.json()["role"], "ADMIN");
}

#[tokio::test]
async fn others_records_are_out_of_reach_whether_they_exist_or_not() {
    let site = Site::start().await;
    let other = site.get("/users/S002", Who::Peter).await;
    let absent = site.get("/users/S999", Who::Peter).await;
    assert_eq!(other.problem(403, "forbidden"), absent.problem(403, "forbidden"));
    site.get("/users/", Who::Peter).await.problem(403, "forbidden");
    site.get("/users/S999", Who::Admin).await.problem(404, "not_found");
    site.get("/users/%00", Who::Admin).await.problem(404, "not_found");
}

#[tokio::test]
async fn a_created_user_is_answered_with_its_location_where_it_is_found() {
    let site = Site::start().await;
    let answer = site.post("/users/", Who::Admin, &marie()).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.json(), marie());
    assert_eq!(answer.header("location"), "/users/S%2F003%20%C3%A9");
    assert_eq!(site.get(answer.header("location"), Who::Admin).await.json(), marie());
}

/// Else a change of the own record would reveal which addresses are registered.
#[tokio::test]
async fn an_address_in_use_is_refused_to_scientists_without_the_reason() {
    let site = Site::start().await;
    let mut record = peter();
    record["email"] = "kbouman@home.cern".into();
    let own = site.put("/users/S001", Who::Peter, &record).await.problem(409, "conflict");
    assert_eq!(own, "this `email` cannot be used; ask an administrator");
    let administrators = site.put("/users/S001", Who::Admin, &record).await.problem(409, "conflict");
    assert_eq!(administrators, "`email` is in use");
}

#[tokio::test]
async fn what_is_in_use_is_a_conflict_that_names_the_field() {
    let site = Site::start().await;
    for (field, value) in
        [("user_id", "S001"), ("username", "uJayGH994iVa2TY5auSNYZoUpwk1"), ("email", "PHIGG@home.cern")]
    {
        let mut user = marie();
        user[field] = value.into();
        let detail = site.post("/users/", Who::Admin, &user).await.problem(409, "conflict");
        assert!(detail.contains(&format!("`{field}`")), "{detail}");
    }
}

#[tokio::test]
async fn a_scientist_creates_no_user_however_good_or_bad_the_fields() {
    let site = Site::start().await;
    site.post("/users/", Who::Peter, &marie()).await.problem(403, "forbidden");
    let blank = json!({"user_id": "", "name": "", "username": "", "email": "", "role": ""});
    site.post("/users/", Who::Peter, &blank).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_fetched_user_can_be_put_back() {
    let site = Site::start().await;
    let mut record = site.get("/users/S001", Who::Peter).await.json();
    assert_eq!(site.put("/users/S001", Who::Peter, &record).await.json(), record);
    record["name"] = "  Peter Higgs  ".into();
    let answer = site.put("/users/S001", Who::Peter, &record).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["name"]), (200, &json!("Peter Higgs")));
    assert_eq!(site.get("/users/me", Who::Peter).await.json()["name"], "Peter Higgs");
}

#[tokio::test]
async fn an_update_needs_neither_id_nor_role_and_ignores_other_fields() {
    let site = Site::start().await;
    let update = json!({
        "name": "Peter Higgs", "username": "uJayGH994iVa2TY5auSNYZoUpwk1", "email": "p@home.cern",
        "office": {"building": [40]}
    });
    let answer = site.put("/users/S001", Who::Peter, &update).await;
    assert_eq!(answer.json()["email"], "p@home.cern");
    assert_eq!(answer.json()["role"], "SCIENTIST");
}

#[tokio::test]
async fn id_and_role_cannot_be_changed_nor_the_username_by_a_scientist() {
    let site = Site::start().await;
    for (field, value) in [("user_id", "S009"), ("role", "ADMIN")] {
        let mut record = peter();
        record[field] = value.into();
        site.put("/users/S001", Who::Peter, &record).await.names(field);
        site.put("/users/S001", Who::Admin, &record).await.names(field);
    }
    let mut record = peter();
    record["username"] = "another-uid".into();
    site.put("/users/S001", Who::Peter, &record).await.problem(403, "forbidden");
    assert_eq!(site.put("/users/S001", Who::Admin, &record).await.json()["username"], "another-uid");
    site.put("/users/S999", Who::Admin, &record).await.problem(404, "not_found");
    site.put("/users/S002", Who::Peter, &record).await.problem(403, "forbidden");
}

#[tokio::test]
async fn the_last_administrator_cannot_be_lost_by_another_username() {
    let site = Site::start().await;
    let mut record = site.get("/users/me", Who::Admin).await.json();
    let username = record["username"].clone();
    record["username"] = "mistyped".into();
    let detail = site.put("/users/A001", Who::Admin, &record).await.problem(409, "conflict");
    assert!(detail.contains("last administrator"), "{detail}");
    // Everything else may change.
    (record["username"], record["name"]) = (username, "Al Alcorn".into());
    assert_eq!(site.put("/users/A001", Who::Admin, &record).await.json()["name"], "Al Alcorn");

    let mut second = marie();
    second["role"] = "ADMIN".into();
    assert_eq!(site.post("/users/", Who::Admin, &second).await.status, 201);
    record["username"] = "another-uid".into();
    assert_eq!(site.put("/users/A001", Who::Admin, &record).await.json()["username"], "another-uid");
    site.get("/users/me", Who::Admin).await.problem(403, "forbidden");
}

#[tokio::test]
async fn an_erased_user_is_not_found_and_the_id_stays_taken() {
    let site = Site::start().await;
    let answer = site.delete("/users/S001", Who::Peter).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    site.get("/users/me", Who::Peter).await.problem(403, "forbidden");
    site.get("/users/S001", Who::Admin).await.problem(404, "not_found");
    site.delete("/users/S001", Who::Admin).await.problem(404, "not_found");
    site.post("/users/", Who::Admin, &peter()).await.problem(409, "conflict");
    site.delete("/users/A001", Who::Admin).await.problem(409, "conflict");
    site.delete("/users/S002", Who::Peter).await.problem(403, "forbidden");
}
