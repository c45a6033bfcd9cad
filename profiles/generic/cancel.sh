#!/usr/bin/env bash
# cancel.sh ID...: end the jobs and what they started.
for id in "$@"; do
    folder=.snakemake/generic/$id
    if [[ $("${0%/*}/status.sh" "$id") == running ]]; then
        read -r process _ <"$folder/process"
        kill -- "-$process" 2>/dev/null || true
    fi
done
