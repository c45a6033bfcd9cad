#!/usr/bin/env bash
# submit.sh THREADS MEM_MB MINUTES JOBSCRIPT: start a job, print its id.
set -euo pipefail
threads=$1 mem_mb=$2 minutes=$3 script=$4
spool=.snakemake/generic
mkdir -p "$spool"
export SPOOL=$spool SCRIPT=$script MINUTES=$minutes
setsid bash -c '
    timeout --foreground "${MINUTES}m" bash "$SCRIPT" >"$SPOOL/$$.log" 2>&1
    echo $? >"$SPOOL/$$.tmp" && mv "$SPOOL/$$.tmp" "$SPOOL/$$.status"
' >/dev/null 2>&1 </dev/null &
echo "$! $threads $mem_mb $minutes $script" >>"$spool/submitted"
echo $!
