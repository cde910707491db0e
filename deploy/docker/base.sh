#!/bin/sh
# Makes the base image of the Dockerfile out of Debian's packages, for machines that can reach a mirror of Debian but no
# registry of images. Needs root, debootstrap and a running Docker. Does nothing where the image is there.
#
#   deploy/docker/base.sh [IMAGE]     default: debian:bookworm-slim
set -eu

image=${1:-debian:bookworm-slim}
mirror=${MIRROR:-http://deb.debian.org/debian}

if docker image inspect "$image" >/dev/null 2>&1; then
    echo "base: $image is there"
    exit 0
fi
for program in debootstrap docker tar; do
    command -v "$program" >/dev/null 2>&1 || { echo "base: $program is missing" >&2; exit 5; }
done
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase bookworm "$root" "$mirror" >"$root.log" 2>&1 || {
    echo "base: debootstrap failed: $root.log" >&2
    exit 5
}
rm -f "$root.log"
# As the slim image does: without what only people or package managers read.
rm -rf "$root"/usr/share/doc/* "$root"/usr/share/man/* "$root"/usr/share/locale/* "$root"/var/cache/apt/* \
    "$root"/var/lib/apt/lists/* "$root"/var/log/*
tar -C "$root" --numeric-owner -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
echo "base: made $image"
