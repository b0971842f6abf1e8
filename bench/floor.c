/*
 * The floor: an echo that does nothing but the exchange, by hand, for the server of this bench.
 *
 *   cc floor.c                ask, read, answer, read
 *   cc -DPIPELINED floor.c        the response and the next request in one write
 *   cc -DMANY=64 floor.c      the same as the first, on so many connections at a time as
 *                             AWS_LAMBDA_MAX_CONCURRENCY says, 64 at most
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT "GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
#define PATH "POST /2018-06-01/runtime/invocation/"
#define UUID 36

#ifndef MANY
#define MANY 1
#endif

/* Room for the reply to an answer, and for the head and the body of an event of 6 MiB. */
static struct connection {
    int fd;
    size_t begin, end;
    char in[(7 << 20) / MANY];
} connections[MANY];

/* Writes all of the pieces. */
static void write_all(int fd, struct iovec *pieces, int count) {
    while (count > 0) {
        ssize_t len = writev(fd, pieces, count);
        if (len < 0) _exit(2);
        for (; count > 0 && (size_t)len >= pieces->iov_len; pieces++, count--) len -= pieces->iov_len;
        if (count > 0) {
            pieces->iov_base = (char *)pieces->iov_base + len;
            pieces->iov_len -= len;
        }
    }
}

static void ask(int fd) {
    struct iovec next = {NEXT, sizeof NEXT - 1};
    write_all(fd, &next, 1);
}

static char *value(char *head, size_t len, const char *name) {
    char *found = memmem(head, len, name, strlen(name));
    return found ? found + strlen(name) : NULL;
}

/* The reply that is whole in the buffer: its body, and how long that is. */
static int whole(struct connection *c, char **body, size_t *len) {
    char *head = c->in + c->begin;
    char *end = value(head, c->end - c->begin, "\r\n\r\n");
    if (!end) return 0;
    char *length = value(head, end - head, "\r\nContent-Length: ");
    if (!length) _exit(3);
    *body = end;
    *len = strtoul(length, NULL, 10);
    return *len <= (size_t)(c->in + c->end - end);
}

static void answer(struct connection *c, char *body, size_t len) {
    static char head[512];
    char *at = head, digits[20], *digit = digits + sizeof digits;
    char *id = value(c->in + c->begin, body - c->in - c->begin, "\r\nLambda-Runtime-Aws-Request-Id: ");
    if (!id) _exit(4);
    at = mempcpy(at, PATH, sizeof PATH - 1);
    at = mempcpy(at, id, UUID);
    at = stpcpy(at, "/response HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n");
    char *invocation = value(c->in + c->begin, body - c->in - c->begin, "\r\nLambda-Runtime-Invocation-Id: ");
    if (invocation) {
        at = stpcpy(at, "Lambda-Runtime-Invocation-Id: ");
        at = mempcpy(at, invocation, UUID);
        at = stpcpy(at, "\r\n");
    }
    at = stpcpy(at, "Content-Length: ");
    size_t rest = len;
    do *--digit = '0' + rest % 10;
    while (rest /= 10);
    at = mempcpy(at, digit, digits + sizeof digits - digit);
    at = stpcpy(at, "\r\n\r\n");
    struct iovec pieces[] = {{head, at - head}, {body, len}, {NEXT, sizeof NEXT - 1}};
#ifdef PIPELINED
    write_all(c->fd, pieces, 3);
#else
    write_all(c->fd, pieces, 2);
#endif
}

/* Reads once. What is whole then is dealt with: an invocation is answered, the reply to an answer is followed. */
static void turn(struct connection *c) {
    char *body;
    size_t len;
    ssize_t got = read(c->fd, c->in + c->end, sizeof c->in - c->end);
    if (got <= 0) _exit(1);
    c->end += got;
    while (c->begin < c->end && whole(c, &body, &len)) {
        /* "HTTP/1.1 200" against 202. */
        char status = c->in[c->begin + 11];
        if (status == '0') answer(c, body, len);
#ifndef PIPELINED
        else ask(c->fd);
#endif
        c->begin = body + len - c->in;
        if (c->begin == c->end) c->begin = c->end = 0;
    }
}

int main(void) {
    char *api = getenv("AWS_LAMBDA_RUNTIME_API");
    char *colon = api ? strchr(api, ':') : NULL;
    if (!colon) return 5;
    *colon = 0;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(atoi(colon + 1))};
    if (!inet_aton(api, &to.sin_addr)) return 5;
    int many = 1;
#if MANY > 1
    many = atoi(getenv("AWS_LAMBDA_MAX_CONCURRENCY"));
    if (many > MANY) return 7;
    int all = epoll_create1(0);
#endif
    for (struct connection *c = connections; c < connections + many; c++) {
        int on = 1;
        c->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&to, sizeof to)) return 6;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ask(c->fd);
#if MANY > 1
        epoll_ctl(all, EPOLL_CTL_ADD, c->fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
#endif
    }
    for (;;) {
#if MANY > 1
        struct epoll_event ready[MANY];
        int count = epoll_wait(all, ready, MANY, -1);
        for (int i = 0; i < count; i++) turn(ready[i].data.ptr);
#else
        turn(connections);
#endif
    }
}
