#!/usr/bin/env bash
# Prints Alertmanager's configuration for one place: what all have in common, then who is told there.
set -euo pipefail

usage="usage: assemble.sh PLACE|FILE.yml"
here=$(dirname "$0")
place=${1:?$usage}
case $place in
-h | --help)
	echo "$usage"
	exit
	;;
*.yml) ;;
*) place=$here/places/$place.yml ;;
esac
if [[ ! -r $place ]]; then
	echo "assemble.sh: there is no $place" >&2
	exit 1
fi
if grep -n '^[^#].*EDIT-ME' "$place" >&2; then
	echo "assemble.sh: $place has no values of your own there yet" >&2
	exit 1
fi
cat "$here/alertmanager.yml" "$place"
