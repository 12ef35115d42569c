# shellcheck shell=bash
# Tests the Python client and the guides on a private service and broker. Source it after
# machine.sh, private-servers.sh and contract.sh, in the root of the repository.

readonly client_folder=$PWD/target/python-client

# Installs the packages of clients/python/tests/requirements.txt, unless they are installed.
need_client_packages() {
    local venv=$client_folder/venv wanted=clients/python/tests/requirements.txt
    cmp --quiet -- "$wanted" "$venv/requirements.txt" && return
    say "installing the Python programs of $wanted"
    rm -rf -- "$venv"
    /usr/bin/python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
    cp -- "$wanted" "$venv/requirements.txt"
}

# Builds the wheel of the client and installs it.
install_client() {
    local python=$client_folder/venv/bin/python
    rm -rf -- "$client_folder/dist"
    "$python" -m build --wheel --no-isolation --outdir "$client_folder/dist" clients/python >"$client_folder/build.log" 2>&1 ||
        fail "the wheel cannot be built: $(cat -- "$client_folder/build.log")"
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$client_folder"/dist/*.whl
}

test_python_client() {
    local port folder=$client_folder/servers
    need_client_packages
    cargo build --quiet --locked --package mymonit-app
    say "testing the Python client"
    install_client
    (cd -- clients/python && "$client_folder/venv/bin/mypy" --cache-dir "$client_folder/mypy")
    rm -rf -- "$folder"
    mkdir -p -- "$folder"
    port=$(free_port)
    start_private_rabbitmq "$folder/rabbitmq" "$port"
    # No proxy of this machine between the tests and the service.
    no_proxy=127.0.0.1 MYMONIT_BINARY=$PWD/target/debug/mymonit MYMONIT_BROKER=amqp://guest:guest@127.0.0.1:$port/ \
        MYMONIT_RABBITMQCTL=$folder/rabbitmq/rabbitmqctl MPLCONFIGDIR=$client_folder \
        "$client_folder/venv/bin/python" -m pytest -c clients/python/pyproject.toml -o cache_dir="$client_folder/pytest" clients/python/tests
    stop_private_servers
}
