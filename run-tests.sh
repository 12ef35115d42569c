#!/usr/bin/env bash
# Installs what the tests need, where it is missing, and runs them all.
#
#     ./run-tests.sh                       all tests
#     ./run-tests.sh --chaos [SCENARIO…]   the long form of the chaos scenarios alone, which takes an hour and a half; see
#                                          docs/chaos.md
#     ./run-tests.sh --newest-servers [ARGUMENT…]
#                                          the Rust tests, with MySQL itself and the newest RabbitMQ in place of this machine's
#                                          MariaDB and RabbitMQ; arguments such as `-p mymonit-storage` go to
#                                          `cargo test`, which runs all of them otherwise
#
# Needed: a Rust toolchain (https://rustup.rs) and, unless the packages are there, Debian or Ubuntu with the right to
# install them (root or sudo). The tests start servers of their own and leave none behind; the services that
# come with the packages are not started.
#
# FUZZ_REQUESTS=20000 ./run-tests.sh makes at least so many requests at random to the REST API instead of the few
# thousand that are the same each time.
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
# shellcheck source=scripts/page.sh
source scripts/page.sh
# shellcheck source=scripts/browser.sh
source scripts/browser.sh
# shellcheck source=scripts/kubernetes.sh
source scripts/kubernetes.sh

part=
case ${1-} in
    --chaos | --newest-servers)
        part=$1
        shift
        ;;
esac
[[ -n $part ]] || (($# == 0)) ||
    fail "takes no arguments, or --chaos [SCENARIO…], or --newest-servers [ARGUMENT…]; without any it runs all tests"

clean_up() {
    set +e
    allow_service_starts
    stop_private_servers
}

trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

need_cargo
need_cargo_component rustfmt fmt
need_cargo_component clippy clippy
need_packages gcc libc6-dev mariadb-server-core mariadb-client-core rabbitmq-server nginx-light prometheus python3-pika shellcheck
# What the readers of docs/reading-measures.md use.
need_packages curl python3-pandas python3-matplotlib
# Who completes the adapter's command line, and who starts it.
need_packages fish zsh systemd
# What tries the REST contract from outside.
need_packages nodejs npm python3-venv
# What the page is tried in.
need_packages chromium
# What renders the manifests of kubernetes/.
need_packages kubernetes-client

if [[ $part == --chaos ]]; then
    say "breaking everything, for long"
    cargo run --release --locked -p mymonit-chaos -- "$@"
    say "everything held"
    exit
fi

if [[ $part == --newest-servers ]]; then
    need_newest_servers
    say "checking the containers with them"
    containers/check-configuration.sh
    say "testing with them"
    (($# > 0)) || set -- --workspace
    cargo test --locked "$@"
    say "everything passed"
    exit
fi

say "checking the scripts"
shellcheck --external-sources ./*.sh .ci/run containers/*.sh containers/*/*.sh containers/smoke-test/stand-ins/*.sh
say "checking the containers"
containers/check-configuration.sh
say "checking the alert rules"
promtool check config containers/prometheus/prometheus.yml
promtool test rules containers/prometheus/tests/*.yml
# Before the service, which carries it.
need_node
test_page
test_kubernetes
say "checking the format"
cargo fmt --all --check
say "checking the code"
cargo clippy --workspace --all-targets --locked -- -D warnings
say "checking the documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
say "testing"
cargo test --workspace --locked
test_contract
test_page_in_browser
say "everything passed"
