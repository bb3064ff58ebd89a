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
# Another file system than the root's, so that GRUB names the kernels by their paths on it.
[ -z "$BOOT_UUID" ] || mount -t tmpfs tmpfs "$root/boot"

if [ "$MENU" = grub ]; then
    # The root is no device yet; grub-mkconfig gets the answers that the finished disk will give.
    sed "s/@UUID@/$UUID/; s/@BOOT_UUID@/$BOOT_UUID/" "$HERE/grub-probe.sh" >"$root/run/grub-probe"
    chmod 755 "$root/run/grub-probe"
    mount --bind "$root/run/grub-probe" "$root/usr/sbin/grub-probe"
fi
if [ -n "$WITHOUT_INITRAMFS" ]; then
    mkdir -p "$root/usr/local/lib/grub"
    mv "$root/etc/grub.d/10_linux" "$root/usr/local/lib/grub/10_linux"
    cp "$HERE/without-initramfs.sh" "$root/etc/grub.d/10_linux"
    chmod 755 "$root/etc/grub.d/10_linux"
fi

# The machine's dpkg looks up here whose the files are that the root has overrides for.
mount --bind "$root/etc/passwd" /etc/passwd
mount --bind "$root/etc/group" /etc/group

echo "kollarm: installing the kernel" >&2
[ -z "$REPLACED" ] || chroot "$root" dpkg --force-depends --purge "$REPLACED" >&2
dpkg --root="$root" --log=/dev/null --force-architecture --force-unsafe-io \
    --force-depends --unpack "$PACKAGES"/*.deb >&2
. "$HERE/whole-dracut.sh"
chroot "$root" dpkg --force-unsafe-io --configure -a >&2

echo "kollarm: boot loader" >&2
mkdir -p "$SCRATCH/esp/EFI/BOOT" "$root/boot/efi"
kernel=$(ls "$root/boot" | sed -n 's/^vmlinuz-//p')
cp "$root/boot/initrd.img-$kernel" "$SCRATCH/initrd.img"
. "$HERE/$MENU.sh"

# No password for root: these images are for tests on loopback only.
chroot "$root" passwd -d root >/dev/null
rm -f "$root"/etc/ssh/ssh_host_*_key*
: >"$root/etc/machine-id"
faults=$(chroot "$root" dpkg --audit 2>&1) || true
if [ -n "$faults" ]; then
    echo "E: dpkg --audit: $faults" >&2
    exit 1
fi
[ -z "$BOOT_UUID" ] || cp -a "$root/boot" "$SCRATCH/boot"
