# GRUB with a menu of its own.  Part of install-kernel.sh.

# make_grub MODULES FOLDER [MODULE...]: the loader, with what finds the menu below /FOLDER.
make_grub() {
    modules=$1 folder=$2
    shift 2
    chroot "$root" grub-mkimage -O arm64-efi -d "$modules" -p "/EFI/$VENDOR" -o /run/BOOTAA64.EFI \
        part_gpt fat ext2 normal configfile search search_fs_uuid search_label linux gzio echo \
        test true serial terminal all_video loadenv "$@"
    cp "$root/run/BOOTAA64.EFI" "$SCRATCH/esp/EFI/BOOT/BOOTAA64.EFI"
    mkdir -p "$SCRATCH/esp/EFI/$VENDOR"
    cat >"$SCRATCH/esp/EFI/$VENDOR/grub.cfg" <<EOF
search.fs_uuid ${BOOT_UUID:-$UUID} root
set prefix=(\$root)'$folder'
configfile \$prefix/grub.cfg
EOF
}

if [ "$MENU" = grub ]; then
    mkdir -p "$root/boot/grub/arm64-efi"
    cp "$root"/usr/lib/grub/arm64-efi/*.mod "$root"/usr/lib/grub/arm64-efi/*.lst \
        "$root/boot/grub/arm64-efi"
    if [ -n "$BOOT_UUID" ]; then folder=/grub; else folder=/boot/grub; fi
    make_grub /usr/lib/grub/arm64-efi "$folder"
    chroot "$root" grub-editenv /boot/grub/grubenv create
    chroot "$root" update-grub >&2
    # As the distributions' image builds do: the root by a name it has wherever the disk turns up.
    sed -i "/^[[:space:]]*linux[[:space:]]/s,root=/dev[^ ]*\|root=UUID=[^ ]*,root=$ROOT_NAME," \
        "$root/boot/grub/grub.cfg"
fi
