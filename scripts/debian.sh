# shellcheck shell=bash
# Packages of another Debian release than this machine's, to unpack and not install. Source it after
# machine.sh.

# prepare_private_apt FOLDER RELEASE: prepares a private apt with one release. It ignores installed
# packages, so it fetches all dependencies, including the C library.
# "${private_apt_get[@]}" calls it.
prepare_private_apt() {
    local folder=$1 release=$2
    command -v apt-get >/dev/null || fail "apt-get is missing; the packages come from Debian's $release"
    mkdir -p -- "$folder/lists/partial" "$folder/archives/partial"
    folder=$(cd -- "$folder" && pwd)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $release main" >"$folder/sources.list"
    : >"$folder/status"
    private_apt_get=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$folder/lists"
        -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder" -o APT::Sandbox::User= -o Acquire::Languages=none
        -o Debug::NoLocking=true -o Acquire::Retries=5)
    "${private_apt_get[@]}" update
}
