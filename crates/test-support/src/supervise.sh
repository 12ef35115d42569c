# Runs one program for a test, on request repeatedly, and cleans up when the test has ended.
#
# Arguments: the program's folder, then the program with its arguments. Standard input is a socket
# for orders ("start") and reports ("pid N" after a start, "exit N" after an end). When the test
# process drops the socket or dies, even by SIGKILL, the program is killed and the folder removed.
#
# After each end of the program, a marker (output.rs) is printed to both outputs before the report,
# so that the reader knows when all output has arrived.
#
# SUPERVISED_COMPANION may hold the command line of a process that runs as long as this shell does.

folder=$1
shift
running=$folder/.running
companion=

# Descriptor 3: the reports, since background commands of a shell have no standard input.
# Descriptor 4: the program's standard error. The shell's own messages ("Killed") are discarded.
exec 3>&0 4>&2 2>/dev/null

# Writing fails after the end of the test; that must not end this shell before the cleanup.
trap '' PIPE
# These signals only end the loop below.
trap : HUP INT TERM

if [ -n "${SUPERVISED_COMPANION-}" ]; then
    # Unquoted, to be split into words.
    # shellcheck disable=SC2086
    ${SUPERVISED_COMPANION} </dev/null >/dev/null 3>&- 4>&- &
    companion=$!
fi

# Runs the program once. Signals that a shell ignores for background commands are reset first; then
# the process id is written to the file and reported, before the program starts.
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
# The file exists from before the start of the program until its end; it is empty until the process
# id is known.
while [ -e "$running" ]; do
    if read -r pid <"$running" && ! kill -KILL "$pid"; then
        break
    fi
    sleep 0.01
done
[ -z "$companion" ] || kill -KILL "$companion"
wait
rm -rf -- "$folder"
