# shellcheck shell=bash
# Tests the page in a real browser: page/tests starts and stops the servers it needs. Source it
# after machine.sh and page.sh, in the root of the repository; call need_node first.

in_page_tests() {
    npm --prefix page/tests --loglevel=error "$@"
}

# Installs the packages of page/tests/package-lock.json, unless they are installed.
install_page_test_packages() {
    local installed=page/tests/node_modules/.package-lock.json
    if [[ ! -e $installed || page/tests/package-lock.json -nt $installed ]]; then
        say "installing what tries the page in a browser"
        (cd page/tests && npm ci --ignore-scripts --loglevel=error)
    fi
}

test_page_in_browser() {
    install_page_test_packages
    in_page_tests run --silent check
    # The page as it is now, in the binary.
    build_page
    cargo build --quiet --locked --package mymonit-app
    say "trying the page in a browser"
    in_page_tests test
}
