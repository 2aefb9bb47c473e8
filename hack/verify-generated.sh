#!/usr/bin/env bash
# verify-generated.sh PATH...: are the files that `make generate` writes what it would write now?
#
# They are written anew in a copy of the tree, where they are removed first, so that files that nothing generates any
# more are found too. The tree itself is not touched.
set -o errexit -o nounset -o pipefail
unset CDPATH

cd "$(dirname "${BASH_SOURCE[0]}")/.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT

git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
	[[ ! -e $file ]] || printf '%s\0' "$file"
done | tar -c --null -T - -f - | tar -x -C "$copy" -f -
(cd "$copy" && rm -rf "$@")

mkdir -p bin
ln -s "$PWD/bin" "$copy/bin"
make --no-print-directory --silent -C "$copy" generate

stale=0
for path in "$@"; do
	diff --recursive --new-file --unified "$path" "$copy/$path" || stale=1
done
if ((stale)); then
	echo 'generated files are not current: run make generate and commit what it changes' >&2
	exit 1
fi
