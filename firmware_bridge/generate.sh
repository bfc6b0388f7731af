#!/bin/sh
# Generates the code of both sides from edge_emo.proto. Needs Debian's protobuf-compiler and nanopb.
set -eu
cd "$(dirname "$0")"
PATH="/usr/bin:$PATH"
code="${1:-c/src}"
protoc --nanopb_out="$code" --descriptor_set_out="${2:-../edge_emo/bridge/edge_emo.desc}" \
  edge_emo.proto
sed -i 's/#include <pb.h>/#include "pb.h"/' "$code/edge_emo.pb.h"
