# systemd-boot, with its entries and kernels on the ESP.  Part of install-kernel.sh.
program=$root/usr/lib/systemd/boot/efi/systemd-bootaa64.efi
# What kernel-install takes for the ESP has to be a file system of its own; which kind isn't asked.
mount -t tmpfs tmpfs "$root/boot/efi"
mkdir -p "$SCRATCH/esp/EFI/systemd" "$root/boot/efi/loader"
cp "$program" "$SCRATCH/esp/EFI/BOOT/BOOTAA64.EFI"
cp "$program" "$SCRATCH/esp/EFI/systemd/systemd-bootaa64.efi"
printf 'default debian-*\ntimeout 1\nconsole-mode keep\n' >"$root/boot/efi/loader/loader.conf"
chroot "$root" env SYSTEMD_RELAX_ESP_CHECKS=1 kernel-install --esp-path=/boot/efi \
    add "$kernel" "/boot/vmlinuz-$kernel" "/boot/initrd.img-$kernel" >&2
cp -R "$root/boot/efi/." "$SCRATCH/esp"
umount "$root/boot/efi"
