#!/usr/bin/env bash
# status.sh ID: success, failed or running.
folder=.snakemake/generic/$1
read -r process started <"$folder/process"
# Asked before the file, which a job that ends in between has written.
state=$(ps -o stat= -p "$process")
now=$(ps -o lstart= -p "$process")
if [[ -f $folder/status ]]; then
    [[ $(<"$folder/status") == 0 ]] && echo success || echo failed
elif [[ -n $state && $state != Z* && $(echo $now) == $(echo $started) ]]; then
    echo running
else
    echo failed
fi
