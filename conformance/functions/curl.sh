#!/bin/sh
# A whole runtime in a shell, with the kit's function: curl, and sed for what an event asks for.
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT

if [ "${CONFORMANCE_INIT:-}" = fail ]; then
    curl -sS -o "$files/reply" -d '{"errorType":"Runtime.InitError","errorMessage":"told to fail at the start"}' "$api/init/error"
    exit 1
fi

while curl -sS -f -D "$files/head" -o "$files/event" "$api/invocation/next"; do
    # Nothing is written for an event of 0 bytes.
    [ -e "$files/event" ] || : >"$files/event"
    id=$(sed -n 's/^[Ll]ambda-[Rr]untime-[Aa]ws-[Rr]equest-[Ii]d: *\([^[:cntrl:]]*\).*/\1/p' "$files/head")
    nonce=$(sed -n 's/^[Ll]ambda-[Rr]untime-[Ii]nvocation-[Ii]d: *\([^[:cntrl:]]*\).*/\1/p' "$files/head")
    message=$(head -c 400 "$files/event" | sed -n 's/^{"fail":"\([^"]*\)".*/\1/p')
    if [ -n "$message" ]; then
        verb=error
        printf '{"errorType":"Function.Failed","errorMessage":"%s"}' "$message" >"$files/answer"
    else
        verb=response
        mv "$files/event" "$files/answer"
    fi
    curl -sS -o "$files/reply" -H 'Content-Type: application/json' -H 'Expect:' -H "Lambda-Runtime-Invocation-Id: $nonce" \
        --data-binary "@$files/answer" "$api/invocation/$id/$verb"
    rm -f "$files/event" "$files/answer"
done
exit 1
