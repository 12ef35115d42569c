//! The short form of each `mymonit-chaos` scenario; `docs/chaos.md` describes them.
//!
//! An error names the seed; `MYMONIT_CHAOS_SEED` repeats its run.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::io::Write as _;

use mymonit_chaos::{Form, Report, Scenario, Setting};

async fn run(scenario: Scenario) -> Report {
    let seed = std::env::var("MYMONIT_CHAOS_SEED").map_or_else(
        |_| rand::random(),
        |seed| seed.parse().expect("MYMONIT_CHAOS_SEED must be a whole number"),
    );
    let binary = env!("CARGO_BIN_EXE_mymonit").into();
    let report = scenario.run(&Setting { binary, form: Form::Short, seed }).await;
    let report = report.map_err(|error| format!("{error:#}")).unwrap();
    for remark in &report.remarks {
        // Past the test harness, which would keep it: that a scenario could not be run must be
        // seen.
        let _ = writeln!(std::io::stderr(), "{}: {remark}", scenario.name());
    }
    report
}

/// For scenarios whose messages carry ids, or in which nothing may be delivered again.
async fn exactly_once(scenario: Scenario) {
    let report = run(scenario).await;
    assert_eq!((report.lost, report.doubled), (0, 0), "{report:?}");
}

/// Makes a test of a scenario, named after the fact that it proves.
macro_rules! scenarios {
    ($($fact:ident: $check:ident($scenario:ident)),+ $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $fact() {
            $check(Scenario::$scenario).await;
        }
    )+};
}

scenarios! {
    kills_lose_and_double_nothing: exactly_once(Kills),
    two_processes_killed_in_turn_lose_and_double_nothing: exactly_once(TwoProcesses),
    stops_in_the_middle_of_a_batch_lose_nothing_and_leave_nothing_committed_to_come_again: exactly_once(Stops),
    restarts_and_kills_of_the_database_lose_and_double_nothing: exactly_once(DatabaseRestarts),
    restarts_and_kills_of_the_broker_lose_and_double_nothing: exactly_once(BrokerRestarts),
    kills_of_one_of_three_brokers_lose_and_double_nothing: exactly_once(BrokerCluster),
    a_broken_network_to_the_broker_loses_and_doubles_nothing: exactly_once(BrokerNetwork),
    a_broken_network_to_the_database_loses_and_doubles_nothing: exactly_once(DatabaseNetwork),
    a_read_only_database_loses_and_doubles_nothing: exactly_once(ReadOnly),
    a_full_disk_loses_and_doubles_nothing: exactly_once(FullDisk),
    deadlocks_and_lock_timeouts_lose_and_double_nothing: exactly_once(Locks),
    an_absent_database_takes_no_memory_floods_no_log_and_loses_nothing: exactly_once(Outage),
    fuzzed_messages_are_stored_or_kept_whole_and_good_ones_pass_between_them: exactly_once(Fuzz),
    kills_of_service_and_sealer_lose_and_double_nothing: exactly_once(Sealing),
    publishers_that_declare_exchange_and_queue_never_meet_a_406: exactly_once(Declarations),
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_without_ids_lose_nothing_and_double_only_unacknowledged_messages() {
    let report = run(Scenario::KillsWithoutIds).await;
    assert_eq!(report.lost, 0, "{report:?}");
}
