# Part of scripts that run a root's programs with native ones in the place of some: dracut in $root
# takes what it puts into an initramfs from $WHOLE, a view of the root without them. Sourced once it
# is unpacked.
if [ -x "$root/usr/bin/dracut" ]; then
    mkdir "$root/run/whole"
    mount --bind "$WHOLE" "$root/run/whole"
    cp "$root/usr/bin/dracut" "$root/run/dracut-itself"
    printf '#!/bin/sh\nexec /run/dracut-itself --sysroot /run/whole "$@"\n' >"$root/run/dracut"
    chmod 755 "$root/run/dracut"
    mount --bind "$root/run/dracut" "$root/usr/bin/dracut"
fi
