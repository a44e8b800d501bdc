#!/bin/sh
# Runs every fuzz target of the module for the time given (default 20s), one
# after the other. One that is written and not found is an error.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
fuzztime=${1:-20s}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	targets=$($GO test -list '^Fuzz' "$dir" | grep '^Fuzz')
	written=$(cat "$dir"/*_test.go | grep -c '^func Fuzz')
	if [ "$(echo "$targets" | wc -l)" -ne "$written" ]; then
		echo "fuzz: $dir has $written targets, of which go test finds:" $targets >&2
		exit 1
	fi
	for target in $targets; do
		echo "fuzz: $dir $target"
		$GO test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$dir" </dev/null
	done
done
