#!/usr/bin/env bash
# Prints what happens in a daemon, as it happens, with no ZeroMQ at all: bash, od and stdbuf (GNU coreutils).
#
#     examples/bash/listener.sh [HOST [PORT [TOPIC]]]
#
# PORT is that of circusd's pubsub_endpoint. It ends when the daemon does. What goes over the wire is ZMTP 3.0
# (https://rfc.zeromq.org/spec/23/): a greeting, a READY, then frames: flags, size, bytes.
set -euo pipefail
export LC_ALL=C # one character is one byte
host=${1:-127.0.0.1} port=${2:-5556} topic=${3:-watcher.}

exec 3<>"/dev/tcp/$host/$port"
# bash cannot hold a NUL byte, so what arrives is read as numbers, one per line.
exec 4< <(exec stdbuf -oL od -An -v -t u1 -w1 <&3)
reader=$!
trap 'kill "$reader" 2>/dev/null || true' EXIT

byte() { # the next byte, as a number, in REPLY
  read -r -u 4 || exit 0
}

frame() { # the next frame, into flags and body
  local size i number escaped=
  byte
  flags=$REPLY
  byte
  size=$REPLY
  if ((flags & 2)); then # a long frame: eight bytes of size
    for ((i = 0; i < 7; i++)); do
      byte
      size=$((size << 8 | REPLY))
    done
  fi
  for ((i = 0; i < size; i++)); do
    byte
    printf -v number '\\x%02x' "$REPLY"
    escaped+=$number
  done
  if ((flags & 4)); then body=; else printf -v body '%b' "$escaped"; fi # commands may have NULs, and are skipped
}

# The greeting: signature, version 3.0, mechanism NULL, padding.
printf '\xff\0\0\0\0\0\0\0\0\x7f\3\0NULL' >&3
printf '\0%.0s' {1..48} >&3
# The command READY, with the property Socket-Type = SUB.
printf '\x04\x19\x05READY\x0bSocket-Type\0\0\0\x03SUB' >&3
for ((i = 0; i < 64; i++)); do byte; done # the daemon's greeting
frame                                     # and its READY
# A subscription is a message: the byte 1 and the beginning of the topics wanted.
printf '\0%b\1%s' "\\x$(printf %02x $((${#topic} + 1)))" "$topic" >&3

while true; do
  frame
  if ((flags & 4)); then continue; fi
  name=$body
  while ((flags & 1)); do frame; done # more follows: the JSON
  printf '%s: %s\n' "$name" "$body"
done
