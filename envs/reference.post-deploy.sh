#!/usr/bin/env bash
set -euo pipefail
pip install --no-deps --require-hashes -r envs/reference.lock.txt
