/* A generator's side of the dialogue with the bench, and what it counts.
 *
 * It says "ready" when it has connected. Then for every line "run SECONDS" on stdin it asks for so long, waits for
 * what it still awaits, and prints what came of it as a line of JSON. It ends with its stdin.
 */
#ifndef LOAD_H
#define LOAD_H

#include "common.h"
#include <stdint.h>

#define PATIENCE 1.0 /* seconds of silence after which what is awaited counts as lost */
#define PER_SOURCE 16 /* sockets bound to one address: as many members as the daemon lets one bring */

struct tally {
    unsigned long done, lost, wrong;
    double last;     /* when something was answered last */
    double silence;  /* the longest time without an answer, in seconds */
    unsigned long latencies[64 * 32]; /* by octave of nanoseconds, and the next five bits */
};

extern struct tally tally;

double now(void);
/* `count` right answers to questions asked at `asked`. */
void answered(unsigned long count, double asked, double at);
/* The server's address, and one of loopback to ask from, so that no source has too many sockets. */
struct sockaddr_in server_address(char **argv);
void bind_source(int fd, int number);
int open_socket(int kind, const struct sockaddr_in *server, int number);
/* Take orders until there are none. */
int take_orders(void (*run)(double seconds));

#endif
