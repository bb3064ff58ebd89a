#!/bin/sh
# Stands in for grub-probe while there is no disk to ask: what the finished one will answer.
for word; do
    case $word in
        --target=*) target=${word#--target=} ;;
        -t) target= ;;
        *) [ "${target-unset}" ] || target=$word ;;
    esac
done
case $target in
    device) echo /dev/sda1 ;;
    drive) echo '(hd0,gpt1)' ;;
    fs) echo ext2 ;;
    fs_uuid) echo @UUID@ ;;
    partmap) echo gpt ;;
    compatibility_hint) echo hd0,gpt1 ;;
    hints_string) echo '--hint-bios=hd0,gpt1 --hint-efi=hd0,gpt1 --hint-baremetal=ahci0,gpt1' ;;
esac
