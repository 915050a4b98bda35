/* TCP echo on epoll(7), as good as C makes it: what netechod is held against.
 *
 * Level-triggered, one read of up to 256 KiB per connection and turn, the answer sent at once, and only what the
 * kernel does not take is kept, in which case nothing more is read from that connection.
 */
#include "common.h"

#define EVENTS 256
#define BUFFER (256 * 1024)
#define ACCEPTS 64 /* per turn */

struct owed {
    char *bytes;
    size_t size, sent;
};

static char buffer[BUFFER];
static struct owed *owing; /* by descriptor */
static int owing_size;
static int epoll;

static void end(int fd)
{
    free(owing[fd].bytes);
    owing[fd] = (struct owed){0};
    close(fd);
}

static void keep(int fd, const char *bytes, size_t size)
{
    owing[fd] = (struct owed){.bytes = make(1, size), .size = size};
    memcpy(owing[fd].bytes, bytes, size);
    watch(epoll, EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void on_readable(int fd)
{
    ssize_t got = recv(fd, buffer, sizeof buffer, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            end(fd);
        return;
    }
    ssize_t sent = send(fd, buffer, got, MSG_NOSIGNAL);
    if (sent == got)
        return;
    if (sent < 0 && errno != EAGAIN)
        end(fd);
    else
        keep(fd, buffer + (sent > 0 ? sent : 0), got - (sent > 0 ? sent : 0));
}

static void on_writable(int fd)
{
    struct owed *owed = &owing[fd];
    ssize_t sent = send(fd, owed->bytes + owed->sent, owed->size - owed->sent, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN)
            end(fd);
        return;
    }
    owed->sent += sent;
    if (owed->sent == owed->size) {
        free(owed->bytes);
        *owed = (struct owed){0};
        watch(epoll, EPOLL_CTL_MOD, fd, EPOLLIN);
    }
}

static void on_newcomers(void)
{
    for (int count = 0; count < ACCEPTS; count++) {
        int fd = accept4(PASSED, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        if (fd >= owing_size) {
            int size = 2 * fd + 64;
            owing = realloc(owing, size * sizeof *owing);
            if (!owing)
                die("realloc");
            memset(owing + owing_size, 0, (size - owing_size) * sizeof *owing);
            owing_size = size;
        }
        watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

int main(void)
{
    struct epoll_event events[EVENTS];
    epoll = epoll_create1(EPOLL_CLOEXEC);
    int one = 1;
    if (ioctl(PASSED, FIONBIO, &one))
        die("ioctl");
    watch(epoll, EPOLL_CTL_ADD, PASSED, EPOLLIN);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);
        for (int index = 0; index < count; index++) {
            int fd = events[index].data.fd;
            if (fd == PASSED)
                on_newcomers();
            else if (owing[fd].bytes)
                on_writable(fd);
            else
                on_readable(fd);
        }
    }
}
