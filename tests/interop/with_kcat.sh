#!/usr/bin/env bash
# kcat against a server. See `run`.
set -euo pipefail

named=("$@")
failed=()
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
max_message_bytes=1048588

unique() { echo "$1-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')"; }
die() { echo "$*" >&2; exit 1; }
same() { [ "$1" = "$2" ] || die "$(printf '%s:\nexpected: %q\nfound:    %q' "${3:-they differ}" "$1" "$2")"; }
fails_with() { # text command…
    local text="$1"; shift
    if "$@" >"$scratch/said" 2>&1; then die "it was to fail: $*"; fi
    grep -qiE "$text" "$scratch/said" || die "it was to say '$text': $(cat "$scratch/said")"
}
kcat_on() { local at="$1"; shift; timeout 60 kcat -b "$at" -X topic.metadata.propagation.max.ms=1000 "$@"; }
own() { kcat_on "$INTEROP_BOOTSTRAP" "$@"; }
# kcat has no admin; topics are made by our command line.
create() { "$INTEROP_OTTLA" -u "kafka://$INTEROP_BOOTSTRAP" topic create "$1" --partitions "${2:-1}" >/dev/null; }
read_all() { local topic="$1"; shift; own -q -C -t "$topic" -o beginning -e "$@"; }

every_compression_keeps_records_as_they_are() {
    local codec topic
    for codec in none gzip snappy lz4 zstd; do
        topic="$(unique "codec-$codec")"
        create "$topic"
        {
            echo 'key;value'
            echo 'clé;naïve'
            for n in $(seq 100); do echo "k$n;some text that compresses well, some text that compresses well $n"; done
        } >"$scratch/lines"
        own -P -t "$topic" -z "$codec" -K ';' -H trace=one -H empty= -X linger.ms=100 <"$scratch/lines"
        same "$(cat "$scratch/lines")" "$(read_all "$topic" -K ';')" "$codec"
        same 'key|value|trace=one,empty=|0|5' "$(own -q -C -t "$topic" -o beginning -c 1 -f '%k|%s|%h|%o|%S\n')" "$codec"
    done
}

null_values_and_binary() {
    local topic; topic="$(unique null)"
    create "$topic"
    # With -Z what is empty is null.
    printf 'gone;\n' | own -P -t "$topic" -K ';' -Z
    printf 'there;\n' | own -P -t "$topic" -K ';'
    same $'gone:-1\nthere:0' "$(read_all "$topic" -f '%k:%S\n')"
    head -c 300000 /dev/urandom >"$scratch/bytes"
    topic="$(unique binary)"
    create "$topic"
    own -P -t "$topic" "$scratch/bytes"
    own -q -C -t "$topic" -o beginning -c 1 -f '%s' | cmp - "$scratch/bytes"
}

a_partition_keeps_the_order_of_an_idempotent_producer() {
    local topic p; topic="$(unique order)"
    create "$topic" 3
    for p in 0 1 2; do
        seq 2000 | own -P -t "$topic" -p "$p" -X enable.idempotence=true -X batch.num.messages=20 -X linger.ms=0 &
    done
    wait
    for p in 0 1 2; do same "$(seq 2000)" "$(read_all "$topic" -p "$p")" "partition $p"; done
}

metadata() {
    local topic; topic="$(unique listed)"
    create "$topic" 3
    own -L >"$scratch/all"
    grep -qF "topic \"$topic\" with 3 partitions" "$scratch/all" || die "$(cat "$scratch/all")"
    grep -qF "at $INTEROP_BOOTSTRAP" "$scratch/all" || die "$(cat "$scratch/all")"
    same 3 "$(own -L -J -t "$topic" | grep -o '"partition":' | wc -l)"
}

offsets_by_time_and_from_the_end() {
    local topic now; topic="$(unique times)"
    create "$topic"
    seq 1 5 | own -P -t "$topic"
    sleep 0.05
    now="$(date +%s%3N)"
    sleep 0.05
    seq 6 10 | own -P -t "$topic"
    same "$topic [0] offset 5" "$(own -Q -t "$topic:0:$now")"
    same "$topic [0] offset 0" "$(own -Q -t "$topic:0:-2")"
    same "$topic [0] offset 10" "$(own -Q -t "$topic:0:-1")"
    same "$(seq 6 10)" "$(own -q -C -t "$topic" -p 0 -o "s@$now" -e)"
    same "$(seq 9 10)" "$(own -q -C -t "$topic" -p 0 -o -2 -e)"
    same 4 "$(own -q -C -t "$topic" -p 0 -o 3 -c 1)"
}

large_messages() {
    local topic; topic="$(unique large)"
    create "$topic"
    head -c "$((max_message_bytes - 100))" /dev/zero | tr '\0' x >"$scratch/fits"
    head -c "$((max_message_bytes + 1))" /dev/zero | tr '\0' x >"$scratch/large"
    own -P -t "$topic" -X message.max.bytes=8000000 "$scratch/fits"
    fails_with 'too large' own -P -t "$topic" -X message.max.bytes=8000000 "$scratch/large"
    same "$((max_message_bytes - 100))" "$(own -q -C -t "$topic" -o beginning -e -f '%S' -X fetch.message.max.bytes=1000)"
}

topics_that_are_not_there() {
    fails_with 'unknown topic' own -q -C -t "$(unique unknown)" -e
    echo x | fails_with 'unknown topic' own -P -t "$(unique unknown)"
}

as_user() { echo -X sasl.username=alice -X sasl.mechanism="$1"; }

logging_in() {
    local mechanism topic
    for mechanism in PLAIN SCRAM-SHA-256 SCRAM-SHA-512; do
        topic="$(unique auto)"
        # Topics are made on demand there.
        local how=(-X security.protocol=sasl_plaintext $(as_user "$mechanism"))
        echo hello | kcat_on "$INTEROP_SASL_BOOTSTRAP" "${how[@]}" -X "sasl.password=$INTEROP_PASSWORD" -P -t "$topic"
        same hello "$(kcat_on "$INTEROP_SASL_BOOTSTRAP" "${how[@]}" -X "sasl.password=$INTEROP_PASSWORD" -q -C -t "$topic" -o beginning -e)"
        fails_with 'the password is wrong' kcat_on "$INTEROP_SASL_BOOTSTRAP" "${how[@]}" -X sasl.password=wrong -L -m 2
    done
}

over_tls() {
    local how=(-X security.protocol=sasl_ssl $(as_user SCRAM-SHA-256) -X "sasl.password=$INTEROP_PASSWORD")
    kcat_on "$INTEROP_TLS_BOOTSTRAP" "${how[@]}" -X ssl.ca.location="$INTEROP_CERTIFICATES/ca.pem" -L >/dev/null
    fails_with 'certificate' kcat_on "$INTEROP_TLS_BOOTSTRAP" "${how[@]}" -X ssl.ca.location="$INTEROP_CERTIFICATES/other-ca.pem" -L -m 2
}

over_mutual_tls() {
    local how=(-X security.protocol=ssl -X ssl.ca.location="$INTEROP_CERTIFICATES/ca.pem")
    local key=(-X ssl.certificate.location="$INTEROP_CERTIFICATES/client.pem" -X ssl.key.location="$INTEROP_CERTIFICATES/client.key")
    kcat_on "$INTEROP_MUTUAL_BOOTSTRAP" "${how[@]}" "${key[@]}" -L >/dev/null
    fails_with 'certificate required' kcat_on "$INTEROP_MUTUAL_BOOTSTRAP" "${how[@]}" -L -m 2
}

cases=(
    every_compression_keeps_records_as_they_are null_values_and_binary
    a_partition_keeps_the_order_of_an_idempotent_producer metadata offsets_by_time_and_from_the_end large_messages
    topics_that_are_not_there logging_in over_tls over_mutual_tls
)
for name in "${cases[@]}"; do
    [ ${#named[@]} = 0 ] || [[ " ${named[*]} " == *" $name "* ]] || continue
    begin="$(date +%s%N)"
    # Not in a condition: there `set -e` would be off.
    set +e
    (set -e; "$name")
    code=$?
    set -e
    [ $code = 0 ] && outcome='ok    ' || { outcome=FAILED; failed+=("$name"); }
    awk -v o="$outcome" -v n="$name" -v t="$(($(date +%s%N) - begin))" 'BEGIN { printf "%s %s (%.1f s)\n", o, n, t / 1e9 }'
done
[ ${#failed[@]} = 0 ] || { echo "failed: ${failed[*]}"; exit 1; }
