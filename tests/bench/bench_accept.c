/* The floor under a storm: what the kernel alone takes to accept a client on loopback and to answer
 * the three things that it says in turn (upgrade, connect, subscribe), with the calls that no
 * server does without: accept4, epoll_ctl, and three times recv and send. Nothing is parsed; the
 * answers are of a storm's usual size. A child process is the clients.
 *
 *   bench_accept [--clients N] [--opening N] [--rest US] [--json FILE]
 *
 * Says how many clients a CPU second of the serving process carries. With a rest, a turn that found
 * less than 64 events is followed by it, as in server/net/gather.h. */
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"
#include "report.h"
#include "socket.h"

#define SCRATCH_SIZE ((size_t)128 * 1024)
#define EVENTS_MAX   512
#define EVENTS_FEW   64
#define STEPS        3

static const size_t question_bytes[STEPS] = {200, 30, 110};
static const size_t answer_bytes[STEPS] = {129, 140, 1730};
static char scratch[SCRATCH_SIZE];
static const char zeros[SCRATCH_SIZE];

static struct {
    uint32_t clients, opening, rest_us;
    const char *json;
} options = {.clients = 10000, .opening = 512};

/* By descriptor: how far a client is. */
struct place {
    uint8_t step;
    size_t bytes; /* of its step's question or answer that have come */
};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_accept: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"clients", required_argument, NULL, 'c'},
        {"opening", required_argument, NULL, 'o'},
        {"rest", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},
        {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        double value = optarg != NULL ? strtod(optarg, NULL) : 0;
        if (option == 'j') {
            options.json = optarg;
        } else if (option == '?' || value < 1) {
            fputs("usage: bench_accept [--clients N] [--opening N] [--rest US] [--json FILE]\n",
                  stderr);
            exit(2);
        } else if (option == 'c') {
            options.clients = (uint32_t)value;
        } else if (option == 'o') {
            options.opening = (uint32_t)value;
        } else {
            options.rest_us = (uint32_t)value;
        }
    }
}

/* Descriptors begin at 0, and a process here has few besides its clients'. */
static struct place *new_places(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        die("getrlimit");
    }
    limit.rlim_cur = limit.rlim_max;
    struct place *places = calloc(options.clients + 64, sizeof *places);
    if (places == NULL || setrlimit(RLIMIT_NOFILE, &limit) != 0 ||
        limit.rlim_cur < options.clients + 64) {
        die("descriptors");
    }
    return places;
}

/* Reads. True: the step's message is complete, and the next step begins. */
static bool take(int fd, struct place *place, const size_t sizes[STEPS])
{
    ssize_t len = recv(fd, scratch, sizeof scratch, MSG_DONTWAIT);
    if (len <= 0) {
        if (len < 0 && errno == EAGAIN) {
            return false;
        }
        die("recv");
    }
    place->bytes += (size_t)len;
    if (place->bytes < sizes[place->step]) {
        return false;
    }
    place->bytes = 0;
    place->step++;
    return true;
}

static void say(int fd, size_t bytes)
{
    if (send(fd, zeros, bytes, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t)bytes) {
        die("send");
    }
}

/* --- the child: the clients --------------------------------------------------------------------
 */

static void watch(int epoll_fd, int how, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(epoll_fd, how, fd, &event) != 0) {
        die("epoll_ctl");
    }
}

static _Noreturn void come(const struct sockaddr_in *address)
{
    int epoll_fd = epoll_create1(0);
    uint32_t opened = 0, opening = 0;
    struct place *places = new_places();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        for (; opened < options.clients && opening < options.opening; opened++, opening++) {
            int fd = hf_socket_connect(address, opened);
            if (fd < 0) {
                die("connect");
            }
            watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLOUT);
        }
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if ((events[i].events & EPOLLOUT) != 0) {
                watch(epoll_fd, EPOLL_CTL_MOD, fd, EPOLLIN);
                say(fd, question_bytes[0]);
            } else if (take(fd, &places[fd], answer_bytes)) {
                if (places[fd].step < STEPS) {
                    say(fd, question_bytes[places[fd].step]);
                } else {
                    opening--;
                }
            }
        }
    }
}

/* --- the server --------------------------------------------------------------------------------
 */

static void accept_all(int listener, int epoll_fd)
{
    int fd;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        watch(epoll_fd, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
    if (errno != EAGAIN) {
        die("accept");
    }
}

static void serve(int listener)
{
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    struct place *places = new_places();
    uint32_t served = 0;
    watch(epoll_fd, EPOLL_CTL_ADD, listener, EPOLLIN);
    while (served < options.clients) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(epoll_fd, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) {
                accept_all(listener, epoll_fd);
            } else if (take(fd, &places[fd], question_bytes)) {
                say(fd, answer_bytes[places[fd].step - 1]);
                served += places[fd].step == STEPS;
            }
        }
        if (options.rest_us > 0 && count < EVENTS_FEW) {
            hf_sleep_us(options.rest_us);
        }
    }
    free(places);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct hf_report report = {0};
    socklen_t len = sizeof address;
    const int on = 1;
    parse(argc, argv);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
        bind(listener, (struct sockaddr *)&address, len) != 0 || listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    pid_t child = fork();
    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        come(&address);
    }
    uint64_t begin_ns = hf_now_ns();
    double cpu = hf_process_cpu_seconds(getpid());
    serve(listener);
    cpu = hf_process_cpu_seconds(getpid()) - cpu;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    hf_report_add(&report, "clients", options.clients);
    hf_report_add(&report, "seconds", (double)(hf_now_ns() - begin_ns) / 1e9);
    hf_report_add(&report, "server_cpu_seconds", cpu);
    hf_report_add(&report, "recoveries_per_cpu_second", options.clients / cpu);
    printf("accept loop, %u clients\n", options.clients);
    hf_report_print_table(&report, stdout);
    if (options.json != NULL) {
        FILE *file = fopen(options.json, "ae");
        if (file == NULL) {
            die(options.json);
        }
        hf_report_print_json(&report, "storm", "accept", file);
        if (fclose(file) != 0) {
            die(options.json);
        }
    }
    return EXIT_SUCCESS;
}
