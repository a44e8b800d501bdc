#!/bin/sh
# Prints -race if the race detector works here, which needs a C compiler and
# its C library. Otherwise says on stderr that it is left out.
set -eu
GO=${GO:-go}

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
echo '#include <stdlib.h>
int main(void) { return EXIT_SUCCESS; }' >"$dir/a.c"
if [ "$($GO env CGO_ENABLED)" = 1 ] && $($GO env CC) -o "$dir/a" "$dir/a.c" 2>/dev/null; then
	echo -race
else
	echo "WARNING: no working C compiler, so tests run WITHOUT the race detector (Debian: apt-get install gcc libc6-dev)" >&2
fi
