# GRUB with a file for each entry, named and filled as in the rpm families.  Part of
# install-kernel.sh.
. "$HERE/grub.sh"

# The root's own GRUB can't read entries; this one's modules are of a later suite.
mkdir "$root/run/grub"
cp "$LOADER"/usr/lib/grub/arm64-efi/* "$root/run/grub"
make_grub /run/grub /grub2 blsuki

rm -rf "$root/boot/grub"
mkdir -p "$root/boot/grub2" "$root/boot/loader/entries"
mv "$root/boot/initrd.img-$kernel" "$root/boot/initramfs-$kernel.img"
cat >"$root/boot/grub2/grub.cfg" <<EOF
load_env
set timeout=1
set default="\${saved_entry}"
search.fs_uuid $BOOT_UUID root
blscfg
EOF
entry=4098b3f648d74c13b1f04ccfba7798e8-$kernel
cat >"$root/boot/loader/entries/$entry.conf" <<EOF
title Rocky Linux ($kernel) 9.6 (Blue Onyx)
version $kernel
linux /vmlinuz-$kernel
initrd /initramfs-$kernel.img
options root=$ROOT_NAME ro \$kernelopts
grub_users \$grub_users
grub_arg --unrestricted
grub_class rocky
EOF
chroot "$root" grub-editenv /boot/grub2/grubenv create
chroot "$root" grub-editenv /boot/grub2/grubenv set "saved_entry=$entry" \
    "kernelopts=console=ttyS0,115200n8 no_timer_check net.ifnames=0"
