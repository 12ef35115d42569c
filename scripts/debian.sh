# shellcheck shell=bash
# Packages of another release of Debian than this machine's, to be unpacked and not installed. To be sourced after machine.sh.

# Prepares an apt of one's own, which knows one release and nothing of what is installed here, so that what it is asked for comes
# with all that it depends on, down to the C library: prepare_private_apt FOLDER RELEASE. From then on "${private_apt_get[@]}" calls it.
prepare_private_apt() {
    local folder=$1 release=$2
    command -v apt-get >/dev/null || fail "this machine is no Debian, and what is needed comes from Debian's $release"
    mkdir -p -- "$folder/lists/partial" "$folder/archives/partial"
    folder=$(cd -- "$folder" && pwd)
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(debian_mirror) $release main" >"$folder/sources.list"
    : >"$folder/status"
    private_apt_get=(apt-get -qq -o "Dir::Etc::sourcelist=$folder/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$folder/lists"
        -o "Dir::State::status=$folder/status" -o "Dir::Cache=$folder" -o APT::Sandbox::User= -o Acquire::Languages=none
        -o Debug::NoLocking=true -o Acquire::Retries=5)
    "${private_apt_get[@]}" update
}
