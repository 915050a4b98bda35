/* The chat room: a member's text goes to every member by sendmmsg(2) over headers that stand ready.
 *
 * It does what a room needs while it is measured: online, talk, prompt a stranger. Nobody ever expires.
 */
#include "common.h"

#define BATCH 64
#define TEXT 2048
#define MEMBERS 16384

static struct sockaddr_in members[MEMBERS];
static char names[MEMBERS][32]; /* ip--port# */
static struct mmsghdr headers[MEMBERS];
static struct iovec line;
static int count;
static int by_peer[2 * MEMBERS]; /* open addressing: member + 1, 0 for nobody */

/* Where the member is, or would have to go. */
static int *place_of(const struct sockaddr_in *peer)
{
    unsigned at = (peer->sin_addr.s_addr * 2654435761u ^ peer->sin_port * 40503u) % (2 * MEMBERS);
    while (by_peer[at] && memcmp(&members[by_peer[at] - 1], peer, 8))
        at = (at + 1) % (2 * MEMBERS);
    return &by_peer[at];
}

static void broadcast(int speaker, const char *text, size_t size)
{
    static char buffer[TEXT + 32];
    size_t name = strlen(names[speaker]);
    memcpy(buffer, names[speaker], name);
    memcpy(buffer + name, text, size);
    line = (struct iovec){buffer, name + size};
    for (int sent = 0; sent < count;) {
        int more = sendmmsg(PASSED, headers + sent, count - sent, 0);
        sent += more > 0 ? more : 1;
    }
}

static void join(const struct sockaddr_in *peer, int *place)
{
    if (count == MEMBERS)
        return;
    members[count] = *peer;
    snprintf(names[count], sizeof names[count], "%s--%d#", inet_ntoa(peer->sin_addr), ntohs(peer->sin_port));
    headers[count].msg_hdr = (struct msghdr){
        .msg_name = &members[count], .msg_namelen = sizeof *peer, .msg_iov = &line, .msg_iovlen = 1};
    *place = ++count;
    broadcast(count - 1, "online", 6);
}

static void said(const struct sockaddr_in *peer, const char *text, size_t size)
{
    static const char prompt[] = "你还没有上线,请先上线,运行: online";
    int *place = place_of(peer);
    int online = size == 6 && !memcmp(text, "online", 6);
    if (*place && !online)
        broadcast(*place - 1, text, size);
    else if (!*place && online)
        join(peer, place);
    else if (!*place)
        sendto(PASSED, prompt, sizeof prompt - 1, 0, (const struct sockaddr *)peer, sizeof *peer);
}

int main(void)
{
    static char texts[BATCH][TEXT];
    static struct sockaddr_in peers[BATCH];
    static struct iovec vectors[BATCH];
    static struct mmsghdr in[BATCH];
    for (int index = 0; index < BATCH; index++) {
        vectors[index] = (struct iovec){texts[index], TEXT};
        in[index].msg_hdr = (struct msghdr){
            .msg_name = &peers[index], .msg_iov = &vectors[index], .msg_iovlen = 1};
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, PASSED, EPOLLIN);
    for (struct epoll_event event;;) {
        if (epoll_wait(epoll, &event, 1, -1) != 1)
            continue;
        for (int index = 0; index < BATCH; index++)
            in[index].msg_hdr.msg_namelen = sizeof peers[index];
        int got = recvmmsg(PASSED, in, BATCH, MSG_DONTWAIT, NULL);
        for (int index = 0; index < got; index++)
            said(&peers[index], texts[index], in[index].msg_len);
    }
}
