# shellcheck shell=bash
# Writes SBOMs of the programs and the page, as CycloneDX. Source it after machine.sh, in
# the root of the repository; need_cargo and need_node come first.

# The programs, by the folders of their crates.
readonly sbom_crates=(app adapters)

need_cargo_cyclonedx() {
    [[ -x target/audit/bin/cargo-cyclonedx ]] && return
    say "building cargo-cyclonedx, which takes some minutes"
    cargo install --quiet --locked --root target/audit cargo-cyclonedx
}

# write_sbom FOLDER
write_sbom() {
    local folder=$1 crate
    need_cargo_cyclonedx
    mkdir -p -- "$folder"
    # It writes a file beside every manifest.
    target/audit/bin/cargo-cyclonedx cyclonedx --quiet --format json
    for crate in "${sbom_crates[@]}"; do
        mv -- "crates/$crate/mymonit-$crate.cdx.json" "$folder/"
    done
    rm -f -- crates/*/*.cdx.json
    npm sbom --prefix page --package-lock-only --omit dev --sbom-format cyclonedx >"$folder/mymonit-page.cdx.json"
    say "wrote $folder/mymonit-{app,adapters,page}.cdx.json"
}

# Whether each crate that a program is linked with is in its file: check_sbom FOLDER
check_sbom() {
    local crate
    for crate in "${sbom_crates[@]}"; do
        cargo tree --locked --package "mymonit-$crate" --edges normal --prefix none --format '{p}' | cut --delimiter=' ' --fields=1 | sort --unique |
            python3 -c 'import json, sys
listed = {one["name"] for one in json.load(open(sys.argv[1]))["components"]}
missing = {line.strip() for line in sys.stdin} - listed - {sys.argv[2]}
sys.exit(f"{sys.argv[1]} lacks {sorted(missing)}" if missing or len(listed) < 50 else 0)' "$1/mymonit-$crate.cdx.json" "mymonit-$crate" ||
            fail "the SBOM is not whole"
    done
}
