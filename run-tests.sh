#!/usr/bin/env bash
# Installs missing requirements of the tests and runs them.
#
#     ./run-tests.sh                       unit, storage, REST, ingest, adapter, page, Postman and
#                                          Python client tests
#     ./run-tests.sh --full                longer tests and checks of the sources: format, clippy,
#                                          documentation, scripts, containers, Kubernetes, chaos
#                                          scenarios (short), fuzzing, slow tests
#     ./run-tests.sh --chaos [SCENARIO…]   the long form of the chaos scenarios, an hour and a half;
#                                          see docs/chaos.md
#     ./run-tests.sh --audit               licences, sources, SBOMs and advisories of dependencies
#     ./run-tests.sh --newest-servers [ARGUMENT…]
#                                          the Rust tests on MySQL and the newest RabbitMQ, not this
#                                          machine's MariaDB and RabbitMQ; arguments such as
#                                          `-p mymonit-storage` go to `cargo test`
#
# Requires a Rust toolchain (https://rustup.rs) and Debian or Ubuntu. Missing packages are installed
# (root or sudo). The tests start private servers and stop them.
#
# FUZZ_REQUESTS=20000 ./run-tests.sh --full makes that many random requests to the REST API,
# different ones each time.
set -euo pipefail
cd -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")"
# shellcheck source=scripts/machine.sh
source scripts/machine.sh
# shellcheck source=scripts/debian.sh
source scripts/debian.sh
# shellcheck source=scripts/newest-servers.sh
source scripts/newest-servers.sh
# shellcheck source=scripts/private-servers.sh
source scripts/private-servers.sh
# shellcheck source=scripts/contract.sh
source scripts/contract.sh
# shellcheck source=scripts/python-client.sh
source scripts/python-client.sh
# shellcheck source=scripts/page.sh
source scripts/page.sh
# shellcheck source=scripts/browser.sh
source scripts/browser.sh
# shellcheck source=scripts/kubernetes.sh
source scripts/kubernetes.sh
# shellcheck source=scripts/sbom.sh
source scripts/sbom.sh
# shellcheck source=scripts/audit.sh
source scripts/audit.sh

part=${1-}
case $part in
    '' | --full | --audit) (($# < 2)) || fail "$part takes no arguments" ;;
    --chaos | --newest-servers) shift ;;
    *) fail "knows --full, --chaos, --audit and --newest-servers, not $part" ;;
esac

clean_up() {
    set +e
    allow_service_starts
    stop_private_servers
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Tests of mymonit-app that take minutes and belong to --full.
readonly slow_tests=(rolling_restart cancelled_readings)

product_tests() {
    # What completes the adapter's command line and starts it, and reads docs/reading-measures.md.
    need_packages curl fish zsh systemd
    need_packages python3-pika nginx-light prometheus mosquitto-clients tinyproxy-bin python3-venv chromium
    # The service embeds the page.
    test_page
    say "running the Rust tests"
    cargo test --workspace --locked --lib --bins --test it -- "${slow_tests[@]/#/--skip=}"
    start_contract_service
    run_collection
    stop_private_servers
    # With the Firebase Auth emulator.
    install_page_test_packages
    test_python_client
    test_page_in_browser
}

full_tests() {
    need_cargo_component rustfmt fmt
    need_cargo_component clippy clippy
    need_packages nginx-light prometheus prometheus-alertmanager python3-venv python3-pika kubernetes-client shellcheck curl
    say "checking the scripts"
    shellcheck --external-sources ./*.sh .ci/run containers/*.sh containers/*/*.sh containers/smoke-test/stand-ins/*.sh
    say "checking the documentation's links"
    /usr/bin/python3 scripts/check-links.py
    /usr/bin/python3 scripts/import-cycles.py
    /usr/bin/python3 scripts/unused-dependencies.py
    scripts/check-secrets.py
    say "checking the containers"
    containers/check-configuration.sh
    promtool check config containers/prometheus/prometheus.yml
    promtool test rules containers/prometheus/tests/*.yml
    test_kubernetes
    build_page
    say "checking the Rust code"
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --locked -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
    say "running the slow tests"
    cargo test --workspace --locked --test it -- "${slow_tests[@]}"
    say "running the chaos scenarios in their short form"
    cargo test --workspace --locked --test chaos
    start_contract_service
    fuzz_contract
    stop_private_servers
}

need_cargo
need_packages gcc libc6-dev mariadb-server-core mariadb-client-core rabbitmq-server nodejs npm
need_node

case $part in
    '') product_tests ;;
    --full) full_tests ;;
    --audit) audit ;;
    --chaos)
        say "running the chaos scenarios in their long form"
        cargo run --release --locked --package mymonit-chaos -- "$@"
        ;;
    --newest-servers)
        need_packages nginx-light prometheus prometheus-alertmanager python3-pika mosquitto-clients tinyproxy-bin
        need_newest_servers
        containers/check-configuration.sh
        (($# > 0)) || set -- --workspace
        cargo test --locked "$@"
        ;;
esac
say "everything passed"
