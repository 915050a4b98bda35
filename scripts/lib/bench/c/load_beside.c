/* Look-ups one at a time, and beside them requests for commands, evenly in time. Only the look-ups are timed.
 *
 * load_beside HOST PORT COMMAND_PORT FILE REQUESTS
 * FILE is that of load_udp. REQUESTS is read anew for every run. Its first line is "commands", and requests are sent
 * to the server, or "aside", and they come back to the generator, which has the same work with them; each of the
 * other lines is a signed request.
 */
#include "load.h"
#include <poll.h>

#define LONGEST 2048 /* bytes of a line or an answer */
#define PAIRS 1000
#define MOST 100000

static char questions[PAIRS][LONGEST], *answers[PAIRS], lines[MOST + 1][512], buffer[LONGEST];
static int pair_count, look_ups, commands, itself;
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

static int open_to_itself(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) || getsockname(fd, (struct sockaddr *)&address, &size) ||
        connect(fd, (struct sockaddr *)&address, size))
        die("socket");
    return fd;
}

static void run(double seconds)
{
    static int next;
    char (*requests)[sizeof lines[0]] = lines + 1;
    int request_count = read_lines(requests_path, lines[0], sizeof lines[0], MOST + 1) - 1;
    int aside = !strcmp(lines[0], "aside"), other = aside ? itself : commands;
    while (recv(other, buffer, sizeof buffer - 1, MSG_DONTWAIT) > 0) {
        /* what has come too late for the last run */
    }
    struct pollfd sockets[] = {{.fd = look_ups, .events = POLLIN}, {.fd = other, .events = POLLIN}};
    int sent = 0, heard = 0, ran = 0, awaiting = 0;
    double begun = now(), at = begun, asked = 0;
    while (at < begun + seconds || awaiting || (heard < sent && at < begun + seconds + 5 * PATIENCE)) {
        if (!awaiting && at < begun + seconds) {
            asked = now();
            awaiting = send(look_ups, questions[next], strlen(questions[next]), 0) > 0;
        }
        double due = begun + seconds * sent / (request_count ? request_count : 1);
        if (sent < request_count && at >= due)
            sent += send(other, requests[sent], strlen(requests[sent]), MSG_DONTWAIT) > 0;
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
            int status = status_of(recv(other, buffer, sizeof buffer - 1, MSG_DONTWAIT));
            heard++;
            ran += status == 0 || aside;
            tally.wrong += status != 0 && status != 75 && !aside;
        }
        if (!ready && at > begun + seconds + PATIENCE)
            break;
    }
    tally.lost += sent > heard ? sent - heard : 0;
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
    itself = open_to_itself();
    pair_count = read_lines(argv[4], questions[0], sizeof questions[0], PAIRS);
    for (int index = 0; index < pair_count; index++) {
        answers[index] = strchr(questions[index], '\t');
        *answers[index]++ = 0;
    }
    requests_path = argv[5];
    return take_orders(run);
}
