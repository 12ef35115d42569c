# shellcheck shell=bash
# Functions about the machine for the scripts at the root of the repository: Debian packages, the
# Rust toolchain, ports. To be sourced.

# The clients of registries retry.
export CARGO_NET_RETRY=${CARGO_NET_RETRY-10} PIP_RETRIES=${PIP_RETRIES-10} PIP_DEFAULT_TIMEOUT=${PIP_DEFAULT_TIMEOUT-60}
export npm_config_fetch_retries=${npm_config_fetch_retries-5}

# The prefix of each line that a script prints.
script_name=$(basename -- "$0")

say() {
    printf '%s: %s\n' "$script_name" "$*"
}

fail() {
    printf '%s: %s\n' "$script_name" "$*" >&2
    exit 1
}

# A program, or the path or pattern of a file, that makes a Debian package unnecessary, also if it
# comes from elsewhere. A package that is not listed here has a program of the same name.
declare -A sign_of_package=(
    [gcc]=cc
    [kubernetes-client]=kubectl
    [libc6-dev]=/usr/include/stdio.h
    [mariadb-client-core]=mariadb
    [mariadb-server-core]=mariadbd
    [mosquitto-clients]=mosquitto_pub
    [nginx-light]=nginx
    [nodejs]=node
    [prometheus]=promtool
    [prometheus-alertmanager]=amtool
    [python3-pika]=/usr/lib/python3/dist-packages/pika/__init__.py
    [python3-venv]='/usr/lib/python3.*/ensurepip/__init__.py'
    [systemd]=systemd-analyze
    [tinyproxy-bin]=tinyproxy
)

# The path of a program; server programs are in folders that an ordinary PATH lacks.
program() {
    PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin command -v "$1"
}

has_package() {
    local sign=${sign_of_package[$1]-$1}
    compgen -G "$sign" >/dev/null || program "$sign" >/dev/null
}

# How to run a command as root. Without a terminal no password can be typed.
root_with=()
if ((EUID != 0)); then
    root_with=(sudo)
    [[ -t 0 ]] || root_with+=(--non-interactive)
fi

as_root() {
    "${root_with[@]}" "$@"
}

# The source of this machine's Debian packages.
debian_mirror() {
    local mirror
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed -n 's|/debian/$|/debian|p' | head --lines=1)
    [[ -n $mirror ]] || fail "this machine has no mirror of Debian among its package sources"
    printf '%s' "$mirror"
}

# Set while our policy file keeps packages from starting their services.
made_policy=

policy_file=/usr/sbin/policy-rc.d

# Debian's packages start their services when they are installed, unless this file forbids it. An
# existing file belongs to the machine and is kept.
forbid_service_starts() {
    [[ ! -e $policy_file ]] || return 0
    made_policy=yes
    # 101: the action is forbidden (invoke-rc.d).
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy_file" >/dev/null && as_root chmod 755 "$policy_file" ||
        {
            made_policy=
            return 1
        }
}

# Removes the policy. To be called on exit as well, in case of Ctrl-C.
allow_service_starts() {
    if [[ -n $made_policy ]]; then
        as_root rm -f -- "$policy_file"
        made_policy=
    fi
}

# The services that would start at the next boot and block the ports of the private ones.
disable_services_of() {
    [[ -d /run/systemd/system ]] || return 0
    case $1 in
        rabbitmq-server)
            as_root systemctl disable --quiet rabbitmq-server.service epmd.socket epmd.service 2>/dev/null || true
            ;;
        nginx-light)
            as_root systemctl disable --quiet nginx.service 2>/dev/null || true
            ;;
        prometheus | prometheus-alertmanager)
            as_root systemctl disable --quiet "$1.service" 2>/dev/null || true
            ;;
    esac
}

# Installs those of the named Debian packages that are missing.
need_packages() {
    local package missing=()
    for package in "$@"; do
        has_package "$package" || missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0

    local by_hand="apt-get install --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null ||
        fail "missing on this machine, which is no Debian: what the Debian packages ${missing[*]} hold"
    ((EUID == 0)) || command -v sudo >/dev/null ||
        fail "missing, and this is neither root nor one who has sudo; please let root run: $by_hand"

    say "installing Debian packages: ${missing[*]}"
    local apt_get=(as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=5)
    forbid_service_starts || fail "cannot become root; please let root run: $by_hand"
    "${apt_get[@]}" update || fail "apt-get update failed"
    "${apt_get[@]}" install --yes --no-install-recommends "${missing[@]}" ||
        fail "the installation failed; please look at what it said, or run: $by_hand"
    allow_service_starts
    for package in "${missing[@]}"; do
        disable_services_of "$package"
    done
}

# Whether this Node.js can build and test the page.
node_is_recent() {
    [[ $(printf '20.19.0\n%s\n' "$(node --version | tr -d v)" | sort --version-sort | head --lines=1) == 20.19.0 ]]
}

# Ensures that Node.js and npm are recent enough. Debian has them from 13 on; elsewhere
# they come from npm's registry, into target/node.
need_node() {
    need_packages nodejs npm
    node_is_recent && return
    local folder=$PWD/target/node package
    package=node-linux-$(node --print process.arch)
    if [[ ! -x $folder/node_modules/.bin/node ]]; then
        say "getting a Node.js that is more recent than $(node --version)"
        mkdir -p -- "$folder"
        npm install --prefix "$folder" --no-save --no-package-lock --ignore-scripts --no-audit --no-fund \
            --loglevel=error "$package@22.23.3" npm@10.9.9 ||
            fail "there is no recent Node.js for this machine; please install Node.js 20.19 or later"
    fi
    PATH=$folder/node_modules/.bin:$PATH
}

# Requires cargo and does not install it: the user chooses the toolchain.
need_cargo() {
    if ! command -v cargo >/dev/null && [[ -x ${CARGO_HOME:-${HOME-}/.cargo}/bin/cargo ]]; then
        PATH=${CARGO_HOME:-${HOME-}/.cargo}/bin:$PATH
    fi
    command -v cargo >/dev/null ||
        fail "cargo is missing; get Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or later from https://rustup.rs"
}

# Ensures the parts of the toolchain that rustup's minimal profile omits.
need_cargo_component() {
    local component=$1 subcommand=$2
    if ! cargo "$subcommand" --version >/dev/null 2>&1; then
        command -v rustup >/dev/null || fail "cargo $subcommand is missing; it is the component $component of a Rust toolchain"
        say "adding $component to the Rust toolchain"
        rustup component add "$component"
    fi
}

# Whether a Docker engine answers.
docker_answers() {
    command -v docker >/dev/null && timeout 10 docker version --format '{{.Server.Version}}' >/dev/null 2>&1
}

# Whether something listens on a port of this machine.
port_is_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

# The first bytes, in hexadecimal, that a port of this machine answers to a greeting in printf's
# notation.
first_bytes() {
    local port=$1 count=$2 greeting=$3
    (
        exec 3<>"/dev/tcp/127.0.0.1/$port"
        # The greeting is a format, to hold bytes of any value.
        # shellcheck disable=SC2059
        printf "$greeting" >&3
        timeout 5 head --bytes="$count" <&3 | od --address-radix=n --format=x1 | tr -d ' \n'
    ) 2>/dev/null || true
}

# Whether the port speaks AMQP 0-9-1: it answers the greeting with a method frame on channel 0.
speaks_amqp() {
    [[ $(first_bytes "$1" 3 'AMQP\x00\x00\x09\x01') == 010000 ]]
}

# Whether the port speaks MySQL's protocol: the server begins, with packet 0 and protocol version
# 10.
speaks_mysql() {
    [[ $(first_bytes "$1" 5 '') == ??????000a ]]
}

# The status of a GET over HTTP, or nothing where there is no answer.
http_status() {
    local host=$1 port=$2 path=$3 version status rest
    (
        exec 3<>"/dev/tcp/$host/$port" || exit 0
        printf 'GET %s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n' "$path" "$host" "$port" >&3
        read -r -t 5 -u 3 version status rest || exit 0
        [[ $version == HTTP/* ]] && printf '%s' "$status"
        : "$rest"
    ) 2>/dev/null || true
}

# A port of this machine that nothing listens on, below those that Linux takes for outgoing
# connections, and none of those that are named because something will: free_port [PORT…].
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12768))
        if [[ " $* " != *" $port "* ]] && ! port_is_open "$port"; then
            printf '%s' "$port"
            return
        fi
    done
}
