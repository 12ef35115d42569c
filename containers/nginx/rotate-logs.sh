#!/bin/sh
# Rotates the log files while the container runs, so that they cannot fill the disk. Filebeat reads
# a renamed file to its end.
#
# The image runs it before the server and waits until it returns.
set -eu

readonly folder=/var/log/nginx
readonly greatest=$((50 * 1024 * 1024))

rotate_logs() {
    while sleep 60; do
        for file in "$folder"/access.json "$folder"/error.log; do
            if [ -f "$file" ] && [ "$(stat -c %s "$file")" -gt "$greatest" ]; then
                mv -f "$file" "$file.1"
                # nginx reopens its files and loses no line.
                kill -USR1 "$(cat /tmp/nginx.pid)"
            fi
        done
    done
}

rotate_logs &
