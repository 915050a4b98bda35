/* A STAMP reflector (RFC 8762, 4.3: stateless, unauthenticated) that takes both its times in user space, as usual
 * ones do; and UDP echo in the same loop, on the socket behind that of STAMP. On epoll(7).
 */
#include "common.h"
#include <endian.h>
#include <stdint.h>
#include <time.h>

#define ECHO (PASSED + 1)
#define BATCH 64
#define PAYLOAD 65536
#define BASE 44 /* octets of a test packet */
#define EPOCH 2208988800u /* seconds from 1900 to 1970 */

static struct mmsghdr messages[BATCH];
static struct iovec vectors[BATCH];
static struct sockaddr_storage peers[BATCH];

static void put_time(unsigned char *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t ntp = ((uint64_t)(now.tv_sec + EPOCH) << 32) | ((uint64_t)now.tv_nsec << 32) / 1000000000;
    ntp = htobe64(ntp);
    memcpy(at, &ntp, sizeof ntp);
}

static void reflect(void)
{
    static unsigned char in[PAYLOAD], out[BASE];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t size = recvfrom(PASSED, in, sizeof in, MSG_DONTWAIT, (struct sockaddr *)&peer, &length);
    if (size < BASE)
        return;
    put_time(out + 16);
    memcpy(out, in, 4);
    memcpy(out + 12, "\x1d\x80", 2); /* not synchronized: an error of 16 s */
    memcpy(out + 14, in + 14, 2);
    memcpy(out + 24, in, 14);
    out[40] = 255;
    put_time(out + 4);
    sendto(PASSED, out, sizeof out, 0, (struct sockaddr *)&peer, length);
}

static void echo(void)
{
    for (int index = 0; index < BATCH; index++) {
        messages[index].msg_hdr.msg_namelen = sizeof peers[index];
        vectors[index].iov_len = PAYLOAD;
    }
    int count = recvmmsg(ECHO, messages, BATCH, MSG_DONTWAIT, NULL);
    for (int index = 0; index < count; index++)
        vectors[index].iov_len = messages[index].msg_len;
    for (int sent = 0; sent < count;) {
        int more = sendmmsg(ECHO, messages + sent, count - sent, 0);
        sent += more > 0 ? more : 1; /* UDP: what cannot be sent is lost */
    }
}

int main(void)
{
    for (int index = 0; index < BATCH; index++) {
        vectors[index].iov_base = make(1, PAYLOAD);
        messages[index].msg_hdr = (struct msghdr){
            .msg_name = &peers[index], .msg_iov = &vectors[index], .msg_iovlen = 1};
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, PASSED, EPOLLIN);
    watch(epoll, EPOLL_CTL_ADD, ECHO, EPOLLIN);
    for (struct epoll_event events[2];;) {
        int count = epoll_wait(epoll, events, 2, -1);
        for (int index = 0; index < count; index++)
            if (events[index].data.fd == PASSED)
                reflect();
            else
                echo();
    }
}
