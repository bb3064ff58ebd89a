#!/bin/sh
# Make the root file system of a test image, in place within a disk.  Run as root,
# or as root of a user namespace, with these variables:
#
#   BASE      tar of the bootstrapped root
#   OVERLAY   tar of the files to add to it
#   PACKAGES  folder of .deb files to install
#   DISK OFFSET KIB UUID LABEL  where the file system goes (offset in bytes), and its names
#   SCRATCH   a folder to work in
#   HERE      the folder of these scripts
#
# and as arguments the words to put before a command that runs the root's
# programs, ROOT standing for the root (see with-native-tools.sh).
set -eu

root=$SCRATCH/root
trap 'rm -rf --one-file-system "$root"' EXIT
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
unshare --mount --propagation private "$@" sh "$HERE/install-kernel.sh" "$root"
cp "$root/boot/grub/BOOTAA64.EFI" "$SCRATCH/BOOTAA64.EFI"
rm "$root/boot/grub/BOOTAA64.EFI"
cp "$root"/boot/initrd.img-* "$SCRATCH/initrd.img"

echo "kollarm: making the file system" >&2
mke2fs -q -t ext4 -m 1 -L "$LABEL" -U "$UUID" -E "offset=$OFFSET,root_owner=0:0" \
    -d "$root" "$DISK" "${KIB}k"
