/* TCP echo: so many connections, on each so many messages on their way; every byte is compared.
 *
 * load_tcp HOST PORT CONNECTIONS ACTIVE SIZE DEPTH
 * The connections that are not active are opened, asked once, and held.
 */
#include "load.h"

#define PERIOD 65521 /* bytes after which the stream's contents repeat: a prime, so no message is like another */
#define EVENTS 256

struct connection {
    int fd, waits; /* waits: for the kernel to take more */
    unsigned long sent, received; /* bytes */
    unsigned long allowed;        /* bytes that may be sent */
    double *asked;                /* when each message that is on its way was asked */
};

static unsigned char pattern[2 * PERIOD], buffer[PERIOD];
static struct connection *connections;
static unsigned long size, depth;
static int active, epoll;

static unsigned char *content(const struct connection *it, unsigned long offset)
{
    return pattern + (offset + it->fd * 4099ul) % PERIOD; /* every stream begins elsewhere */
}

static void lose(struct connection *it)
{
    tally.lost += (it->sent - it->received + size - 1) / size;
    close(it->fd);
    it->fd = -1;
}

static void say(struct connection *it, double at)
{
    while (it->sent < it->allowed) {
        unsigned long count = it->allowed - it->sent;
        ssize_t sent = send(it->fd, content(it, it->sent), count < PERIOD ? count : PERIOD, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN)
                lose(it);
            break;
        }
        for (unsigned long message = (it->sent + size - 1) / size; message * size < it->sent + sent; message++)
            it->asked[message % depth] = at; /* its first byte has left */
        it->sent += sent;
    }
    int waits = it->fd >= 0 && it->sent < it->allowed;
    if (it->fd >= 0 && waits != it->waits) {
        struct epoll_event event = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = it};
        epoll_ctl(epoll, EPOLL_CTL_MOD, it->fd, &event);
    }
    it->waits = waits;
}

static void hear(struct connection *it, double at, int more)
{
    ssize_t got = recv(it->fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            lose(it);
        return;
    }
    int right = !memcmp(buffer, content(it, it->received), got);
    unsigned long before = it->received / size;
    it->received += got;
    tally.wrong += !right;
    for (unsigned long message = before; right && message < it->received / size; message++)
        answered(1, it->asked[message % depth], at);
    if (more)
        it->allowed += (it->received / size - before) * size;
}

static int awaiting(void)
{
    for (int index = 0; index < active; index++)
        if (connections[index].fd >= 0 && connections[index].received < connections[index].allowed)
            return 1;
    return 0;
}

static void run(double seconds)
{
    double begun = now(), at = begun;
    struct epoll_event events[EVENTS];
    for (int index = 0; index < active; index++) {
        connections[index].allowed += size * depth;
        say(&connections[index], at);
    }
    while (at < begun + seconds || awaiting()) {
        int count = epoll_wait(epoll, events, EVENTS, PATIENCE * 1000);
        at = now();
        if (count <= 0) {
            for (int index = 0; index < active; index++)
                if (connections[index].fd >= 0 && connections[index].received < connections[index].allowed)
                    lose(&connections[index]);
            return;
        }
        for (int index = 0; index < count; index++) {
            struct connection *it = events[index].data.ptr;
            if (events[index].events & ~EPOLLOUT)
                hear(it, at, at < begun + seconds);
            if (it->fd >= 0)
                say(it, at);
        }
    }
}

static void greet(const struct connection *it)
{
    unsigned char byte = 42, answer = 0;
    int flags = 0;
    ioctl(it->fd, FIONBIO, &flags);
    if (send(it->fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(it->fd, &answer, 1, 0) != 1 || answer != byte)
        die("greeting");
    flags = 1;
    ioctl(it->fd, FIONBIO, &flags);
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 64;
    struct sockaddr_in server = server_address(argv);
    int count = atoi(argv[3]);
    active = atoi(argv[4]);
    size = atol(argv[5]);
    depth = atol(argv[6]);
    for (unsigned long index = 0, state = 1; index < PERIOD; index++) {
        state = state * 6364136223846793005ul + 1442695040888963407ul;
        pattern[index] = pattern[index + PERIOD] = state >> 56;
    }
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = make(count, sizeof *connections);
    for (int index = 0; index < count; index++) {
        struct connection *it = &connections[index];
        it->fd = open_socket(SOCK_STREAM, &server, index);
        greet(it);
        if (index >= active)
            continue;
        it->asked = make(depth, sizeof *it->asked);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
        epoll_ctl(epoll, EPOLL_CTL_ADD, it->fd, &event);
    }
    return take_orders(run);
}
