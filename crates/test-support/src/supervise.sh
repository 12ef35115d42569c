# Runs one program for a test, as often as requested, and cleans up when the test has ended.
#
# Arguments: a folder that is the program's own, then the program with its arguments. Standard input
# is a socket: orders come in on it ("start"), and reports go out ("pid N" when the program has
# started, "exit N" when it has ended). It ends when the test process drops the socket or dies, even
# by SIGKILL; then the program is killed and the folder removed. No handler in the test process has
# to run.
#
# When the program has ended, a mark (output.rs) follows what it printed, on both outputs and before
# the report, so that their reader can tell when all of it has arrived.
#
# SUPERVISED_COMPANION may hold the command line of a process that runs as long as this shell does.

folder=$1
shift
running=$folder/.running
companion=

# Descriptor 3: the reports, since a shell gives what it runs in the background no standard input.
# Descriptor 4: the program's standard error; the shell's own remarks ("Killed") are not to be seen
# there.
exec 3>&0 4>&2 2>/dev/null

# When the test has ended, writing fails; that must not end this shell before it has cleaned up.
trap '' PIPE
# Leaving the loop below is all that one of these signals is to do.
trap : HUP INT TERM

if [ -n "${SUPERVISED_COMPANION-}" ]; then
    # Unquoted, to be split into words.
    # shellcheck disable=SC2086
    ${SUPERVISED_COMPANION} </dev/null >/dev/null 3>&- 4>&- &
    companion=$!
fi

# Runs the program once. Its process id is known only when the signals that a shell ignores or lets
# its background processes ignore are back to what a service expects, and it stands in the file
# before the program begins.
run() {
    env --default-signal=INT,QUIT,PIPE sh -c '
        running=$1
        shift
        echo "$$" >"$running"
        echo "pid $$" >&3
        exec "$@" 2>&4 3>&- 4>&-
    ' sh "$running" "$@" </dev/null
    status=$?
    rm -f -- "$running"
    printf '\036end\n'
    printf '\036end\n' >&4
    echo "exit $status" >&3
}

while read -r order; do
    if [ "$order" = start ]; then
        : >"$running"
        run "$@" &
    fi
done

trap '' HUP INT TERM
# The file is there from before the program starts until it has ended, and is empty for a moment
# before it holds the process id.
while [ -e "$running" ]; do
    if read -r pid <"$running" && ! kill -KILL "$pid"; then
        break
    fi
    sleep 0.01
done
[ -z "$companion" ] || kill -KILL "$companion"
wait
rm -rf -- "$folder"
