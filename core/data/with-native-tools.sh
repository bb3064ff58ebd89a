#!/bin/sh
# Run a command while a foreign root's programs are stood in for by native ones.
#
#   with-native-tools.sh ROOT NATIVE TRIPLET LOADER COMMAND...
#
#   ROOT     a Debian root of another architecture than this machine's
#   NATIVE   an unpacked root of the same suite, of this machine's architecture
#   TRIPLET  that architecture's multiarch name (x86_64-linux-gnu)
#   LOADER   where its programs look for their loader (/lib64/ld-linux-x86-64.so.2)
#
# Most of the time of an emulated maintainer script goes into interpreters (sh,
# perl, python) and small tools whose result is the same on every architecture.
# Debian's multiarch layout has room for a second architecture's libraries, so
# the native programs are mounted over the foreign ones, in a mount namespace
# that ends with the command: the root's own files never change.
set -eu

root=$1 native=$2 triplet=$3 loader=$4
shift 4

# Inside the namespace.
if [ "${KOLLARM_GRAFT:-}" = inside ]; then
    unset KOLLARM_GRAFT
    # Only interpreters, filters and makers of data, whose result is the same on every
    # architecture. Never: programs whose answer is the architecture's (uname, dpkg), or
    # that are themselves copied somewhere, such as into an initramfs (kmod, udevadm, blkid).
    names='dash|bash|perl(5[0-9.]+)?|python3[0-9.]*|sed|grep|mawk|find|xargs|sort|tr|cut|head|tail|
        |cat|cp|mv|rm|ln|ls|mkdir|rmdir|mktemp|touch|chmod|chown|chgrp|stat|readlink|realpath|
        |basename|dirname|expr|id|wc|uniq|date|env|install|md5sum|sha256sum|cmp|diff|
        |tar|gzip|xz|zstd|cpio|openssl|ssh-keygen|localedef|systemctl|systemd-hwdb|
        |systemd-sysusers|journalctl|deb-systemd-helper'
    names=$(echo "$names" | tr -d '\n ' | sed 's/||/|/g')
    mount --bind "$native/usr/lib/$triplet" "$root/usr/lib/$triplet"
    # A root with perl-base alone must not find the compiled half of perl's other modules.
    if [ ! -d "$root/usr/share/perl" ] && [ -d "$root/usr/lib/$triplet/perl" ]; then
        mount -t tmpfs tmpfs "$root/usr/lib/$triplet/perl"
    fi
    # Only programs that dpkg has unpacked: it can't put a file where something is mounted.
    (cd "$native" && find usr/bin usr/sbin -type f -printf '/%p\n') |
        grep -E "/($names)\$" | grep -xFf - -h "$root"/var/lib/dpkg/info/*.list | sort -u |
        while read -r program; do
            if [ -f "$root$program" ] && [ ! -L "$root$program" ] &&
                [ "$(head -c 4 "$native$program" | tr -d '\0')" = "$(printf '\177ELF')" ]; then
                mount --bind "$native$program" "$root$program"
            fi
        done
    exec "$@"
fi

# What a root of one architecture doesn't have: a mount point and a loader.
remove() {
    rm -f "$root$loader"
    if [ -n "$made_lib64" ]; then
        rm "$root/lib64"
        rmdir "$root/usr/lib64"
    fi
    rmdir "$root/usr/lib/$triplet"
}
made_lib64=
mkdir "$root/usr/lib/$triplet"
trap remove EXIT
trap 'exit 1' HUP INT TERM
if [ "${loader%/*}" = /lib64 ] && [ ! -e "$root/lib64" ]; then
    mkdir "$root/usr/lib64"
    ln -s usr/lib64 "$root/lib64"
    made_lib64=yes
fi
ln -s "/usr/lib/$triplet/${loader##*/}" "$root$loader"
KOLLARM_GRAFT=inside unshare --mount --propagation private \
    sh "$0" "$root" "$native" "$triplet" "$loader" "$@"
