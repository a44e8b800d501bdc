#!/bin/sh
# Runs the Go standard library's own tests on the target: the packages of
# std.txt, without the tests that are named there. Arguments go to "gasp test",
# such as -board sabrelite; PKGS limits the run to packages that match it, a
# regexp. docs/std.md has what does not run, and why.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
PKGS=${PKGS:-.}
gasp=$PWD/bin/gasp
list=$PWD/scripts/std.txt

# The tests are those of the toolchain in use, and run where they are.
cd "$($GO env GOROOT)/src"
status=0

# -count=1: a cached result would say nothing of a kernel that has changed.
# -vet=off: the library is not what is tested here. timetzdata: there is no
# zoneinfo directory.
flags="-short -count=1 -vet=off -tags timetzdata -timeout 5m"

# packages lists the packages with (1) or without (0) something to skip.
packages() {
	awk -v some="$1" -v pkgs="$PKGS" '!/^(#|$)/ && ($2 != "-") == some && $1 ~ pkgs { print $1 }' "$list"
}

whole=$(packages 0)
if [ -n "$whole" ]; then
	# shellcheck disable=SC2086 # words on purpose
	"$gasp" test "$@" $flags $whole || status=1
fi
# What to skip is a package's own: one run each.
for package in $(packages 1); do
	skip=$(awk -v p="$package" '$1 == p { print $2 }' "$list")
	# shellcheck disable=SC2086
	"$gasp" test "$@" $flags -skip "$skip" "$package" || status=1
done
exit $status
