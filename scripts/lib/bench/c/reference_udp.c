/* UDP echo, or look-ups in a dictionary, on epoll(7), recvmmsg(2) and sendmmsg(2).
 *
 * reference_udp            echo
 * reference_udp FILE       look-ups: a hash table with open addressing over the mapped file
 */
#include "common.h"
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#define BATCH 64
#define PAYLOAD 65536

struct entry {
    uint64_t hash;
    const char *word, *meaning;
    uint32_t word_size, meaning_size;
};

static struct entry *table; /* NULL: echo */
static uint64_t mask;
static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_vector[BATCH], out_vector[BATCH];
static struct sockaddr_storage peers[BATCH];

static uint64_t hash_of(const char *word, uint32_t size)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (uint32_t index = 0; index < size; index++)
        hash = (hash ^ (unsigned char)word[index]) * 1099511628211u;
    return hash;
}

/* Where `word` is, or where it would have to go. */
static struct entry *place_of(const char *word, uint32_t size)
{
    uint64_t hash = hash_of(word, size);
    for (uint64_t at = hash & mask;; at = (at + 1) & mask) {
        struct entry *entry = &table[at];
        if (!entry->word ||
            (entry->hash == hash && entry->word_size == size && !memcmp(entry->word, word, size))) {
            entry->hash = hash;
            return entry;
        }
    }
}

static void load(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status))
        die(path);
    const char *text = mmap(NULL, status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (text == MAP_FAILED)
        die("mmap");
    const char *end = text + status.st_size;
    uint64_t lines = 1;
    for (const char *at = text; at < end; at++)
        lines += *at == '\n';
    for (mask = 1; mask < 2 * lines; mask *= 2)
        ;
    table = make(mask--, sizeof *table);
    for (const char *at = text, *next; at < end; at = next + 1) {
        next = memchr(at, '\n', end - at);
        next = next ? next : end;
        const char *colon = memchr(at, ':', next - at);
        if (*at == '#' || !colon)
            continue;
        struct entry *entry = place_of(at, colon - at);
        if (entry->word)
            continue; /* the first one stays */
        entry->word = at;
        entry->word_size = colon - at;
        entry->meaning = colon + 1;
        entry->meaning_size = next - colon - 1;
    }
}

/* The text of a datagram: up to the first NUL, less trailing CR, LF and space. */
static uint32_t text_size(const char *text, uint32_t size)
{
    const char *nul = memchr(text, 0, size);
    size = nul ? (uint32_t)(nul - text) : size;
    while (size && strchr("\r\n ", text[size - 1]))
        size--;
    return size;
}

static void answer(int index)
{
    char *question = in_vector[index].iov_base;
    if (!table) {
        out_vector[index] = (struct iovec){question, in[index].msg_len};
        return;
    }
    struct entry *entry = place_of(question, text_size(question, in[index].msg_len));
    if (entry->word)
        out_vector[index] = (struct iovec){(char *)entry->meaning, entry->meaning_size};
    else
        out_vector[index] = (struct iovec){"unknown", 7};
}

static void on_readable(void)
{
    for (int index = 0; index < BATCH; index++)
        in[index].msg_hdr.msg_namelen = sizeof peers[index];
    int count = recvmmsg(PASSED, in, BATCH, MSG_DONTWAIT, NULL);
    for (int index = 0; index < count; index++) {
        answer(index);
        out[index].msg_hdr.msg_namelen = in[index].msg_hdr.msg_namelen;
    }
    for (int sent = 0; sent < count;) {
        int more = sendmmsg(PASSED, out + sent, count - sent, 0);
        sent += more > 0 ? more : 1; /* UDP: what cannot be sent is lost */
    }
}

int main(int argc, char **argv)
{
    if (argc > 1)
        load(argv[1]);
    for (int index = 0; index < BATCH; index++) {
        in_vector[index] = (struct iovec){make(1, PAYLOAD), PAYLOAD};
        in[index].msg_hdr = (struct msghdr){
            .msg_name = &peers[index], .msg_iov = &in_vector[index], .msg_iovlen = 1};
        out[index].msg_hdr = (struct msghdr){
            .msg_name = &peers[index], .msg_iov = &out_vector[index], .msg_iovlen = 1};
    }
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    watch(epoll, EPOLL_CTL_ADD, PASSED, EPOLLIN);
    for (struct epoll_event event;;)
        if (epoll_wait(epoll, &event, 1, -1) == 1)
            on_readable();
}
