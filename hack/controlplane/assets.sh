#!/usr/bin/env bash
# Prints a folder that holds etcd and kube-apiserver, the control plane of `make run` and `make test`.
#
# In this order: $KUBEBUILDER_ASSETS; what an earlier run left under bin/; a download by setup-envtest; a build from Go
# modules, with the versions that go.mod beside this file pins. Only the folder goes to standard output.
set -o errexit -o nounset -o pipefail
unset CDPATH GOOS GOARCH GOWORK

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
built=$root/bin/k8s
downloaded=$root/bin/envtest

# pinned MODULE: its version in go.mod, such as v1.37.0.
pinned() { awk -v module="$1" '$1 == module && $2 ~ /^v/ { print $2; exit }' "$here/go.mod"; }

kubernetes=$(pinned k8s.io/kubernetes)
etcd=$(pinned go.etcd.io/etcd/server/v3)
[[ $kubernetes == v*.*.* && $etcd == v*.*.* ]] || {
	echo "$here/go.mod pins no version of k8s.io/kubernetes and go.etcd.io/etcd/server/v3" >&2
	exit 1
}
minor=${kubernetes#v}
minor=${minor%.*}

say() { printf '%s\n' "control plane: $*" >&2; }

# version FILE: the first line of what the program says about itself; empty if it does not run here.
version() {
	local text
	text=$("$1" --version 2>/dev/null) || return 0
	printf '%s\n' "${text%%$'\n'*}"
}

has_etcd() { [[ $(version "$built/etcd") == "etcd Version: ${etcd#v}" ]]; }
has_apiserver() { [[ $(version "$built/kube-apiserver") == "Kubernetes $kubernetes" ]]; }

# holds_both FOLDER: some release of etcd and of kube-apiserver is there and runs here.
holds_both() { [[ $(version "$1/etcd") == 'etcd Version: '* && $(version "$1/kube-apiserver") == 'Kubernetes v'* ]]; }

# bounded SECONDS COMMAND...: ends the command after that time. macOS has no timeout(1).
bounded() (
	end=$((SECONDS + $1))
	shift
	"$@" &
	trap 'kill $! 2>/dev/null; exit 130' INT TERM
	while kill -0 $! 2>/dev/null; do
		((SECONDS < end)) || kill $!
		sleep 0.2
	done
	wait $!
)

setup_envtest() {
	local tool=$root/bin/setup-envtest
	[[ -x $tool && ! $root/hack/tools/go.mod -nt $tool ]] ||
		go build -C "$root/hack/tools" -o "$tool" sigs.k8s.io/controller-runtime/tools/setup-envtest
	bounded "$1" "$tool" --bin-dir "$downloaded" "${@:2}"
}

# download: prints the folder of the released binaries, or fails. The short first call finds out whether they can be had
# from here at all; the second has time for a slow line.
download() {
	setup_envtest 20 list >/dev/null && setup_envtest 600 use "$minor.x" --print path
}

# progress TOTAL: reads the packages that go build names, one a line, and shows how far it is: one line that changes on
# a terminal, a line every 30 s elsewhere. Lines with a blank in them are messages and pass through.
progress() {
	local total=$1 done=0 line next=$((SECONDS + 30))
	while IFS= read -r line; do
		if [[ $line == *[[:blank:]]* ]]; then
			[[ $line == 'go: downloading '* ]] || printf '%s\n' "$line" >&2
		elif ((++done)); then
			:
		fi
		if [[ -t 2 ]]; then
			printf '\rcontrol plane: %d of %d packages compiled' "$done" "$total" >&2
		elif ((SECONDS >= next)); then
			say "$done of $total packages compiled"
			next=$((SECONDS + 30))
		fi
	done
	[[ ! -t 2 ]] || printf '\r\033[K' >&2
}

# build NAME PACKAGE LDFLAGS: compiles a program into bin/k8s, in one step as others see it.
build() {
	local name=$1 package=$2 start=$SECONDS total
	local flags=(-trimpath -ldflags "-s -w $3")
	temporary=$built/.$name.$$
	total=$(go list -C "$here" -deps "${flags[@]}" -f '{{if .Stale}}{{.ImportPath}}{{end}}' "$package" | wc -l)
	say "building $name ($((total)) packages to compile)"
	go build -C "$here" -v "${flags[@]}" -o "$temporary" "$package" 2>&1 | progress "$total"
	mv -f "$temporary" "$built/$name"
	say "built $name in $((SECONDS - start)) s"
}

if [[ -n ${KUBEBUILDER_ASSETS:-} ]]; then
	if holds_both "$KUBEBUILDER_ASSETS"; then
		cd "$KUBEBUILDER_ASSETS" && pwd
		exit
	fi
	say "KUBEBUILDER_ASSETS=$KUBEBUILDER_ASSETS does not hold etcd and kube-apiserver; looking elsewhere"
fi

if has_etcd && has_apiserver; then
	echo "$built"
	exit
fi

for folder in "$downloaded"/k8s/"$minor".*; do
	if holds_both "$folder"; then
		echo "$folder"
		exit
	fi
done

command -v go >/dev/null || {
	say 'needs Go: see https://go.dev/doc/install'
	exit 1
}

say "trying to download etcd and kube-apiserver $minor, once, into bin/envtest"
if folder=$(download 2>/dev/null) && holds_both "$folder"; then
	echo "$folder"
	exit
fi

say "no download to be had from here, so etcd $etcd and Kubernetes $kubernetes are built from Go modules, once, into bin/k8s"
say 'this takes about five minutes on two cores; if it is interrupted, it goes on where it stopped'
temporary=
trap '[[ -z $temporary ]] || rm -f "$temporary"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
mkdir -p "$built"
export CGO_ENABLED=0
has_etcd || build etcd go.etcd.io/etcd/server/v3 ''
IFS=. read -r major minor_number _ <<<"${kubernetes#v}"
package=k8s.io/component-base/version
has_apiserver || build kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver \
	"-X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor_number -X $package.gitTreeState=clean"
if ! has_etcd || ! has_apiserver; then
	say 'the programs that were built do not run here'
	exit 1
fi
echo "$built"
