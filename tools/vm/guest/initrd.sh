#!/bin/busybox sh
# Mounts the disk that the kernel's command line names, as disk=/dev/NAME, and hands over to the
# job that was appended to this file system.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done < /modules.order
until [ -b "$disk" ]; do sleep 0.1; done
mount -t ext4 "$disk" /root
mkdir -p /root/mnt
mount -t tmpfs job /root/mnt
cp -a /job/. /root/mnt/
rm -rf /job
umount /proc /sys /dev
exec switch_root /root /bin/bash /mnt/start.sh
