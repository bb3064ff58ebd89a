#!/bin/sh
# mmdebstrap extract hook: unpack and configure a root's packages.
#
#   configure-root.sh ROOT [NATIVE TRIPLET LOADER]
#
#   ROOT  its /proc, /sys and /dev are mounted, and the packages lie in its
#         var/cache/apt/archives; its architecture may not be this machine's
#   NATIVE, TRIPLET, LOADER  see with-native-tools.sh; given for a foreign root
#
# The host's own dpkg does the unpacking. Configuring is left to the root's: a dpkg
# takes packages "for all architectures" for its own, and would look for what they
# depend on there.
set -eu

root=$1 native=${2:-} triplet=${3:-} loader=${4:-}
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin

# Inside the root, where nobody else can put a link in its place.
log=$root/.kollarm-dpkg.log
trap 'rm -f "$log"' EXIT
trap 'exit 1' HUP INT TERM

give_up() {
    echo "kollarm: dpkg failed; its last words:" >&2
    tail -n 30 "$log" >&2
    exit 1
}

# The database starts empty: mmdebstrap has only extracted the files.
: >"$root/var/lib/dpkg/status"
# No service may start in a root that isn't running.
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"

# Runs a command; for a foreign root with native programs in the place of its own.
quickly() {
    if [ -n "$native" ]; then
        set -- sh "${0%/*}/with-native-tools.sh" "$root" "$native" "$triplet" "$loader" "$@"
    fi
    plainly "$@"
}

plainly() {
    "$@" >"$log" 2>&1
}

# $1 of both: how it is run.
# --log: the host's own dpkg.log is none of this root's business.
# depends: apt resolved the set, all that a package pre-depends on comes, if later than it.
unpack() {
    how=$1
    shift
    "$how" dpkg --root="$root" --log=/dev/null --force-architecture --force-unsafe-io \
        --force-confnew --force-depends --unpack "$@"
}

configure() {
    "$1" chroot "$root" dpkg --force-unsafe-io --force-confnew --configure -a
}

archives=$root/var/cache/apt/archives
echo "kollarm: unpacking" >&2
# First what the native programs will stand in for.
set --
for deb in "$archives"/*.deb; do
    if [ "$(dpkg-deb --field "$deb" Essential)" = yes ]; then
        set -- "$@" "$deb"
    fi
done
unpack plainly "$@" || give_up
rm "$@"
unpack quickly --recursive "$archives" || give_up

echo "kollarm: configuring" >&2
if ! configure quickly; then
    [ -n "$native" ] || give_up
    # A script that needs the root's own programs after all: dpkg goes on where it stopped.
    echo "kollarm: configuring the rest under emulation" >&2
    grep -E '^dpkg: error|^E: ' "$log" >&2 || true
    configure plainly || give_up
fi

rm "$root/usr/sbin/policy-rc.d"
# mmdebstrap numbers the sources file it copies in.
mv "$root"/etc/apt/sources.list.d/0000*.sources "$root/etc/apt/sources.list.d/debian.sources"
faults=$(chroot "$root" dpkg --audit 2>&1) || true
if [ -n "$faults" ]; then
    echo "kollarm: dpkg --audit reports" >&2
    echo "$faults" >&2
    exit 1
fi
