#!/bin/sh
# Runs every fuzz target of the module for the time given (default 20s), one
# after the other.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
fuzztime=${1:-20s}

grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u | while read -r dir; do
	$GO test -list '^Fuzz' "$dir" | grep '^Fuzz' | while read -r target; do
		echo "fuzz: $dir $target"
		$GO test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "$dir" </dev/null
	done
done
