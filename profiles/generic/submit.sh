#!/usr/bin/env bash
# submit.sh THREADS MEM_MB MINUTES JOBSCRIPT: start a job, print its id.
set -euo pipefail
threads=$1 mem_mb=$2 minutes=$3 script=$4
spool=.snakemake/generic
mkdir -p "$spool"
# Process numbers come back within a long run, so a job has a folder of its own for a name.
folder=$(mktemp -d "$spool/job.XXXXXXXXXX")
export FOLDER=$folder SCRIPT=$script MINUTES=$minutes
setsid bash -c '
    timeout --foreground "${MINUTES}m" bash "$SCRIPT" >"$FOLDER/log" 2>&1
    echo $? >"$FOLDER/code" && mv "$FOLDER/code" "$FOLDER/status"
' >/dev/null 2>&1 </dev/null &
echo "$! $(ps -o lstart= -p $! || true)" >"$folder/process"
echo "${folder##*/} $threads $mem_mb $minutes $script" >>"$spool/submitted"
echo "${folder##*/}"
