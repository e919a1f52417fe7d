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

for password in postgres_password postgres_exporter_password grafana_admin_password
do
  if [ ! -s "$folder/$password" ]; then
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > "$folder/$password"
  fi
  chmod 644 "$folder/$password"
done
printf 'postgresql://game:%s@postgres:5432/game' "$(cat "$folder/postgres_password")" \
  > "$folder/database_url"
chmod 644 "$folder/database_url"

echo "$folder: the passwords and database_url are there; grafana_admin_password is that of admin"
for secret in "pagerduty_routing_key: PagerDuty's key" "slack_api_url: the address of Slack's webhook"
do
  file="$folder/alertmanager/${secret%%:*}"
  if [ -s "$file" ]; then
    chmod 644 "$file"
  else
    echo "$file: put ${secret#*: } here to be told by it; what is meant for it is seen on" \
      "http://localhost:9093 alone until then"
  fi
done
