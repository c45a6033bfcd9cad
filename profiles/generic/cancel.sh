#!/usr/bin/env bash
# cancel.sh ID...: end the jobs and what they started.
for id in "$@"; do
    kill -- "-$id" 2>/dev/null || true
done
