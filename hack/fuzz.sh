#!/usr/bin/env bash
# fuzz.sh DURATION: runs every fuzz target for so long, one after the other. The first that fails ends it; what made it fail
# stays in the testdata/fuzz of its package, and is a test from then on.
set -o errexit -o nounset -o pipefail
unset CDPATH

cd "$(dirname "${BASH_SOURCE[0]}")/.."
for package in $(go list ./...); do
	targets=$(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true)
	for target in $targets; do
		printf '=== %s of %s for %s\n' "$target" "$package" "$1"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" "$package"
	done
done
