# The event is JSON text, and what is printed is the answer.
handler() {
    echo "an event of ${#1} characters" >&2
    name=$(printf '%s' "$1" | sed -n 's/.*"name": *"\([A-Za-z ]*\)".*/\1/p')
    printf '{"statusCode":200,"headers":{"Content-Type":"text/plain"},"body":"Hello, %s, from sh!"}' "${name:-world}"
}
