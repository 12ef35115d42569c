# shellcheck shell=bash
# Builds and checks the page, which the service then embeds. Source it after machine.sh; call
# need_node first.

in_page() {
    npm --prefix page --loglevel=error "$@"
}

# Installs the packages of page/package-lock.json, unless they are installed.
install_page_packages() {
    local installed=page/node_modules/.package-lock.json
    if [[ ! -e $installed || page/package-lock.json -nt $installed || page/package.json -nt $installed ]]; then
        # In the folder itself, for its .npmrc.
        (cd page && npm ci --loglevel=error)
    fi
}

page_is_built() {
    [[ -e page/dist/index.html ]] &&
        [[ -z $(find page -newer page/dist/index.html -type f \
            -not -path 'page/node_modules/*' -not -path 'page/dist/*' -not -path 'page/tests/*' -print -quit) ]]
}

# Builds the page, unless nothing has changed since it was built.
build_page() {
    page_is_built && return
    say "building the page"
    install_page_packages
    in_page run --silent build -- --logLevel warn
}

# Checks the page, runs its tests without a browser, and builds it.
test_page() {
    say "checking the page"
    install_page_packages
    in_page run --silent check
    in_page run --silent test
    in_page run --silent build -- --logLevel warn
}
