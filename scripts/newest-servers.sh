# shellcheck shell=bash
# MySQL and the newest RabbitMQ, of Debian's unstable release (sid): unpacked into target/servers,
# not installed, with their own C library and Erlang. Source it after machine.sh and debian.sh.

# Sets MYMONIT_TEST_SERVERS, the root folder of the servers for the tests (crates/test-support).
need_newest_servers() {
    local servers=$PWD/target/servers packages
    local root=$servers/root list=$servers/packages
    prepare_private_apt "$servers/apt" sid
    # patchelf is for settle_programs.
    local wanted=(mysql-server-core mysql-client-core rabbitmq-server patchelf)
    packages=$("${private_apt_get[@]}" --no-install-recommends --simulate install "${wanted[@]}" | sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1 \2/p')
    [[ $packages == *rabbitmq-server* ]] || fail "Debian's sid cannot install ${wanted[*]} today; it changes daily, so try again later"
    # The unpacked programs hold their absolute path.
    packages+=$'\n'"in $root"
    if [[ ! -f $list || $(<"$list") != "$packages" ]]; then
        say "fetching the newest MySQL and RabbitMQ of Debian"
        rm -rf -- "$list" "$root" "$servers"/apt/archives/*.deb
        "${private_apt_get[@]}" --no-install-recommends --yes --download-only install "${wanted[@]}"
        mkdir -- "$root"
        local package
        for package in "$servers"/apt/archives/*.deb; do
            dpkg-deb --extract "$package" "$root"
        done
        rm -f -- "$servers"/apt/archives/*.deb
        settle_programs "$root"
        printf '%s\n' "$packages" >"$list"
    fi
    export MYMONIT_TEST_SERVERS=$root
    say "the servers are MySQL $(sed -n 's/^mysql-server-core //p' "$list") and RabbitMQ $(sed -n 's/^rabbitmq-server //p' "$list") with Erlang $(sed -n 's/^erlang-base //p' "$list")"
}

# Makes the servers' programs use the loader and libraries beside them, since this machine's may be
# older. Programs that they start (a shell) stay this machine's.
settle_programs() {
    local root=$1 loader libraries file
    loader=$(compgen -G "$root/usr/lib/*-linux-gnu*/ld-linux*.so.*") || fail "there is no loader in $root"
    libraries=$(dirname -- "$loader")
    while IFS= read -r -d '' file; do
        # Only programs have a loader, not libraries and scripts.
        if "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" --print-interpreter "$file" >/dev/null 2>&1; then
            # RPATH: unlike RUNPATH it holds for libraries of libraries.
            "$loader" --library-path "$libraries" "$root/usr/bin/patchelf" --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$file"
        fi
    done < <(find "$root/usr/sbin/mysqld" "$root"/usr/bin/mysql* "$root/usr/lib/erlang" -type f -perm /111 -print0)
    grep --recursive --files-with-matches --binary-files=without-match --null 'ROOTDIR=/usr/lib/erlang' "$root/usr/lib/erlang" |
        xargs --null sed -i "s|ROOTDIR=/usr/lib/erlang|ROOTDIR=$root/usr/lib/erlang|"
}
