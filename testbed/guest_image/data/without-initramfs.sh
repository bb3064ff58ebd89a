#!/bin/sh
# Stands for /etc/grub.d/10_linux: its entries, changed so that each first tries to start
# without an initramfs, and with it once that has failed. So does Ubuntu's GRUB where
# GRUB_FORCE_PARTUUID is set; Debian's, which is in this image, knows nothing of it.
set -e
# grub-mkconfig hands on only the variables it knows.
. /etc/default/grub.d/40-force-partuuid.cfg

cat <<'HEAD'
function initrdfail {
    if [ -z "${initrdfail}" ]; then
        set initrdfail=1
        save_env initrdfail
    fi
}
HEAD

/usr/local/lib/grub/10_linux "$@" | awk -v root="$GRUB_FORCE_PARTUUID" '
    /^[ \t]*linux[ \t]/ { kernel = $0; next }
    /^[ \t]*initrd[ \t]/ {
        plain = kernel
        sub(/root=[^ ]*/, "root=PARTUUID=" root, plain)
        print "\tif [ \"${initrdfail}\" = 1 ]; then"
        print kernel
        print $0
        print "\telse"
        print plain " panic=-1"
        print "\tfi"
        print "\tinitrdfail"
        kernel = ""
        next
    }
    { print }
'
