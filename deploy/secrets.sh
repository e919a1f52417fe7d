#!/bin/sh
# Makes the secrets that docker-compose.yml mounts, in deploy/secrets or in the folder given.
# What is there stays: the database keeps the password that it was created with. A password of your
# own goes into postgres_password before the first start, in letters and digits: it is part of a URL.
#
# The services run as users without a name on this machine, so the files themselves are readable;
# the folder around them is closed to everybody else.
set -eu

folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder/alertmanager"
chmod 700 "$folder"
chmod 755 "$folder/alertmanager"

if [ ! -s "$folder/postgres_password" ]; then
  od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$folder/postgres_password"
fi
printf 'postgresql://game:%s@postgres:5432/game' "$(cat "$folder/postgres_password")" \
  > "$folder/database_url"
chmod 644 "$folder/postgres_password" "$folder/database_url"

echo "$folder: postgres_password and database_url are there"
if [ ! -s "$folder/alertmanager/pagerduty_routing_key" ]; then
  echo "$folder/alertmanager/pagerduty_routing_key: put PagerDuty's key here to be paged;" \
    "until then alerts are seen on http://localhost:9093 alone"
fi
