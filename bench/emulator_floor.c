/*
 * The floor of an emulator: what passes between a caller and a function, and nothing else. One thread, one function, small
 * events, no queue but the callers' connections, no check of anything.
 *
 *   emulator_floor FRONT_PORT API_PORT PROGRAM...
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#define ROOM 8192
#define EVENTS 256

enum kind { FRONT, API, CALLER, RUNTIME };

static struct connection {
    enum kind kind;
    int fd, len, body;
    struct connection *next;
    char in[ROOM];
} *first, *last, *served, *idle;

static int reactor;

static void watch(struct connection *of)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = of};
    epoll_ctl(reactor, EPOLL_CTL_ADD, of->fd, &event);
}

static struct connection *new(enum kind kind, int fd)
{
    struct connection *of = calloc(1, sizeof *of);
    of->kind = kind;
    of->fd = fd;
    watch(of);
    return of;
}

static void listen_at(enum kind kind, int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, (void *)&address, sizeof address) || listen(fd, 4096))
        exit(1);
    new(kind, fd);
}

/* The length of a message that is there whole, with the place of its body; 0 if it is not. */
static int whole(struct connection *of)
{
    char *end = memmem(of->in, of->len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    *end = 0;
    char *length = strcasestr(of->in, "\r\ncontent-length:");
    *end = '\r';
    of->body = end + 4 - of->in;
    int all = of->body + (length ? atoi(length + 17) : 0);
    return of->len >= all ? all : 0;
}

static void reply(int fd, const char *head, const char *body, int len)
{
    char out[ROOM + 512];
    int size = snprintf(out, 512, "%s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", head, len);
    memcpy(out + size, body, len);
    if (write(fd, out, size + len) < 0)
        exit(1);
}

static void take(struct connection *of, int len)
{
    memmove(of->in, of->in + len, of->len -= len);
}

/* Gives the event of whoever waits longest to the function, if that waits. */
static void give(void)
{
    if (!idle || !first)
        return;
    served = first;
    first = first->next;
    reply(idle->fd, "HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n"
                    "Lambda-Runtime-Deadline-Ms: 9999999999999",
          served->in + served->body, whole(served) - served->body);
    idle = 0;
}

static void converse(struct connection *of)
{
    int got = read(of->fd, of->in + of->len, ROOM - of->len), len;
    if (got <= 0) {
        if (of == idle)
            idle = 0;
        close(of->fd);
        return;
    }
    of->len += got;
    while ((len = whole(of))) {
        if (of->kind == CALLER) {
            of->next = 0;
            *(first ? &last->next : &first) = of;
            last = of;
            return give();
        }
        if (*of->in == 'G') {
            idle = of;
        } else {
            reply(served->fd, "HTTP/1.1 200 OK", of->in + of->body, len - of->body);
            take(served, whole(served));
            reply(of->fd, "HTTP/1.1 202 Accepted", "{\"status\":\"OK\"}\n", 16);
        }
        take(of, len);
        give();
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    int one = 1, count;
    if (argc < 4)
        return 2;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    reactor = epoll_create1(EPOLL_CLOEXEC);
    listen_at(FRONT, atoi(argv[1]));
    listen_at(API, atoi(argv[2]));
    if (!fork()) {
        char api[32];
        snprintf(api, sizeof api, "127.0.0.1:%s", argv[2]);
        setenv("AWS_LAMBDA_RUNTIME_API", api, 1);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[3], argv + 3);
        _exit(1);
    }
    for (;;) {
        struct epoll_event events[EVENTS];
        count = epoll_wait(reactor, events, EVENTS, -1);
        for (int at = 0; at < count; at++) {
            struct connection *of = events[at].data.ptr;
            if (of->kind >= CALLER) {
                converse(of);
                continue;
            }
            int fd = accept4(of->fd, 0, 0, SOCK_CLOEXEC);
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            if (fd >= 0)
                new(of->kind == FRONT ? CALLER : RUNTIME, fd);
        }
    }
}
