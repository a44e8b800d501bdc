#!/bin/sh
# Runs the Go standard library's own tests on the target: the packages of
# std.txt, without the tests that are named there. Arguments go to "gasp test",
# such as -board sabrelite, and then to go test, such as -json; PKGS limits the
# run to packages that match it, a regexp. docs/std.md has what comes out.
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
# -vet=off: the library is not what is tested here.
flags="-short -count=1 -vet=off -timeout 15m"

# packages prints each package with the pattern of what to skip, "-" for
# nothing; not those of which nothing is run. What is below a test is named
# Test/part: a pattern for each level.
packages() {
	awk -F ': *' -v pkgs="$PKGS" '
		/^(#|$)/ || $1 !~ pkgs { next }
		!($1 in skip) { order[++n] = $1; skip[$1] = "" }
		$3 == "*" { none[$1] = 1 }
		{
			split($3, tests, " ")
			for (i in tests) {
				gsub("/", "$/^", tests[i])
				skip[$1] = skip[$1] "|^" tests[i] "$"
			}
		}
		END {
			for (i = 1; i <= n; i++)
				if (!(order[i] in none))
					print order[i], skip[order[i]] == "" ? "-" : substr(skip[order[i]], 2)
		}' "$list"
}

all=$(packages)
whole=$(echo "$all" | awk '$2 == "-" { print $1 }')
if [ -n "$whole" ]; then
	# shellcheck disable=SC2086 # words on purpose
	"$gasp" test "$@" $flags $whole || status=1
fi
# What to skip is a package's own: one run each.
for package in $(echo "$all" | awk '$2 != "-" { print $1 }'); do
	skip=$(echo "$all" | awk -v p="$package" '$1 == p { print $2 }')
	tags= # there is no zoneinfo directory
	[ "$package" != time ] || tags="-tags timetzdata"
	# shellcheck disable=SC2086
	"$gasp" test "$@" $flags $tags -skip "$skip" "$package" || status=1
done
exit $status
