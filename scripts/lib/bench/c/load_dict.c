/* DICT (RFC 2229): so many connections, on each so many commands on their way; every answer is looked at.
 *
 * load_dict HOST PORT CONNECTIONS DEPTH QUESTIONS
 * A line of the file QUESTIONS is a command, a tab, and a text that has to be in its answer.
 */
#include "load.h"

#define MOST 16           /* commands on their way on one connection */
#define ANSWER (1 << 20)  /* bytes of an answer at most */
#define EVENTS 256

struct connection {
    int fd;
    unsigned awaited, next;       /* commands on their way, and the number of the oldest in `asked` */
    unsigned asked[MOST];         /* numbers of questions */
    double when[MOST];            /* when they were asked */
    size_t size, line;            /* bytes of the answer so far, and where its last line begins */
    char answer[ANSWER];
};

static struct connection *connections;
static char **commands, **texts;
static size_t *lengths;
static unsigned long questions, asked_last;
static int count, depth, epoll;

static void lose(struct connection *it)
{
    tally.lost += it->awaited;
    it->awaited = 0;
    close(it->fd);
    it->fd = -1;
}

/* Ask so many questions in one segment. */
static void ask(struct connection *it, int number, double at)
{
    char segment[MOST * 512];
    size_t size = 0;
    for (; number > 0; number--) {
        unsigned question = asked_last++ % questions, slot = (it->next + it->awaited++) % MOST;
        it->asked[slot] = question;
        it->when[slot] = at;
        memcpy(segment + size, commands[question], lengths[question]);
        size += lengths[question];
    }
    if (size && send(it->fd, segment, size, MSG_NOSIGNAL) != (ssize_t)size)
        lose(it);
}

/* Whether the last line ends an answer: 250, 552, or an error. */
static int is_end(const char *line)
{
    return (line[0] == '2' || line[0] == '4' || line[0] == '5') && line[1] >= '0' && line[1] <= '9' && line[3] == ' ';
}

static int hear(struct connection *it, double at)
{
    int heard = 0;
    ssize_t got = recv(it->fd, it->answer + it->size, ANSWER - 1 - it->size, 0);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN)
            lose(it);
        return 0;
    }
    it->size += got;
    size_t start = 0;
    for (char *end; (end = memchr(it->answer + it->line, '\n', it->size - it->line)); it->line = end + 1 - it->answer) {
        if (end - (it->answer + it->line) < 4 || !is_end(it->answer + it->line))
            continue;
        char *from = it->answer + start, *text = texts[it->asked[it->next]];
        start = end + 1 - it->answer;
        if (!it->awaited || !memmem(from, end - from, text, strlen(text)))
            tally.wrong++;
        else
            answered(1, it->when[it->next], at);
        it->next = (it->next + 1) % MOST;
        it->awaited -= it->awaited > 0;
        heard++;
    }
    memmove(it->answer, it->answer + start, it->size - start);
    it->size -= start;
    it->line -= start;
    if (it->size >= ANSWER - 1)
        lose(it);
    return heard;
}

static int awaiting(void)
{
    for (int index = 0; index < count; index++)
        if (connections[index].fd >= 0 && connections[index].awaited)
            return 1;
    return 0;
}

static void run(double seconds)
{
    double begun = now(), at = begun;
    struct epoll_event events[EVENTS];
    for (int index = 0; index < count; index++)
        if (connections[index].fd >= 0)
            ask(&connections[index], depth, at);
    while (awaiting()) {
        int ready = epoll_wait(epoll, events, EVENTS, PATIENCE * 1000);
        at = now();
        if (ready <= 0) {
            for (int index = 0; index < count; index++)
                if (connections[index].fd >= 0 && connections[index].awaited)
                    lose(&connections[index]);
            return;
        }
        for (int index = 0; index < ready; index++) {
            struct connection *it = events[index].data.ptr;
            hear(it, at);
            if (it->fd >= 0 && !it->awaited && at < begun + seconds)
                ask(it, depth, at);
        }
    }
}

/* Wait for the banner: the server speaks first. */
static void greet(const struct connection *it)
{
    char banner[512];
    int flags = 0;
    ioctl(it->fd, FIONBIO, &flags);
    if (recv(it->fd, banner, sizeof banner, 0) < 4 || memcmp(banner, "220 ", 4))
        die("greeting");
    flags = 1;
    ioctl(it->fd, FIONBIO, &flags);
}

static void read_questions(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[512];
    if (!file)
        die(path);
    while (fgets(line, sizeof line, file)) {
        char *tab = strchr(line, '\t');
        line[strcspn(line, "\n")] = 0;
        if (!tab)
            continue;
        *tab = 0;
        commands = realloc(commands, (questions + 1) * sizeof *commands);
        texts = realloc(texts, (questions + 1) * sizeof *texts);
        lengths = realloc(lengths, (questions + 1) * sizeof *lengths);
        if (asprintf(&commands[questions], "%s\r\n", line) < 0)
            die("asprintf");
        lengths[questions] = strlen(commands[questions]);
        texts[questions++] = strdup(tab + 1);
    }
    fclose(file);
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    struct sockaddr_in server = server_address(argv);
    count = atoi(argv[3]);
    depth = atoi(argv[4]);
    if (depth < 1 || depth > MOST)
        return 64;
    read_questions(argv[5]);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    connections = make(count, sizeof *connections);
    for (int index = 0; index < count; index++) {
        struct connection *it = &connections[index];
        it->fd = open_socket(SOCK_STREAM, &server, index);
        greet(it);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = it};
        epoll_ctl(epoll, EPOLL_CTL_ADD, it->fd, &event);
    }
    return take_orders(run);
}
