/* The floor under a fan-out: frames written to many TCP connections on loopback by a bare loop of
 * send(), one call for a frame, nothing else. A child process reads and throws away.
 *
 *   bench_send [--clients N] [--bytes B] [--seconds S] [--rate R] [--json FILE]
 *
 * Says how many frames a CPU second of the sending process carries. With a rate, each client gets
 * so many frames a second; otherwise as many as the kernel takes. */
#include <errno.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "process.h"
#include "report.h"
#include "socket.h"

#define SCRATCH_SIZE ((size_t)1024 * 1024)
#define BYTES_MAX    65536

static struct {
    uint32_t clients, bytes;
    double seconds, rate;
    const char *json;
} options = {.clients = 1000, .bytes = 172, .seconds = 5};

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "bench_send: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void parse(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"clients", required_argument, NULL, 'c'}, {"bytes", required_argument, NULL, 'b'},
        {"seconds", required_argument, NULL, 's'}, {"rate", required_argument, NULL, 'r'},
        {"json", required_argument, NULL, 'j'},    {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        double value = optarg != NULL ? strtod(optarg, NULL) : 0;
        if (option == 'j') {
            options.json = optarg;
            continue;
        }
        if (option == '?' || value <= 0 || (option == 'b' && value > BYTES_MAX)) {
            fputs("usage: bench_send [--clients N] [--bytes B] [--seconds S] [--rate R] "
                  "[--json FILE]\n",
                  stderr);
            exit(2);
        }
        if (option == 'c') {
            options.clients = (uint32_t)value;
        } else if (option == 'b') {
            options.bytes = (uint32_t)value;
        } else if (option == 's') {
            options.seconds = value;
        } else {
            options.rate = value;
        }
    }
}

/* The child: connects everyone and reads until it is killed. */
static _Noreturn void read_all(const struct sockaddr_in *address)
{
    static char scratch[SCRATCH_SIZE];
    int epoll_fd = epoll_create1(0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (uint32_t i = 0; i < options.clients; i++) {
        int fd = hf_socket_connect(address, i);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
            die("connect");
        }
    }
    for (;;) {
        struct epoll_event events[512];
        int count = epoll_wait(epoll_fd, events, 512, -1);
        for (int i = 0; i < count; i++) {
            if (recv(events[i].data.fd, scratch, sizeof scratch, MSG_DONTWAIT) == 0) {
                _exit(0);
            }
        }
    }
}

static void send_frame(int fd, const char *frame)
{
    size_t at = 0;
    while (at < options.bytes) {
        ssize_t sent = send(fd, frame + at, options.bytes - at, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent >= 0) {
            at += (size_t)sent;
            continue;
        }
        struct pollfd room = {.fd = fd, .events = POLLOUT};
        if (errno != EAGAIN || poll(&room, 1, 10000) != 1) {
            die("send");
        }
    }
}

static void wait_until(uint64_t due_ns)
{
    uint64_t now_ns = hf_now_ns();
    if (due_ns > now_ns) {
        hf_sleep_us((uint32_t)((due_ns - now_ns) / 1000));
    }
}

/* Returns the frames sent. */
static uint64_t send_all(const int *fds, struct hf_report *report)
{
    static char frame[BYTES_MAX];
    uint64_t begin_ns = hf_now_ns(), rounds = 0;
    double cpu = hf_process_cpu_seconds(getpid()), seconds = 0;
    memset(frame, 'x', sizeof frame);
    while ((seconds = (double)(hf_now_ns() - begin_ns) / 1e9) < options.seconds) {
        for (uint32_t i = 0; i < options.clients; i++) {
            send_frame(fds[i], frame);
        }
        rounds++;
        if (options.rate > 0) {
            wait_until(begin_ns + (uint64_t)((double)rounds / options.rate * 1e9));
        }
    }
    cpu = hf_process_cpu_seconds(getpid()) - cpu;
    double frames = (double)rounds * options.clients;
    hf_report_add(report, "subscribers", options.clients);
    hf_report_add(report, "frame_bytes", options.bytes);
    hf_report_add(report, "deliveries", frames);
    hf_report_add(report, "deliveries_per_second", frames / seconds);
    hf_report_add(report, "deliveries_per_cpu_second", frames / cpu);
    hf_report_add(report, "server_cpu_seconds", cpu);
    return rounds * options.clients;
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct hf_report report = {0};
    socklen_t len = sizeof address;
    const int on = 1;
    parse(argc, argv);
    int *fds = calloc(options.clients, sizeof *fds);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fds == NULL || listener < 0 || bind(listener, (struct sockaddr *)&address, len) != 0 ||
        listen(listener, 4096) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &len) != 0) {
        die("listen");
    }
    pid_t child = fork();
    if (child < 0) {
        die("fork");
    }
    if (child == 0) {
        read_all(&address);
    }
    for (uint32_t i = 0; i < options.clients; i++) {
        fds[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fds[i] < 0) {
            die("accept");
        }
        setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    uint64_t sent = send_all(fds, &report);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    free(fds);
    close(listener);
    printf("send loop, %llu frames\n", (unsigned long long)sent);
    hf_report_print_table(&report, stdout);
    if (options.json != NULL) {
        FILE *file = fopen(options.json, "ae");
        if (file == NULL) {
            die(options.json);
        }
        hf_report_print_json(&report, "fanout", "send", file);
        if (fclose(file) != 0) {
            die(options.json);
        }
    }
    return EXIT_SUCCESS;
}
