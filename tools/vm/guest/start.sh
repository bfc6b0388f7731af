#!/bin/bash
# Runs the steps of a job, one a line in /mnt/steps: a name, a tab, a command.
# Every line for the host begins with @@; the last one is @@done.
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmp /tmp
mkdir -p /tmp/home /dev/shm
ip link set lo up
dmesg -n 1
export HOME=/tmp/home LANG=C.UTF-8 PYTHONPATH=/mnt:/mnt/site:/opt/site CI=true
export MPLCONFIGDIR=/tmp/home OMP_NUM_THREADS=1
cd /mnt || exit
echo # ends what a serial line said while it was set up
while IFS=$'\t' read -r name command; do
  echo "@@begin $name"
  bash -c "$command" > /tmp/out 2> /tmp/err < /dev/null
  code=$?
  sed -e 's/^/@@out /' -e '$a\' /tmp/out # the last line may lack its end
  tail -n 60 /tmp/err | sed -e 's/^/@@err /' -e '$a\'
  echo "@@end $code"
done < /mnt/steps
echo "@@done"
stty onlcr <&1 # waits until the serial line has sent all of it
echo o > /proc/sysrq-trigger
sleep 60
