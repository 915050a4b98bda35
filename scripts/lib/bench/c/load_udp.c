/* Datagrams: so many questions on their way, over so many sockets; every answer is compared.
 *
 * load_udp HOST PORT SOCKETS WINDOW FILE
 * FILE has a question, a tab and its answer in every line; they are asked in that order.
 */
#include "load.h"
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define MOST 256   /* questions on their way on one socket */
#define LONGEST 2048 /* bytes of an answer */
#define EVENTS 64

struct pair {
    const char *question, *answer;
    uint32_t question_size, answer_size;
};

struct asker {
    int fd, awaited;
    struct pair *pairs[MOST]; /* awaited, the oldest first */
    double asked[MOST];
};

static struct pair *pairs, *next;
static unsigned long pair_count;
static struct asker *askers;
static int sockets, window, epoll;
static struct mmsghdr messages[MOST];
static struct iovec vectors[MOST];
static char buffer[MOST][LONGEST];

static void load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status))
        die(path);
    const char *text = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (text == MAP_FAILED)
        die("mmap");
    const char *end = text + status.st_size;
    unsigned long lines = 0;
    for (const char *at = text; at < end; at++)
        lines += *at == '\n';
    pairs = make(lines, sizeof *pairs);
    for (const char *at = text; at < end;) {
        const char *tab = memchr(at, '\t', end - at), *line_end = memchr(tab, '\n', end - tab);
        pairs[pair_count++] = (struct pair){at, tab + 1, tab - at, line_end - tab - 1};
        at = line_end + 1;
    }
    next = pairs;
}

static void ask(struct asker *it, double at)
{
    int first = it->awaited, count = window - first;
    for (int index = 0; index < count; index++) {
        it->pairs[first + index] = next;
        it->asked[first + index] = at;
        vectors[index] = (struct iovec){(char *)next->question, next->question_size};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index], .msg_iovlen = 1};
        if (++next == pairs + pair_count)
            next = pairs;
    }
    int sent = count ? sendmmsg(it->fd, messages, count, 0) : 0;
    it->awaited += sent > 0 ? sent : 0; /* what was not taken is not asked */
}

static void forget(struct asker *it, int place)
{
    it->awaited--;
    memmove(it->pairs + place, it->pairs + place + 1, (it->awaited - place) * sizeof *it->pairs);
    memmove(it->asked + place, it->asked + place + 1, (it->awaited - place) * sizeof *it->asked);
}

/* Find what it answers: the oldest question, as a rule. An answer to none of them stands for that one. */
static void check(struct asker *it, const char *answer, uint32_t size, double at)
{
    for (int place = 0; place < it->awaited; place++) {
        struct pair *pair = it->pairs[place];
        if (pair->answer_size == size && !memcmp(pair->answer, answer, size)) {
            answered(1, it->asked[place], at);
            forget(it, place);
            return;
        }
    }
    tally.wrong++;
    if (it->awaited)
        forget(it, 0);
}

static void hear(struct asker *it, double at)
{
    for (int index = 0; index < window; index++) {
        vectors[index] = (struct iovec){buffer[index], LONGEST};
        messages[index].msg_hdr = (struct msghdr){.msg_iov = &vectors[index], .msg_iovlen = 1};
    }
    int count = recvmmsg(it->fd, messages, window, MSG_DONTWAIT, NULL);
    for (int index = 0; index < count; index++)
        check(it, buffer[index], messages[index].msg_len, at);
}

static int awaiting(void)
{
    int count = 0;
    for (int index = 0; index < sockets; index++)
        count += askers[index].awaited;
    return count;
}

static void run(double seconds)
{
    struct epoll_event events[EVENTS];
    double begun = now(), at = begun;
    for (int index = 0; index < sockets; index++)
        ask(&askers[index], at);
    while (at < begun + seconds || awaiting()) {
        int count = epoll_wait(epoll, events, EVENTS, PATIENCE * 1000);
        at = now();
        if (count <= 0) {
            tally.lost += awaiting();
            for (int index = 0; index < sockets; index++)
                askers[index].awaited = 0;
            if (at >= begun + seconds)
                return;
        }
        for (int index = 0; index < count; index++) {
            struct asker *it = events[index].data.ptr;
            hear(it, at);
            if (at < begun + seconds)
                ask(it, at);
        }
        for (int index = 0; count <= 0 && index < sockets; index++)
            ask(&askers[index], at);
    }
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    struct sockaddr_in server = server_address(argv);
    sockets = atoi(argv[3]);
    window = atoi(argv[4]) / sockets;
    if (window < 1 || window > MOST)
        return 64;
    load(argv[5]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    askers = make(sockets, sizeof *askers);
    for (int index = 0; index < sockets; index++) {
        askers[index].fd = open_socket(SOCK_DGRAM, &server, index);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &askers[index]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, askers[index].fd, &event);
    }
    return take_orders(run);
}
