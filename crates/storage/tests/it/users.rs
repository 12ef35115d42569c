use mymonit_model::{Role, User};
use mymonit_services::ports::{Conflict, Erasure};
use tokio::join;

use crate::database::on_every_engine;
use crate::fixtures::{
    add_experiment, add_user, address, conflict_of, experiments_of, profile, user, user_id, username,
};

on_every_engine! {
    async fn a_user_is_found_as_written_by_id_and_by_username(database: Database) {
        let mut written = user("S001", Role::Scientist);
        let given = profile("Zoë \u{1f600} 黒穴", "uJayGH994iVa2TY5\u{1f600}", "Zoe.黒@Home.CERN");
        (written.name, written.username, written.email) = (given.name, given.username, given.email);
        database.users.insert(&written).await.unwrap();
        assert_eq!(database.users.find(&written.user_id).await.unwrap(), Some(written.clone()));
        let found = database.users.find_by_username(written.username.reveal()).await.unwrap();
        assert_eq!(found, Some(written));
    }

    async fn users_are_listed_by_id(database: Database) {
        for id in ["b", "A001", "a", "Ä", "\u{1f600}", "B"] {
            add_user(&database, id, Role::Scientist).await;
        }
        let listed: Vec<_> = database.users.list().await.unwrap();
        let ids: Vec<_> = listed.iter().map(|user| user.user_id.as_str()).collect();
        assert_eq!(ids, ["A001", "B", "a", "b", "Ä", "\u{1f600}"]);
    }

    async fn pages_of_users_hold_each_once(database: Database) {
        for id in ["b", "A001", "a", "Ä", "\u{1f600}", "B", "erased"] {
            add_user(&database, id, Role::Scientist).await;
        }
        assert_eq!(database.users.erase(&user_id("erased")).await.unwrap(), Erasure::Erased);
        let (mut ids, mut after) = (Vec::new(), None);
        loop {
            let page = database.users.page(after.as_ref(), 2).await.unwrap();
            ids.extend(page.iter().map(|user| user.user_id.to_string()));
            let Some(last) = page.last() else { break };
            after = Some(last.user_id.clone());
        }
        assert_eq!(ids, ["A001", "B", "a", "b", "Ä", "\u{1f600}"]);
    }

    async fn both_roles_are_kept(database: Database) {
        for (id, role) in [("A001", Role::Admin), ("S001", Role::Scientist)] {
            add_user(&database, id, role).await;
            assert_eq!(database.users.find(&user_id(id)).await.unwrap().unwrap().role, role);
        }
    }

    async fn texts_of_the_greatest_length_are_kept(database: Database) {
        let long = |length: usize| "\u{1f600}".repeat(length);
        let mut written = user("x", Role::Scientist);
        written.user_id = user_id(&long(30));
        // The longest parts that an address may have: 64 bytes before the @, 63 in each label. The
        // capital İ has two characters in lower case.
        let email = format!("{}@{}.cern", "é".repeat(32), ["İ".repeat(31).as_str(); 3].join("."));
        let given = profile(&long(100), &long(128), &email);
        (written.name, written.username, written.email) = (given.name, given.username, given.email);
        database.users.insert(&written).await.unwrap();
        assert_eq!(database.users.find(&written.user_id).await.unwrap(), Some(written));
    }

    async fn ids_and_usernames_that_differ_in_case_or_accent_are_different(database: Database) {
        for id in ["s1", "S1", "ś1", "ß", "ss"] {
            add_user(&database, id, Role::Scientist).await;
        }
        for id in ["s1", "S1", "ś1", "ß", "ss"] {
            let found = database.users.find(&user_id(id)).await.unwrap().unwrap();
            assert_eq!(found.user_id.as_str(), id);
            let found = database.users.find_by_username(&username(&format!("uid-{id}"))).await.unwrap();
            assert_eq!(found.unwrap().user_id.as_str(), id);
        }
        assert_eq!(database.users.find_by_username(&username("UID-s1")).await.unwrap(), None);
        assert_eq!(database.users.find(&user_id("SS")).await.unwrap(), None);
    }

    async fn values_in_use_are_refused_by_field(database: Database) {
        add_user(&database, "S001", Role::Scientist).await;
        let used = address("S001");
        let attempt = |id: &str, uid: &str, email: &str| {
            let given = profile("Other", uid, email);
            let User { user_id, role, .. } = user(id, Role::Scientist);
            User { user_id, name: given.name, username: given.username, email: given.email, role }
        };
        for (taken, conflict) in [
            (attempt("S001", "new", "new@home.cern"), Conflict::UserId),
            (attempt("S002", "uid-S001", "new@home.cern"), Conflict::Username),
            (attempt("S002", "new", used.as_str()), Conflict::Email),
            (attempt("S002", "new", &used.as_str().to_uppercase()), Conflict::Email),
        ] {
            assert_eq!(conflict_of(database.users.insert(&taken).await), conflict);
            assert_eq!(database.users.list().await.unwrap().len(), 1);
        }
    }

    async fn a_value_that_looks_like_a_key_name_does_not_hide_the_conflict(database: Database) {
        let mut first = user("S001", Role::Scientist);
        first.username = username("x' for key 'UK_USERS_EMAIL_KEY'").into();
        database.users.insert(&first).await.unwrap();
        let mut second = user("S002", Role::Scientist);
        second.username = first.username;
        assert_eq!(conflict_of(database.users.insert(&second).await), Conflict::Username);
    }

    async fn addresses_are_unique_without_case_beyond_ascii(database: Database) {
        let mut first = user("S001", Role::Scientist);
        first.email = profile("x", "x", "straße.ÉCOLE@home.cern").email;
        database.users.insert(&first).await.unwrap();
        let mut second = user("S002", Role::Scientist);
        second.email = profile("x", "x", "Straße.école@home.cern").email;
        assert_eq!(conflict_of(database.users.insert(&second).await), Conflict::Email);
        second.email = profile("x", "x", "strasse.école@home.cern").email;
        database.users.insert(&second).await.unwrap();
    }

    async fn a_profile_is_replaced_whole_and_keeps_its_own_values(database: Database) {
        add_user(&database, "S001", Role::Scientist).await;
        add_user(&database, "S002", Role::Scientist).await;
        let new = profile("Peter Higgs", "uid-new", "Peter@home.cern");
        assert!(database.users.update(&user_id("S001"), &new).await.unwrap());
        // The same again changes nothing and still finds the user.
        assert!(database.users.update(&user_id("S001"), &new).await.unwrap());
        // The case of the own address can change.
        let shouted = profile("Peter Higgs", "uid-new", "PETER@home.cern");
        assert!(database.users.update(&user_id("S001"), &shouted).await.unwrap());
        let stored = database.users.find(&user_id("S001")).await.unwrap().unwrap();
        assert_eq!((stored.name, stored.username, stored.email), (shouted.name, shouted.username, shouted.email));
        assert_eq!(stored.role, Role::Scientist);
        assert_eq!(database.users.find_by_username(&username("uid-S001")).await.unwrap(), None);
        assert!(!database.users.update(&user_id("S003"), &new).await.unwrap());
    }

    async fn a_profile_cannot_take_what_another_user_has(database: Database) {
        add_user(&database, "S001", Role::Scientist).await;
        let second = add_user(&database, "S002", Role::Scientist).await;
        let id = user_id("S002");
        let taken = database.users.update(&id, &profile("x", "uid-S001", "x@home.cern")).await;
        assert_eq!(conflict_of(taken), Conflict::Username);
        let taken = database.users.update(&id, &profile("x", "x", &address("S001").as_str().to_uppercase())).await;
        assert_eq!(conflict_of(taken), Conflict::Email);
        assert_eq!(database.users.find(&id).await.unwrap(), Some(second));
    }

    async fn an_erased_user_leaves_id_role_and_the_time(database: Database) {
        let erased = add_user(&database, "S001", Role::Scientist).await;
        let other = add_user(&database, "S002", Role::Scientist).await;
        let experiment = add_experiment(&database, "device-vibrations").await;
        for id in ["S001", "S002"] {
            assert!(database.associations.insert(experiment.experiment_id, &user_id(id)).await.unwrap());
        }
        assert_eq!(database.users.erase(&erased.user_id).await.unwrap(), Erasure::Erased);

        assert_eq!(database.users.find(&erased.user_id).await.unwrap(), None);
        assert_eq!(database.users.find_by_username(erased.username.reveal()).await.unwrap(), None);
        assert_eq!(database.users.list().await.unwrap(), std::slice::from_ref(&other));
        assert_eq!(experiments_of(&database, &erased.user_id).await, []);
        let associations = database.associations.list().await.unwrap();
        assert_eq!(associations, [(experiment.experiment_id, other)]);
        let kept = "SELECT COUNT(*) FROM USERS WHERE ID = 'S001' AND ROLE = 2 AND ERASED_AT > 0 \
            AND NAME IS NULL AND USERNAME IS NULL AND EMAIL IS NULL AND EMAIL_KEY IS NULL";
        assert_eq!(database.number(kept).await, 1);
        assert_eq!(database.number("SELECT COUNT(*) FROM USER_EXPERIMENTS WHERE USER_ID = 'S001'").await, 0);
    }

    async fn an_erased_user_can_be_neither_erased_nor_changed_nor_associated(database: Database) {
        let id = add_user(&database, "S001", Role::Scientist).await.user_id;
        let experiment = add_experiment(&database, "device-vibrations").await;
        assert_eq!(database.users.erase(&id).await.unwrap(), Erasure::Erased);
        assert_eq!(database.users.erase(&id).await.unwrap(), Erasure::Absent);
        assert_eq!(database.users.erase(&user_id("S999")).await.unwrap(), Erasure::Absent);
        assert!(!database.users.update(&id, &profile("x", "x", "x@home.cern")).await.unwrap());
        assert!(!database.associations.insert(experiment.experiment_id, &id).await.unwrap());
    }

    async fn the_id_of_an_erased_user_is_used_up_but_username_and_address_are_free(database: Database) {
        let erased = add_user(&database, "S001", Role::Scientist).await;
        database.users.erase(&erased.user_id).await.unwrap();
        assert_eq!(conflict_of(database.users.insert(&erased).await), Conflict::UserId);
        let again = User { user_id: user_id("S002"), ..erased };
        database.users.insert(&again).await.unwrap();
        // Many erased users share their missing names.
        database.users.erase(&again.user_id).await.unwrap();
    }

    async fn the_last_administrator_stays(database: Database) {
        let first = add_user(&database, "A001", Role::Admin).await;
        add_user(&database, "S001", Role::Scientist).await;
        assert_eq!(database.users.erase(&first.user_id).await.unwrap(), Erasure::LastAdministrator);
        assert_eq!(database.users.find(&first.user_id).await.unwrap(), Some(first.clone()));
        add_user(&database, "A002", Role::Admin).await;
        assert_eq!(database.users.erase(&first.user_id).await.unwrap(), Erasure::Erased);
        assert_eq!(database.users.erase(&first.user_id).await.unwrap(), Erasure::Absent);
        assert_eq!(database.users.erase(&user_id("A002")).await.unwrap(), Erasure::LastAdministrator);
    }

    async fn two_administrators_who_erase_each_other_cannot_both_succeed(database: Database) {
        let other = database.other_process();
        other.prepare().await.unwrap();
        let mut left = add_user(&database, "A0", Role::Admin).await;
        for round in 1..=50 {
            let new = add_user(&database, &format!("A{round}"), Role::Admin).await;
            let (one, two) =
                join!(database.users.erase(&left.user_id), other.users.erase(&new.user_id));
            let outcomes = [one.unwrap(), two.unwrap()];
            assert!(
                outcomes == [Erasure::Erased, Erasure::LastAdministrator]
                    || outcomes == [Erasure::LastAdministrator, Erasure::Erased],
                "round {round}: {outcomes:?}"
            );
            let users = database.users.list().await.unwrap();
            assert_eq!(users.len(), 1);
            left = users.into_iter().next().unwrap();
        }
    }

    async fn an_erasure_and_an_association_at_once_leave_no_association(database: Database) {
        let experiment = add_experiment(&database, "device-vibrations").await.experiment_id;
        for round in 0..50 {
            let scientist = add_user(&database, &format!("S{round}"), Role::Scientist).await.user_id;
            let (erased, associated) =
                join!(database.users.erase(&scientist), database.associations.insert(experiment, &scientist));
            assert_eq!(erased.unwrap(), Erasure::Erased);
            associated.unwrap();
            assert_eq!(database.number("SELECT COUNT(*) FROM USER_EXPERIMENTS").await, 0);
        }
    }
}
