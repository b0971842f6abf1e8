proc handler {event context} {
    puts "an event of [string length $event] characters"
    return "{\"got\":$event}"
}
