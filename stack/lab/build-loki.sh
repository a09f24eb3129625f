#!/bin/sh
# Builds an image of Loki as its maker's official one is: one program, and a user of its
# own. Runs as root inside the lab's root file system, as build-image.sh, with the cache
# of the lab at /watchers.
#
# usage: build-loki.sh IMAGE TIMESTAMP PROGRAM
set -eu
image=$1 timestamp=$2 program=$3

root=/run/loki-root
mkdir -p "$root/usr/bin" "$root/tmp" /run/empty
cp "/watchers/$program" "$root/usr/bin/loki"
chmod 1777 "$root/tmp"

container=$(buildah from scratch)
buildah copy -q "$container" "$root" / >/dev/null
# A new volume gets its owner from the folder that it covers.
buildah copy -q --chown 10001:10001 "$container" /run/empty /loki >/dev/null
buildah config --env PATH=/usr/bin --user 10001:10001 --entrypoint '["loki"]' "$container"
buildah commit -q --format docker --timestamp "$timestamp" "$container" "$image" >&2
buildah push -q --tls-verify=false --digestfile /run/digest "$image" >&2
printf '%s@%s\n' "${image%:*}" "$(cat /run/digest)"
