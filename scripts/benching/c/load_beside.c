/* Look-ups one at a time, and beside them requests for commands, evenly in time. Only the look-ups are timed.
 *
 * load_beside HOST PORT COMMAND_PORT FILE REQUESTS
 * FILE is that of load_udp. REQUESTS is read anew for every run, and has a signed request in every line.
 */
#include "load.h"
#include <poll.h>

#define LONGEST 2048 /* bytes of a line or an answer */
#define PAIRS 1000
#define MOST 100000

static char questions[PAIRS][LONGEST], *answers[PAIRS], requests[MOST][512], buffer[LONGEST];
static int pair_count, request_count, look_ups, commands;
static const char *requests_path;

static int read_lines(const char *path, char *lines, size_t size, int most)
{
    FILE *file = fopen(path, "r");
    int count = 0;
    if (!file)
        die(path);
    while (count < most && fgets(lines + count * size, size, file)) {
        char *line = lines + count++ * size;
        line[strcspn(line, "\n")] = 0;
    }
    fclose(file);
    return count;
}

/* "NX1 NONCE PART/PARTS STATUS ...": whether the command ran, or was one too many for now. */
static int status_of(ssize_t size)
{
    buffer[size > 0 ? size : 0] = 0;
    const char *at = buffer;
    for (int word = 0; word < 3 && at; word++) {
        at = strchr(at, ' ');
        at += at != NULL;
    }
    return at ? atoi(at) : -1;
}

static void run(double seconds)
{
    static int next;
    request_count = read_lines(requests_path, requests[0], sizeof requests[0], MOST);
    struct pollfd sockets[] = {{.fd = look_ups, .events = POLLIN}, {.fd = commands, .events = POLLIN}};
    int sent = 0, heard = 0, ran = 0, awaiting = 0;
    double begun = now(), at = begun, asked = 0;
    while (at < begun + seconds || awaiting || (heard < sent && at < begun + seconds + 5 * PATIENCE)) {
        if (!awaiting && at < begun + seconds) {
            awaiting = send(look_ups, questions[next], strlen(questions[next]), 0) > 0;
            asked = at;
        }
        double due = begun + seconds * sent / (request_count ? request_count : 1);
        if (sent < request_count && at >= due)
            sent += send(commands, requests[sent], strlen(requests[sent]), MSG_DONTWAIT) > 0;
        int wait = sent < request_count && at < begun + seconds ? 1 : PATIENCE * 1000;
        int ready = poll(sockets, 2, wait);
        at = now();
        if (sockets[0].revents & POLLIN) {
            ssize_t size = recv(look_ups, buffer, sizeof buffer - 1, MSG_DONTWAIT);
            buffer[size > 0 ? size : 0] = 0;
            if (strcmp(buffer, answers[next]))
                tally.wrong++;
            else
                answered(1, asked, at);
            next = (next + 1) % pair_count;
            awaiting = 0;
        } else if (awaiting && at > asked + PATIENCE) {
            tally.lost++;
            awaiting = 0;
        }
        if (sockets[1].revents & POLLIN) {
            int status = status_of(recv(commands, buffer, sizeof buffer - 1, MSG_DONTWAIT));
            heard++;
            ran += status == 0;
            tally.wrong += status != 0 && status != 75;
        }
        if (!ready && at > begun + seconds + PATIENCE)
            break;
    }
    tally.lost += sent - heard;
    tally.wrong += sent && !ran; /* nothing was measured then */
}

int main(int argc, char **argv)
{
    if (argc != 6)
        return 64;
    struct sockaddr_in server = server_address(argv);
    look_ups = open_socket(SOCK_DGRAM, &server, 0);
    server.sin_port = htons(atoi(argv[3]));
    commands = open_socket(SOCK_DGRAM, &server, PER_SOURCE);
    pair_count = read_lines(argv[4], questions[0], sizeof questions[0], PAIRS);
    for (int index = 0; index < pair_count; index++) {
        answers[index] = strchr(questions[index], '\t');
        *answers[index]++ = 0;
    }
    requests_path = argv[5];
    return take_orders(run);
}
