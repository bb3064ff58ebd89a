#!/bin/sh
# Make the file systems of a test image, in place within a disk.  Run as root,
# or as root of a user namespace, with these variables:
#
#   BASE      tar of the bootstrapped root
#   OVERLAY   tar of the files to add to it
#   PACKAGES  folder of .deb files to install
#   DISK OFFSET KIB UUID LABEL  where the root goes (offset in bytes), and its names
#   BOOT_OFFSET BOOT_KIB BOOT_UUID BOOT_LABEL  the same for /boot; empty when that is on the root
#   ROOT_NAME  what the kernel is told: LABEL=... or PARTUUID=...
#   VENDOR    the folder of GRUB's configuration on the ESP
#   MENU      the boot loader and its menu, by the name of a script beside this one
#   LOADER    a folder with files of the boot loader that the root doesn't have
#   REPLACED  a package to remove first, as one of the others can't be installed beside it
#   WITHOUT_INITRAMFS  not empty: the menu tries to start without an initramfs first
#   SCRATCH   a folder to work in; its folder esp gets what goes onto the ESP
#   HERE      the folder of these scripts
#
# and as arguments the words to put before a command that runs the root's
# programs, ROOT standing for the root (see with-native-tools.sh).
set -eu

root=$SCRATCH/root
trap 'rm -rf --one-file-system "$root" "$SCRATCH/boot"' EXIT
trap 'exit 1' HUP INT TERM
mkdir "$root"

echo "kollarm: unpacking the root" >&2
# Device nodes can't be made in a user namespace, and devtmpfs brings its own.
tar -C "$root" --exclude='./dev/*' --xattrs --xattrs-include='*' -xpf "$BASE"
tar -C "$root" -xpf "$OVERLAY"

# The arguments' ROOT becomes the path.
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    [ "$word" = ROOT ] && word=$root
    set -- "$@" "$word"
    count=$((count - 1))
done
# Mounted before native programs are mounted over some of the root's.
export WHOLE="$SCRATCH/whole"
mkdir "$WHOLE"
unshare --mount --propagation private sh -c 'mount --bind "$0" "$WHOLE" && exec "$@"' "$root" \
    "$@" sh "$HERE/install-kernel.sh" "$root"

echo "kollarm: making the file systems" >&2
make_file_system() { # LABEL UUID OFFSET KIB FOLDER
    mke2fs -q -t ext4 -m 1 -L "$1" -U "$2" -E "offset=$3,root_owner=0:0" -d "$5" "$DISK" "${4}k"
}
[ -z "$BOOT_UUID" ] ||
    make_file_system "$BOOT_LABEL" "$BOOT_UUID" "$BOOT_OFFSET" "$BOOT_KIB" "$SCRATCH/boot"
make_file_system "$LABEL" "$UUID" "$OFFSET" "$KIB" "$root"
