//! Storage and look-up of API tokens.

use mymonit_model::{ApiTokenId, ApiTokenName, Experiment, ExperimentId, Faceted, Role, Timestamp, User};
use mymonit_services::ports::{
    Access, Conflict, Erasure, Identity, NewApiToken, Order, TokenDigest, TokenGrant, TokenUse,
};
use tokio::join;

use crate::database::{Stores, on_every_engine};
use crate::fixtures::{add_experiment, add_user, all_of, conflict_of, measure, store, user_id};

const LIMIT: u32 = 20;
const EXPIRY: &str = "2026-07-01T12:00:00Z";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn digest(number: u8) -> TokenDigest {
    Faceted::new([number; 32])
}

/// A token by its number, valid for the first half of 2026.
fn token(user: &User, number: u8, experiments: Option<&[ExperimentId]>) -> NewApiToken {
    NewApiToken {
        user_id: user.user_id.clone(),
        name: ApiTokenName::new("nightly").unwrap(),
        digest: digest(number),
        created_at: time("2026-01-01T12:00:00Z"),
        expires_at: time(EXPIRY),
        experiments: experiments.map(<[_]>::to_vec),
    }
}

async fn add(stores: &Stores, token: &NewApiToken) -> ApiTokenId {
    stores.api_tokens.insert(token, LIMIT).await.unwrap().unwrap()
}

/// The identity of a program with that token, in spring 2026.
fn by_token(number: u8) -> Identity {
    Identity::ApiToken(digest(number), time("2026-04-01T00:00:00Z"))
}

async fn find(stores: &Stores, number: u8, at: &str) -> Option<(User, TokenGrant)> {
    stores.users.find_by_token(&digest(number), time(at)).await.unwrap()
}

/// A scientist with access to one of two experiments with measures.
async fn scene(stores: &Stores) -> (User, Experiment, Experiment) {
    let user = add_user(stores, "S001", Role::Scientist).await;
    let (one, two) = (add_experiment(stores, "one").await, add_experiment(stores, "two").await);
    for experiment in [&one, &two] {
        assert!(stores.associations.insert(experiment.experiment_id, &user.user_id).await.unwrap());
        store(stores, vec![measure(experiment.experiment_id.get(), 1, 7, 1.0)]).await;
    }
    (user, one, two)
}

on_every_engine! {
    async fn a_token_finds_its_user_by_its_digest_until_it_expires(database: Database) {
        let (user, one, _) = scene(&database).await;
        let id = add(&database, &token(&user, 1, None)).await;
        let restricted = add(&database, &token(&user, 2, Some(&[one.experiment_id]))).await;
        let grant = |id, experiments| TokenGrant { token: TokenUse { id, last_used_at: None }, experiments };
        // Months pass; the last nanosecond counts.
        for at in ["2026-01-01T12:00:00Z", "2026-04-01T00:00:00Z", "2026-07-01T11:59:59.999999999Z"] {
            assert_eq!(find(&database, 1, at).await, Some((user.clone(), grant(id, None))));
            let experiments = Some(vec![one.experiment_id]);
            assert_eq!(find(&database, 2, at).await, Some((user.clone(), grant(restricted, experiments))));
        }
        for at in [EXPIRY, "2026-07-01T12:00:01Z", "2036-01-01T00:00:00Z"] {
            for number in [1, 2] {
                assert_eq!(find(&database, number, at).await, None);
                let expired = Identity::ApiToken(digest(number), time(at));
                assert_eq!(database.users.access(&expired, one.experiment_id).await.unwrap(), None);
                let query = all_of(1, Order::Ascending);
                assert_eq!(database.measures.page_for(&expired, &query, None, 9).await.unwrap(), None);
            }
        }
        assert_eq!(find(&database, 3, "2026-04-01T00:00:00Z").await, None);
        let digests = "SELECT COUNT(*) FROM API_TOKENS WHERE LENGTH(SECRET_SHA256) = 32";
        assert_eq!(database.number(digests).await, 2);
    }

    async fn a_token_reads_what_its_user_may_within_its_restriction(database: Database) {
        let (user, one, two) = scene(&database).await;
        let other = add_experiment(&database, "other").await;
        let administrator = add_user(&database, "A001", Role::Admin).await;
        let ids = [
            add(&database, &token(&user, 1, None)).await,
            // The association decides as well, when the restriction allows more.
            add(&database, &token(&user, 2, Some(&[one.experiment_id, other.experiment_id]))).await,
            add(&database, &token(&administrator, 3, Some(&[one.experiment_id]))).await,
        ];
        let readable: [&[&Experiment]; 3] = [&[&one, &two], &[&one], &[]];
        for (number, (id, readable)) in (1..).zip(ids.into_iter().zip(readable)) {
            for experiment in [&one, &two, &other] {
                let found = readable.contains(&experiment).then(|| experiment.name.clone());
                let owner = if number == 3 { &administrator } else { &user };
                let access = Access {
                    user_id: owner.user_id.clone(),
                    role: owner.role,
                    experiment: found.clone(),
                    is_flagged: false,
                    token: Some(TokenUse { id, last_used_at: None }),
                };
                let identity = by_token(number);
                let told = database.users.access(&identity, experiment.experiment_id).await.unwrap();
                assert_eq!(told, Some(access.clone()));
                let query = all_of(experiment.experiment_id.get(), Order::Descending);
                let page = database.measures.page_for(&identity, &query, None, 9).await.unwrap();
                let rows = database.measures.page(&query, None, 9).await.unwrap();
                assert_eq!(page, found.map(|_| (access, rows)));
            }
        }
    }

    async fn tokens_are_listed_by_id_with_their_experiments(database: Database) {
        let (user, one, two) = scene(&database).await;
        let first = add(&database, &token(&user, 1, None)).await;
        let second = add(&database, &token(&user, 2, Some(&[two.experiment_id, one.experiment_id]))).await;
        let listed = database.api_tokens.list(&user.user_id).await.unwrap();
        assert_eq!(listed.iter().map(|token| token.id).collect::<Vec<_>>(), [first, second]);
        assert_eq!(listed[0].experiments, None);
        assert_eq!(listed[1].experiments, Some(vec![one.experiment_id, two.experiment_id]));
        assert_eq!((listed[0].name.as_str(), listed[0].expires_at), ("nightly", time(EXPIRY)));
        assert_eq!((listed[0].created_at, listed[0].last_used_at), (time("2026-01-01T12:00:00Z"), None));
        assert_eq!(database.api_tokens.list(&user_id("S002")).await.unwrap(), []);
        // Without its experiments a restricted token reads nothing, rather than everything.
        database.execute("DELETE FROM API_TOKEN_EXPERIMENTS").await;
        assert_eq!(database.api_tokens.list(&user.user_id).await.unwrap()[1].experiments, Some(vec![]));
        let found = database.users.access(&by_token(2), one.experiment_id).await.unwrap().unwrap();
        assert_eq!(found.experiment, None);
    }

    async fn another_process_sees_a_revocation_at_once(database: Database) {
        let (user, one, _) = scene(&database).await;
        let other = add_user(&database, "S002", Role::Scientist).await;
        let id = add(&database, &token(&user, 1, Some(&[one.experiment_id]))).await;
        let process = database.other_process();
        process.attach().await.unwrap();
        let query = all_of(one.experiment_id.get(), Order::Ascending);
        assert!(process.measures.page_for(&by_token(1), &query, None, 9).await.unwrap().is_some());
        assert!(!database.api_tokens.delete(&other.user_id, id).await.unwrap());
        assert!(find(&process, 1, "2026-04-01T00:00:00Z").await.is_some());
        assert!(database.api_tokens.delete(&user.user_id, id).await.unwrap());
        assert_eq!(process.measures.page_for(&by_token(1), &query, None, 9).await.unwrap(), None);
        assert_eq!(process.users.access(&by_token(1), one.experiment_id).await.unwrap(), None);
        assert_eq!(find(&process, 1, "2026-04-01T00:00:00Z").await, None);
        assert!(!database.api_tokens.delete(&user.user_id, id).await.unwrap());
        assert!(!database.api_tokens.delete(&user.user_id, ApiTokenId::new(u64::MAX)).await.unwrap());
        assert_eq!(database.number("SELECT COUNT(*) FROM API_TOKEN_EXPERIMENTS").await, 0);
        // A number is not given twice.
        assert!(add(&database, &token(&user, 1, None)).await > id);
    }

    async fn an_erasure_takes_the_tokens_with_it(database: Database) {
        let (user, one, _) = scene(&database).await;
        let other = add_user(&database, "S002", Role::Scientist).await;
        add(&database, &token(&user, 1, Some(&[one.experiment_id]))).await;
        add(&database, &token(&other, 2, None)).await;
        assert_eq!(database.users.erase(&user.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(find(&database, 1, "2026-04-01T00:00:00Z").await, None);
        assert!(find(&database, 2, "2026-04-01T00:00:00Z").await.is_some());
        assert_eq!(database.number("SELECT COUNT(*) FROM API_TOKENS").await, 1);
        assert_eq!(database.number("SELECT COUNT(*) FROM API_TOKEN_EXPERIMENTS").await, 0);
        let late = database.api_tokens.insert(&token(&user, 3, None), LIMIT).await.unwrap();
        assert_eq!(late, None);
        let unknown = NewApiToken { user_id: user_id("S999"), ..token(&other, 3, None) };
        assert_eq!(database.api_tokens.insert(&unknown, LIMIT).await.unwrap(), None);
    }

    async fn a_user_has_no_more_tokens_than_the_limit_also_at_the_same_moment(database: Database) {
        let user = add_user(&database, "S001", Role::Scientist).await;
        let other = add_user(&database, "S002", Role::Scientist).await;
        for number in 1..=19 {
            add(&database, &token(&user, number, None)).await;
        }
        let (one, two) = (token(&user, 20, None), token(&user, 21, None));
        let (one, two) =
            join!(database.api_tokens.insert(&one, LIMIT), database.api_tokens.insert(&two, LIMIT));
        assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
        assert_eq!(conflict_of(if one.is_ok() { two } else { one }), Conflict::TooManyApiTokens);
        assert_eq!(database.api_tokens.list(&user.user_id).await.unwrap().len(), 20);
        add(&database, &token(&other, 22, None)).await;
    }

    async fn the_last_use_goes_forward_only(database: Database) {
        let user = add_user(&database, "S001", Role::Scientist).await;
        let id = add(&database, &token(&user, 1, None)).await;
        let noted = async || {
            let (_, grant) = find(&database, 1, "2026-04-01T00:00:00Z").await.unwrap();
            let access = database.users.access(&by_token(1), ExperimentId::new(1)).await.unwrap().unwrap();
            assert_eq!(access.token, Some(grant.token));
            let listed = database.api_tokens.list(&user.user_id).await.unwrap();
            assert_eq!(listed[0].last_used_at, grant.token.last_used_at);
            grant.token.last_used_at
        };
        assert_eq!(noted().await, None);
        let (noon, one) = (time("2026-04-01T12:00:00Z"), time("2026-04-01T13:00:00Z"));
        database.api_tokens.note_use(id, one).await.unwrap();
        assert_eq!(noted().await, Some(one));
        database.api_tokens.note_use(id, noon).await.unwrap();
        assert_eq!(noted().await, Some(one));
        database.api_tokens.note_use(ApiTokenId::new(99), one).await.unwrap();
    }
}
