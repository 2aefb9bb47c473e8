#!/usr/bin/env bash
# verify-reproducible.sh: does the commit at hand become the same programs wherever, and whenever, it is built?
#
# It is cloned to two folders and built in both: once with Go's cache as it is, once from nothing.
set -o errexit -o nounset -o pipefail
unset CDPATH

cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'chmod -R u+w "$work" && rm -rf "$work"' EXIT

first=$work/here second=$work/a/place/elsewhere
for copy in "$first" "$second"; do
	git clone --quiet --no-hardlinks . "$copy"
done
make --no-print-directory --silent -C "$first" build
GOCACHE=$work/cache make --no-print-directory --silent -C "$second" build

for program in manager kubectl-phonenumbers; do
	if ! cmp "$first/bin/$program" "$second/bin/$program"; then
		echo "$program is another one each time it is built" >&2
		exit 1
	fi
	sha256sum "$first/bin/$program" | sed "s|$first/||"
done
