/*
 * The floor of a proxy: a port, a connection on it, one to the API, and a thread for each direction that reads and writes.
 * `proxy_floor PROGRAM` starts the program behind it, as examples/proxy does.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

struct direction {
    int from, to;
    char buf[64 << 10];
} directions[2];

static void *pass(void *of) {
    struct direction *d = of;
    ssize_t len;
    while ((len = read(d->from, d->buf, sizeof d->buf)) > 0) {
        for (ssize_t at = 0, written; at < len; at += written) {
            if ((written = write(d->to, d->buf + at, len - at)) < 0) _exit(2);
        }
    }
    shutdown(d->to, SHUT_WR);
    return NULL;
}

int main(int argc, char **argv) {
    char *api = getenv("AWS_LAMBDA_RUNTIME_API"), *colon = api ? strchr(api, ':') : NULL, address[32];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (argc < 2 || !colon || bind(listener, (void *)&at, len) || listen(listener, 1)) return 2;
    getsockname(listener, (void *)&at, &len);
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    if (fork()) {
        close(listener);
        setenv("AWS_LAMBDA_RUNTIME_API", address, 1);
        execv(argv[1], argv + 1);
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    int runtime = accept(listener, NULL, NULL), server = socket(AF_INET, SOCK_STREAM, 0);
    at.sin_port = htons(atoi(colon + 1));
    if (connect(server, (void *)&at, len)) return 2;
    setsockopt(runtime, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    directions[0].from = directions[1].to = runtime;
    directions[0].to = directions[1].from = server;
    pthread_t thread;
    pthread_create(&thread, NULL, pass, &directions[0]);
    pass(&directions[1]);
    return pthread_join(thread, NULL);
}
