#!/bin/sh
# Checks the form of the source: gofmt, go vet and staticcheck, for the host
# and for the target with the board's build tag. Prints nothing if all is well
# but the names of the steps.
set -eu
cd "$(dirname "$0")/.."
GO=${GO:-go}
BOARDS=${BOARDS:-mx6ulevk sabrelite}

target() {
	GOOS=linux GOARCH=arm GOARM=7 CGO_ENABLED=0 "$@"
}

echo "lint: gofmt"
unformatted=$("$($GO env GOROOT)/bin/gofmt" -l .)
if [ -n "$unformatted" ]; then
	echo "not formatted (run gofmt -w):" >&2
	echo "$unformatted" >&2
	exit 1
fi

echo "lint: go vet"
$GO vet ./...
for board in $BOARDS; do
	echo "lint: go vet, $board"
	target $GO vet -tags "$board" ./...
done

# Built for the host first: "go tool" would build it for the target.
$GO build -o bin/staticcheck honnef.co/go/tools/cmd/staticcheck
echo "lint: staticcheck"
bin/staticcheck ./...
# On the target staticcheck takes for unused (U1000) what only assembly calls.
for board in $BOARDS; do
	echo "lint: staticcheck, $board"
	target bin/staticcheck -checks inherit,-U1000 -tags "$board" ./...
done
