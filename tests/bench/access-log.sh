#!/usr/bin/env bash
# What the seeds do with grep, awk and sort (003's user metrics review and errors), doing what their authors meant: requests
# that ended in a 5xx by path, and the exact 95th percentile of the time to answer by path.
# usage: access-log.sh FILE
set -euo pipefail
export LC_ALL=C
log=$1

grep -E '" 5[0-9][0-9] [0-9-]+ ' "$log" | awk '{split($7, target, "?"); errors[target[1]]++}
  END {for (path in errors) print "errors", path, errors[path]}'

awk '{split($7, target, "?"); print target[1], $NF}' "$log" | sort -k1,1 -k2,2n | awk '
  function tell() { if (number) { rank = int(number * 0.95); if (rank < number * 0.95) rank++; print "p95", path, times[rank] } }
  $1 != path { tell(); path = $1; number = 0 }
  { times[++number] = $2 }
  END { tell() }'
