#include "broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define READY_MS    20000
#define ANSWER_SIZE ((size_t)4 * 1024 * 1024)

struct hf_broker {
    pid_t pid;
    uint16_t port;
    char config_path[64];
    int api_fd; /* kept open between requests; -1: none */
    char *answer;
};

static void die(const char *what)
{
    fprintf(stderr, "broker: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static struct sockaddr_in loopback(uint16_t port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static uint16_t free_port(void)
{
    struct sockaddr_in address = loopback(0);
    socklen_t len = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        die("no free port");
    }
    close(fd);
    return ntohs(address.sin_port);
}

/* --- HTTP --------------------------------------------------------------------------------------
 */

static bool send_whole(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

/* Reads one answer with a Content-Length. Returns its status, 0: none came. */
static int read_answer(struct hf_broker *broker)
{
    size_t len = 0;
    for (;;) {
        ssize_t got = recv(broker->api_fd, broker->answer + len, ANSWER_SIZE - 1 - len, 0);
        if (got <= 0) {
            return 0;
        }
        len += (size_t)got;
        broker->answer[len] = '\0';
        const char *body = strstr(broker->answer, "\r\n\r\n");
        const char *length = strcasestr(broker->answer, "\r\nContent-Length:");
        if (body != NULL && length != NULL && length < body &&
            len >= (size_t)(body + 4 - broker->answer) + strtoul(length + 17, NULL, 10)) {
            return (int)strtol(broker->answer + 9, NULL, 10);
        }
    }
}

static int ask(struct hf_broker *broker, const char *method, const char *path, const char *body,
               size_t len)
{
    char head[256];
    struct sockaddr_in address = loopback(broker->port);
    if (broker->api_fd < 0) {
        broker->api_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (broker->api_fd < 0) {
            die("socket");
        }
        if (connect(broker->api_fd, (struct sockaddr *)&address, sizeof address) != 0) {
            close(broker->api_fd);
            broker->api_fd = -1;
            return 0;
        }
    }
    int head_len = snprintf(head, sizeof head,
                            "%s %s HTTP/1.1\r\nHost: bench\r\nX-API-Key: bench\r\n"
                            "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                            method, path, len);
    int status = 0;
    if (send_whole(broker->api_fd, head, (size_t)head_len) &&
        send_whole(broker->api_fd, body, len)) {
        status = read_answer(broker);
    }
    if (status == 0) {
        close(broker->api_fd);
        broker->api_fd = -1;
    }
    return status;
}

void hf_broker_post(struct hf_broker *broker, const char *path, const char *body, size_t len)
{
    int status = ask(broker, "POST", path, body, len);
    if (status != 200 || strstr(broker->answer, "\"error\"") != NULL) {
        fprintf(stderr, "broker: %s answered %d: %.300s\n", path, status, broker->answer);
        exit(EXIT_FAILURE);
    }
}

/* --- the process -------------------------------------------------------------------------------
 */

static void run(const char *program, const struct hf_broker *broker, pid_t parent)
{
    char port[8];
    snprintf(port, sizeof port, "%u", broker->port);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    execl(program, program, "--config", broker->config_path, "--http_server.port", port,
          (char *)NULL);
    _exit(127);
}

static void wait_until_ready(struct hf_broker *broker)
{
    const struct timespec pause = {0, 10000000};
    uint64_t end_ms = hf_test_now_ms() + READY_MS;
    while (ask(broker, "GET", "/health/ready", "", 0) != 200) {
        int status;
        if (waitpid(broker->pid, &status, WNOHANG) == broker->pid) {
            errno = 0;
            die("it has ended; run it by hand with its configuration");
        }
        if (hf_test_now_ms() > end_ms) {
            die("it is not ready");
        }
        nanosleep(&pause, NULL);
    }
}

struct hf_broker *hf_broker_start(const char *program, const char *config)
{
    struct hf_broker *broker = calloc(1, sizeof *broker);
    if (broker == NULL || (broker->answer = malloc(ANSWER_SIZE)) == NULL) {
        die("memory");
    }
    if (access(program, X_OK) != 0) {
        die(program);
    }
    broker->api_fd = -1;
    broker->port = free_port();
    snprintf(broker->config_path, sizeof broker->config_path, "/tmp/hf-bench-XXXXXX.json");
    int fd = mkstemps(broker->config_path, 5);
    if (fd < 0 || write(fd, config, strlen(config)) != (ssize_t)strlen(config)) {
        die(broker->config_path);
    }
    close(fd);
    pid_t parent = getpid();
    broker->pid = fork();
    if (broker->pid < 0) {
        die("fork");
    }
    if (broker->pid == 0) {
        run(program, broker, parent);
    }
    wait_until_ready(broker);
    return broker;
}

void hf_broker_free(struct hf_broker *broker)
{
    if (broker == NULL) {
        return;
    }
    kill(broker->pid, SIGKILL);
    while (waitpid(broker->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (broker->api_fd >= 0) {
        close(broker->api_fd);
    }
    unlink(broker->config_path);
    free(broker->answer);
    free(broker);
}

uint16_t hf_broker_port(const struct hf_broker *broker)
{
    return broker->port;
}

pid_t hf_broker_pid(const struct hf_broker *broker)
{
    return broker->pid;
}
