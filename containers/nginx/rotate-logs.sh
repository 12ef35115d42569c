#!/bin/sh
# Runs beside the server for as long as the container does: begins new log files when the old ones have grown, so that they
# cannot fill the disk. Filebeat follows a file that is renamed to its end. What is older is in Elasticsearch.
#
# The image runs this before it starts the server, and waits until it returns.
set -eu

readonly folder=/var/log/nginx
readonly greatest=$((50 * 1024 * 1024))

rotate_for_ever() {
    while sleep 60; do
        for file in "$folder"/access.json "$folder"/error.log; do
            if [ -f "$file" ] && [ "$(stat -c %s "$file")" -gt "$greatest" ]; then
                mv -f "$file" "$file.1"
                # It opens its files again, and loses no line.
                kill -USR1 "$(cat /tmp/nginx.pid)"
            fi
        done
    done
}

rotate_for_ever &
