//! What cannot be undone requires a sign-in within the last hour, as configured in these tests.

use serde_json::json;

use crate::site::{Answer, Site, Who};

fn is_refused(answer: &Answer) {
    let detail = answer.problem(403, "reauthentication_required");
    assert!(detail.contains("sign in again"), "{detail}");
}

#[tokio::test]
async fn a_user_is_erased_after_a_recent_sign_in_only() {
    let site = Site::start().await;
    is_refused(&site.delete("/users/S002", Who::AdminOfLong).await);
    is_refused(&site.delete("/users/S001", Who::PeterOfLong).await);
    assert_eq!(site.get("/users/S002", Who::Admin).await.status, 200);
    // A caller without permission is refused with no more detail.
    site.delete("/users/S002", Who::PeterOfLong).await.problem(403, "forbidden");
    site.delete("/users/S009", Who::AdminOfLong).await.problem(404, "not_found");
    assert_eq!(site.delete("/users/S002", Who::Admin).await.status, 204);
    assert_eq!(site.delete("/users/S001", Who::Peter).await.status, 204);
}

#[tokio::test]
async fn a_username_is_changed_after_a_recent_sign_in_only() {
    let site = Site::start().await;
    let mut user = site.get("/users/S002", Who::Admin).await.json();
    user["name"] = json!("Katie B.");
    assert_eq!(site.put("/users/S002", Who::AdminOfLong, &user).await.status, 200, "no other field wants it");
    user["username"] = json!("another");
    is_refused(&site.put("/users/S002", Who::AdminOfLong, &user).await);
    assert_eq!(site.put("/users/S002", Who::Admin, &user).await.status, 200);
}

#[tokio::test]
async fn a_message_is_discarded_after_a_recent_sign_in_only() {
    let site = Site::start().await;
    is_refused(&site.delete("/rejected-messages/1", Who::AdminOfLong).await);
    site.delete("/rejected-messages/1", Who::PeterOfLong).await.problem(403, "forbidden");
    site.delete("/rejected-messages/1", Who::Admin).await.problem(404, "not_found");
}
