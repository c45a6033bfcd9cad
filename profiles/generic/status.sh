#!/usr/bin/env bash
# status.sh ID: success, failed or running.
spool=.snakemake/generic
# Asked before the file, which a job that ends in between has written.
state=$(ps -o stat= -p "$1")
if [[ -f $spool/$1.status ]]; then
    [[ $(<"$spool/$1.status") == 0 ]] && echo success || echo failed
elif [[ -n $state && $state != Z* ]]; then
    echo running
else
    echo failed
fi
