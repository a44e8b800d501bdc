#!/bin/sh
# Installs what the tests and the demonstration need besides Go, if this is
# Debian or Ubuntu and we are root. Otherwise says what to install, and fails
# if it is something that nothing works without.
set -eu

missing=
need() { # command, package
	command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
}

need make make
need "${GASP_QEMU:-qemu-system-arm}" qemu-system-arm
need ip iproute2 # Linux as the peer, in a network namespace (root only)
need tcpdump tcpdump # reads what the firmware captured
if ! "$(dirname "$0")/race.sh" 2>/dev/null | grep -q race; then
	missing="$missing gcc libc6-dev"
fi
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
	echo "deps: apt-get install$missing"
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
	exit 0
fi

echo "deps: missing packages; on Debian or Ubuntu, as root: apt-get install$missing" >&2
case "$missing" in
*make* | *qemu*) exit 1 ;;
esac
