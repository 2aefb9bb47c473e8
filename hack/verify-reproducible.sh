#!/usr/bin/env bash
# verify-reproducible.sh: does the commit at hand become the same release wherever, and whenever, it is made?
#
# It is cloned to two folders and made in both: once with Go's cache as it is, once from nothing but the tools.
set -o errexit -o nounset -o pipefail
unset CDPATH

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

first=$work/here second=$work/a/place/elsewhere
for copy in "$first" "$second"; do
	git clone --quiet --no-hardlinks . "$copy"
done
make --no-print-directory --silent -C "$first" release
mkdir "$second/bin"
cp -p "$first"/bin/{cyclonedx-gomod,image,kustomize,release} "$second/bin"
GOCACHE=$work/cache make --no-print-directory --silent -C "$second" release

if ! diff --recursive "$first/dist" "$second/dist"; then
	echo 'the release is another one each time it is made' >&2
	exit 1
fi
cat "$first/dist/checksums.txt"
