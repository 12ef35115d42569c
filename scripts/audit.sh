# shellcheck shell=bash
# Audits the dependencies. Source it after machine.sh and sbom.sh, in the root of the repository;
# need_node comes first.

need_cargo_deny() {
    [[ -x target/audit/bin/cargo-deny ]] && return
    say "building cargo-deny, which takes some minutes"
    cargo install --quiet --locked --root target/audit cargo-deny
}

audit() {
    need_cargo_deny
    say "checking licences, bans and sources"
    target/audit/bin/cargo-deny check licenses bans sources
    say "writing the SBOMs"
    write_sbom target/sbom
    check_sbom target/sbom
    say "checking advisories of crates"
    if target/audit/bin/cargo-deny fetch db; then
        target/audit/bin/cargo-deny check advisories
    else
        say "NOT CHECKED: the advisory database cannot be reached"
    fi
    local folder report
    for folder in page page/tests postman; do
        say "checking advisories of $folder"
        if report=$(npm audit --prefix "$folder" --json 2>&1) || grep --quiet '"auditReportVersion"' <<<"$report"; then
            npm audit --prefix "$folder"
        else
            say "NOT CHECKED: the registry gives no advisories"
        fi
    done
}
