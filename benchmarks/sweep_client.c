/* The least that a sweep of memcached could be: what C does with poll and a few buffers.
 *
 *   sweep_client HOST PORT KEY_PREFIX MEMBERS
 *
 * reads the 64-byte values of the keys KEY_PREFIX + %08x of all members, a thousand keys to a
 * command, on two connections with two commands on the way on each, and parses the replies by
 * their fixed stride. Commands are built, and connections made, before the clock starts. Prints
 * wall-clock seconds, CPU seconds, keys, and the sum of the sequences in the records.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS = 2, DEPTH = 2, KEYS = 1000, RECORD = 64, SEQUENCE_AT = 24 };

static const char TAIL[] = " 0 64\r\n";

struct command { char *text; size_t size; long keys; };

struct connection {
    int fd;
    long waiting[DEPTH]; /* commands on the way, oldest first */
    int depth;
    const char *unsent;
    size_t to_send;
    char *buffer;
    size_t filled;
};

static struct command *commands;
static long command_count, next_command, keys_read;
static uint64_t sequences;
static size_t key_size, stride, room;

static void fail(const char *what) {
    fprintf(stderr, "sweep_client: %s\n", what);
    exit(1);
}

static void cannot(const char *what) {
    fprintf(stderr, "sweep_client: cannot %s: %s\n", what, strerror(errno));
    exit(1);
}

static void build(const char *prefix, long members) {
    command_count = (members + KEYS - 1) / KEYS;
    commands = calloc(command_count, sizeof *commands);
    key_size = strlen(prefix) + 8;
    stride = strlen("VALUE ") + key_size + strlen(TAIL) + RECORD + 2;
    room = DEPTH * (KEYS * stride + 5);
    for (long number = 0; number < command_count; number++) {
        struct command *command = &commands[number];
        long first = number * KEYS, end = first + KEYS < members ? first + KEYS : members;
        command->keys = end - first;
        command->text = malloc(8 + command->keys * (key_size + 1));
        char *at = stpcpy(command->text, "get");
        for (long slot = first; slot < end; slot++)
            at += sprintf(at, " %s%08lx", prefix, slot);
        at = stpcpy(at, "\r\n");
        command->size = at - command->text;
    }
}

static void open_connection(struct connection *link, const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int yes = 1;
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1) fail("HOST is not an IPv4 address");
    link->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(link->fd, (struct sockaddr *)&address, sizeof address)) cannot("connect");
    setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    fcntl(link->fd, F_SETFL, O_NONBLOCK);
    link->buffer = malloc(room);
}

static void send_more(struct connection *link) {
    for (;;) {
        if (!link->to_send) {
            if (link->depth == DEPTH || next_command == command_count) return;
            link->unsent = commands[next_command].text;
            link->to_send = commands[next_command].size;
            link->waiting[link->depth++] = next_command++;
        }
        ssize_t sent = send(link->fd, link->unsent, link->to_send, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) return;
        if (sent < 0) cannot("send");
        link->unsent += sent;
        link->to_send -= sent;
    }
}

static void parse(const struct connection *link, const struct command *command) {
    const char *at = link->buffer, *key = command->text + 4;
    for (long row = 0; row < command->keys; row++, at += stride, key += key_size + 1) {
        const char *tail = at + 6 + key_size, *record = tail + sizeof TAIL - 1;
        if (memcmp(at, "VALUE ", 6) || memcmp(at + 6, key, key_size) ||
            memcmp(tail, TAIL, sizeof TAIL - 1) || memcmp(record + RECORD, "\r\n", 2))
            fail("a reply is not what was asked for");
        uint64_t sequence;
        memcpy(&sequence, record + SEQUENCE_AT, sizeof sequence);
        sequences += sequence;
    }
    keys_read += command->keys;
}

static void receive(struct connection *link) {
    ssize_t got = recv(link->fd, link->buffer + link->filled, room - link->filled, 0);
    if (got < 0 && errno == EAGAIN) return;
    if (got < 0) cannot("receive");
    if (got == 0) fail("the server closed the connection");
    link->filled += got;
    while (link->depth) {
        const struct command *command = &commands[link->waiting[0]];
        size_t size = command->keys * stride + 5;
        if (link->filled < size) {
            if (link->filled >= 5 && !memcmp(link->buffer + link->filled - 5, "END\r\n", 5))
                fail("a reply is short: keys are missing");
            return;
        }
        if (memcmp(link->buffer + size - 5, "END\r\n", 5)) fail("a reply does not end");
        parse(link, command);
        link->filled -= size;
        memmove(link->buffer, link->buffer + size, link->filled);
        memmove(link->waiting, link->waiting + 1, (DEPTH - 1) * sizeof *link->waiting);
        link->depth--;
    }
}

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
    struct connection links[CONNECTIONS] = {0};
    struct pollfd polled[CONNECTIONS];
    if (argc != 5) fail("usage: sweep_client HOST PORT KEY_PREFIX MEMBERS");
    long members = atol(argv[4]);
    build(argv[3], members);
    for (int i = 0; i < CONNECTIONS; i++) open_connection(&links[i], argv[1], atoi(argv[2]));
    double began = seconds_of(CLOCK_MONOTONIC), cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (int i = 0; i < CONNECTIONS; i++) send_more(&links[i]);
    while (keys_read < members) {
        for (int i = 0; i < CONNECTIONS; i++)
            polled[i] = (struct pollfd){links[i].fd, links[i].to_send ? POLLIN | POLLOUT : POLLIN, 0};
        if (poll(polled, CONNECTIONS, 10000) <= 0) fail("no answer within 10 s");
        for (int i = 0; i < CONNECTIONS; i++) {
            if (polled[i].revents & (POLLIN | POLLHUP | POLLERR)) receive(&links[i]);
            send_more(&links[i]);
        }
    }
    cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    printf("%.9f %.9f %ld %llu\n", seconds_of(CLOCK_MONOTONIC) - began, cpu, keys_read,
           (unsigned long long)sequences);
    return 0;
}
