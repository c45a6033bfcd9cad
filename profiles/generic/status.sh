#!/usr/bin/env bash
# status.sh ID: success, failed or running.
spool=.snakemake/generic
alive=0
kill -0 "$1" 2>/dev/null && alive=1
if [[ -f $spool/$1.status ]]; then
    [[ $(<"$spool/$1.status") == 0 ]] && echo success || echo failed
elif ((alive)); then
    echo running
else
    echo failed
fi
