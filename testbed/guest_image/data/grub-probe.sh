#!/bin/sh
# Stands in for grub-probe while there is no disk to ask: what the finished one will answer.
for word; do
    case $word in
        --target=*) target=${word#--target=} ;;
        -t) target= ;;
        -*) ;;
        *) if [ "${target-unset}" ]; then about=$word; else target=$word; fi ;;
    esac
done
# What is asked about is a path, or a device that was answered before.
number=1 uuid=@UUID@
case @BOOT_UUID@:${about-} in
    :*) ;;
    *:/boot*|*:/dev/sda16) number=16 uuid=@BOOT_UUID@ ;;
esac
case $target in
    device) echo "/dev/sda$number" ;;
    drive) echo "(hd0,gpt$number)" ;;
    fs) echo ext2 ;;
    fs_uuid) echo "$uuid" ;;
    partmap) echo gpt ;;
    compatibility_hint) echo "hd0,gpt$number" ;;
    hints_string)
        echo "--hint-bios=hd0,gpt$number --hint-efi=hd0,gpt$number --hint-baremetal=ahci0,gpt$number"
        ;;
esac
