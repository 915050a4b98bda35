#include "load.h"
#include <signal.h>
#include <time.h>

struct tally tally;

double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec * 1e-9;
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned octave = ns < 32 ? 5 : 63 - __builtin_clzll(ns);
    return octave * 32 + ((ns >> (octave - 5)) & 31);
}

void answered(unsigned long count, double asked, double at)
{
    tally.done += count;
    tally.latencies[bucket_of((at - asked) * 1e9)] += count;
    if (at - tally.last > tally.silence)
        tally.silence = at - tally.last;
    tally.last = at;
}

/* Microseconds within which this share of the answers came. */
static double within(double share)
{
    unsigned long wanted = share * tally.done, seen = 0;
    for (unsigned bucket = 0; bucket < sizeof tally.latencies / sizeof *tally.latencies; bucket++) {
        seen += tally.latencies[bucket];
        if (seen > wanted)
            return (double)((uint64_t)(32 + bucket % 32) << (bucket / 32)) / 32 / 1000;
    }
    return 0;
}

struct sockaddr_in server_address(char **argv)
{
    struct sockaddr_in server = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[2]))};
    if (inet_pton(AF_INET, argv[1], &server.sin_addr) != 1)
        die(argv[1]);
    return server;
}

void bind_source(int fd, int number)
{
    int one = 1;
    struct sockaddr_in source = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(0x7f000101 + number / PER_SOURCE)};
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    if (bind(fd, (struct sockaddr *)&source, sizeof source))
        die("bind");
}

int open_socket(int kind, const struct sockaddr_in *server, int number)
{
    int fd = socket(AF_INET, kind | SOCK_CLOEXEC, 0), one = 1;
    if (fd < 0)
        die("socket");
    bind_source(fd, number);
    if (connect(fd, (const struct sockaddr *)server, sizeof *server))
        die("connect");
    ioctl(fd, FIONBIO, &one);
    if (kind == SOCK_STREAM)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

int take_orders(void (*run)(double seconds))
{
    char order[64];
    double seconds;
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdin, NULL, _IONBF, 0);
    puts("ready");
    fflush(stdout);
    while (fgets(order, sizeof order, stdin) && sscanf(order, "run %lf", &seconds) == 1) {
        double begun = now();
        tally = (struct tally){.last = begun};
        run(seconds);
        printf("{\"done\": %lu, \"lost\": %lu, \"wrong\": %lu, \"seconds\": %.9f, \"p50\": %.2f, \"p99\": %.2f, "
               "\"silence\": %.6f}\n",
               tally.done, tally.lost, tally.wrong, (tally.done ? tally.last : now()) - begun, within(0.5), within(0.99),
               tally.silence);
        fflush(stdout);
    }
    return 0;
}
