/* TCP: connect, one echo, close; some side by side, so that the server always has one to take.
 *
 * load_connect HOST PORT SIZE
 */
#include "load.h"

#define AT_ONCE 32
#define SOURCES 64 * PER_SOURCE /* numbers for bind_source: a port is not free again at once (TIME-WAIT) */

static struct sockaddr_in server;
static double asked[AT_ONCE];
static int fds[AT_ONCE];
static int epoll, size;
static unsigned number;
static char message[4096], answer[4096];

static void begin(int slot)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        die("socket");
    bind_source(fd, number++ % (SOURCES));
    asked[slot] = now();
    fds[slot] = fd;
    if (connect(fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS)
        die("connect");
    /* On loopback the handshake is over by now, and the message goes at once. */
    int sent = send(fd, message, size, MSG_NOSIGNAL) == size;
    struct epoll_event event = {.events = sent ? EPOLLIN : EPOLLOUT, .data.u32 = slot};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void end(int slot)
{
    close(fds[slot]);
    fds[slot] = -1;
}

/* Whether the conversation is over. */
static int go_on(int slot, unsigned events)
{
    int fd = fds[slot];
    if (events & EPOLLOUT) {
        struct epoll_event event = {.events = EPOLLIN, .data.u32 = slot};
        if (send(fd, message, size, MSG_NOSIGNAL) != size)
            return tally.lost++, 1;
        epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event);
        return 0;
    }
    if (recv(fd, answer, sizeof answer, 0) != size)
        tally.lost++;
    else if (memcmp(answer, message, size))
        tally.wrong++;
    else
        answered(1, asked[slot], now());
    return 1;
}

static void run(double seconds)
{
    struct epoll_event events[AT_ONCE];
    double until = now() + seconds;
    int open = AT_ONCE;
    for (int slot = 0; slot < AT_ONCE; slot++)
        begin(slot);
    while (open) {
        int count = epoll_wait(epoll, events, AT_ONCE, PATIENCE * 1000);
        if (count <= 0)
            break;
        for (int index = 0; index < count; index++) {
            int slot = events[index].data.u32;
            if (!go_on(slot, events[index].events))
                continue;
            end(slot);
            if (now() < until)
                begin(slot);
            else
                open--;
        }
    }
    tally.lost += open;
    for (int slot = 0; slot < AT_ONCE; slot++)
        if (fds[slot] >= 0)
            end(slot);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    server = server_address(argv);
    size = atoi(argv[3]);
    for (int index = 0; index < size; index++)
        message[index] = index;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return take_orders(run);
}
