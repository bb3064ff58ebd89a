#!/bin/sh
# Install the kernel's packages and the boot loader's files into the root $1.  Its
# programs can be run; the mount namespace is this script's own.  See fill-root.sh.
set -eu

root=$1
export DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true
export LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin

mount --rbind /proc "$root/proc"
mount --rbind /sys "$root/sys"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"

# The root is no device yet; grub-mkconfig gets the answers that the finished disk will give.
sed "s/@UUID@/$UUID/" "$HERE/grub-probe.sh" >"$root/run/grub-probe"
chmod 755 "$root/run/grub-probe"
mount --bind "$root/run/grub-probe" "$root/usr/sbin/grub-probe"

echo "kollarm: installing the kernel" >&2
dpkg --root="$root" --log=/dev/null --force-architecture --force-unsafe-io \
    --force-depends --unpack "$PACKAGES"/*.deb >&2
chroot "$root" dpkg --force-unsafe-io --configure -a >&2

echo "kollarm: boot loader" >&2
mkdir -p "$root/boot/grub/arm64-efi" "$root/boot/efi"
cp "$root"/usr/lib/grub/arm64-efi/*.mod "$root"/usr/lib/grub/arm64-efi/*.lst \
    "$root/boot/grub/arm64-efi"
chroot "$root" grub-mkimage -O arm64-efi -p /EFI/ubuntu -o /boot/grub/BOOTAA64.EFI \
    part_gpt fat ext2 normal configfile search search_fs_uuid search_label linux gzio echo \
    test true serial terminal all_video loadenv
chroot "$root" grub-editenv /boot/grub/grubenv create
chroot "$root" update-grub >&2
# As Ubuntu's image builds do: the root by its label, wherever the disk turns up.
sed -i "s,root=[^ ]*,root=LABEL=$LABEL," "$root/boot/grub/grub.cfg"

# No password for root: these images are for tests on loopback only.
chroot "$root" passwd -d root >/dev/null
rm -f "$root"/etc/ssh/ssh_host_*_key*
: >"$root/etc/machine-id"
faults=$(chroot "$root" dpkg --audit 2>&1) || true
if [ -n "$faults" ]; then
    echo "E: dpkg --audit: $faults" >&2
    exit 1
fi
