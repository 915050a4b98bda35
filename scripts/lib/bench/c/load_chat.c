/* Chat: every member is a socket of its own; one talks, and what each hears is compared and counted.
 *
 * load_chat HOST PORT MEMBERS
 * The next message starts when the talker has its own copy of the last one back.
 */
#include "load.h"

#define EVENTS 256
#define LINE 256
#define JOIN_PATIENCE 5 /* seconds */

struct member {
    int fd;
    unsigned long heard; /* the number of the last message that it got */
};

static struct member *members, *talker;
static int count, epoll;
static unsigned long number; /* of the last message */
static char name[64];        /* the talker's, as the others see it */
static double asked;

static int text_of(char *text, unsigned long which)
{
    return sprintf(text, "m%010lu abcdefghijklmnopqrst", which); /* 32 bytes */
}

static void talk(double at)
{
    char text[LINE];
    asked = at;
    if (send(talker->fd, text, text_of(text, ++number), 0) < 0)
        tally.lost += count;
}

static void hear(struct member *it, double at)
{
    char line[LINE], expected[2 * LINE], text[LINE];
    ssize_t got = recv(it->fd, line, sizeof line - 1, 0);
    if (got < 0)
        return;
    line[got] = 0;
    const char *digits = strchr(line, '#');
    unsigned long which = digits && digits[1] == 'm' ? strtoul(digits + 2, NULL, 10) : 0;
    text_of(text, which);
    int size = sprintf(expected, "%s#%s", name, text);
    if (got != size || memcmp(line, expected, size) || which <= it->heard || which > number) {
        tally.wrong++;
        return;
    }
    tally.lost += which - it->heard - 1;
    it->heard = which;
    answered(1, asked, at);
}

static void run(double seconds)
{
    struct epoll_event events[EVENTS];
    double begun = now(), at = begun;
    unsigned long first = number;
    talk(at);
    while (at < begun + seconds || tally.done + tally.lost + tally.wrong < (number - first) * count) {
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE * 1000);
        at = now();
        if (ready <= 0)
            break;
        for (int index = 0; index < ready; index++)
            hear(events[index].data.ptr, at);
        if (talker->heard == number && at < begun + seconds)
            talk(at);
    }
    for (int index = 0; index < count; index++) {
        tally.lost += number - members[index].heard;
        members[index].heard = number;
    }
}

/* Come online and wait for one's own line; what the others heard of it is thrown away in the end. */
static void join(struct member *it, const struct sockaddr_in *server, int which)
{
    struct timeval limit = {.tv_sec = JOIN_PATIENCE};
    char line[LINE];
    int flags = 0;
    it->fd = open_socket(SOCK_DGRAM, server, which);
    ioctl(it->fd, FIONBIO, &flags);
    setsockopt(it->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (send(it->fd, "online", 6, 0) != 6 || recv(it->fd, line, sizeof line, 0) < 0)
        die("online");
    flags = 1;
    ioctl(it->fd, FIONBIO, &flags);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
    epoll_ctl(epoll, EPOLL_CTL_ADD, it->fd, &event);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    struct sockaddr_in server = server_address(argv), own;
    socklen_t size = sizeof own;
    char line[LINE];
    count = atoi(argv[3]);
    members = make(count, sizeof *members);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    for (int index = 0; index < count; index++)
        join(&members[index], &server, index);
    for (int index = 0; index < count; index++)
        while (recv(members[index].fd, line, sizeof line, 0) >= 0)
            ;
    talker = &members[count - 1]; /* whom every room serves last: everybody has been sent a copy by then */
    getsockname(talker->fd, (struct sockaddr *)&own, &size);
    sprintf(name, "%s--%d", inet_ntoa(own.sin_addr), ntohs(own.sin_port));
    return take_orders(run);
}
