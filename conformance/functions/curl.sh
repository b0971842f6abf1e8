#!/bin/sh
# A whole runtime in a shell, with the kit's function: curl, and sed for what an event asks for.
api=http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime
files=$(mktemp -d)
trap 'rm -rf "$files"' EXIT

# A value without spaces, of a name in whatever case.
header() {
    grep -i "^$1:" "$files/head" | cut -d : -f 2- | tr -d '[:space:]'
}

if [ "${CONFORMANCE_INIT:-}" = fail ]; then
    curl -sS -o "$files/reply" -H 'Lambda-Runtime-Function-Error-Type: Runtime.InitError' \
        -d '{"errorType":"Runtime.InitError","errorMessage":"asked to fail at the start"}' "$api/init/error"
    exit 1
fi

while curl -sS -f -D "$files/head" -o "$files/event" "$api/invocation/next"; do
    # Nothing is written for an event of 0 bytes.
    [ -e "$files/event" ] || : >"$files/event"
    id=$(header Lambda-Runtime-Aws-Request-Id)
    nonce=$(header Lambda-Runtime-Invocation-Id)
    message=$(head -c 400 "$files/event" | sed -n 's/^{"fail":"\([^"]*\)".*/\1/p')
    if [ -n "$message" ]; then
        verb=error
        set -- -H 'Lambda-Runtime-Function-Error-Type: Function.Failed'
        printf '{"errorType":"Function.Failed","errorMessage":"%s"}' "$message" >"$files/answer"
    else
        verb=response
        set --
        mv "$files/event" "$files/answer"
    fi
    curl -sS -o "$files/reply" -H 'Content-Type: application/json' -H 'Expect:' -H "Lambda-Runtime-Invocation-Id: $nonce" \
        "$@" --data-binary "@$files/answer" "$api/invocation/$id/$verb"
    rm -f "$files/event" "$files/answer"
done
exit 1
