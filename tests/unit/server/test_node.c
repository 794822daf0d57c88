#include "node.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "config_fixture.h"
#include "log.h"
#include "reload.h"

/* A node in a child process; the parent is its operator and its clients. */
struct node_test {
    struct loaded loaded;
    char log_path[128];
    char pid_path[128];
    pid_t pid;
    uint16_t port;
};

enum { TRIES = 4000, PAUSE_MS = 5 };

/* What the node has logged so far. */
static void read_log(const struct node_test *test, char *text, size_t size)
{
    text[0] = '\0';
    FILE *file = fopen(test->log_path, "r");
    if (file != NULL) {
        text[fread(text, 1, size - 1, file)] = '\0';
        fclose(file);
    }
}

static bool logs(const struct node_test *test, const char *wanted)
{
    char text[16384];
    for (int i = 0; i < TRIES; i++) {
        read_log(test, text, sizeof(text));
        if (strstr(text, wanted) != NULL) {
            return true;
        }
        poll(NULL, 0, PAUSE_MS);
    }
    return false;
}

static void launch(struct node_test *test, const char *port, const char *shutdown_timeout)
{
    static unsigned serial;
    char json[1024];
    serial++;
    snprintf(test->log_path, sizeof(test->log_path), "/tmp/hf_node_%ld_%u.log", (long)getpid(),
             serial);
    snprintf(test->pid_path, sizeof(test->pid_path), "/tmp/hf_node_%ld_%u.pid", (long)getpid(),
             serial);
    snprintf(json, sizeof(json),
             "{\"http_server\":{\"address\":\"127.0.0.1\",\"port\":%s},"
             "\"client\":{\"allow_anonymous_connect_without_token\":true},"
             "\"log\":{\"file\":\"%s\"},\"pid_file\":\"%s\","
             "\"shutdown\":{\"timeout\":\"%s\"},\"holdfast\":{\"workers\":2}}",
             port, test->log_path, test->pid_path, shutdown_timeout);
    load_all(&test->loaded, json, NULL, NULL);
    if (test->loaded.status != HF_CONFIG_LOADED) {
        fail_msg("configuration: %s", test->loaded.result.errors.items[0]);
    }
    fflush(NULL);
    test->pid = fork();
    assert_true(test->pid >= 0);
    if (test->pid == 0) {
        const struct hf_config *config = test->loaded.result.config;
        if (hf_log_init(config->log.level, config->log.file) != 0) {
            exit(99);
        }
        const char *const argv[] = {"holdfast", "-c", test->loaded.path};
        const char *const envp[] = {NULL};
        const struct hf_config_source source = {.argc = 3, .argv = argv, .envp = envp};
        int status = hf_node_run(config, &source);
        hf_log_fini();
        exit(status); /* so that the sanitizers have their say */
    }
}

static void launch_serving(struct node_test *test, const char *shutdown_timeout)
{
    launch(test, "0", shutdown_timeout);
    assert_true(logs(test, "holdfast is serving"));
    char text[16384];
    read_log(test, text, sizeof(text));
    const char *port = strstr(strstr(text, "holdfast is serving"), "\"port\":");
    assert_non_null(port);
    test->port = (uint16_t)atoi(port + 7);
}

/* Waits for the child's end. Returns its exit status. */
static int finish(struct node_test *test)
{
    int status = 0;
    pid_t ended = 0;
    for (int i = 0; i < TRIES && ended == 0; i++) {
        ended = waitpid(test->pid, &status, WNOHANG);
        if (ended == 0) {
            poll(NULL, 0, PAUSE_MS);
        }
    }
    if (ended == 0) {
        kill(test->pid, SIGKILL);
        waitpid(test->pid, &status, 0);
        fail_msg("the node has not ended");
    }
    if (!WIFEXITED(status)) {
        fail_msg("the node was ended by signal %d", WTERMSIG(status));
    }
    assert_int_equal(access(test->pid_path, F_OK), -1);
    unlink(test->log_path);
    unload(&test->loaded);
    return WEXITSTATUS(status);
}

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads until `wanted` (len bytes) has come, or the end of the stream. */
static bool receives(int fd, const char *wanted, size_t len)
{
    char data[4096];
    size_t have = 0;
    while (have < sizeof(data)) {
        ssize_t got = recv(fd, data + have, sizeof(data) - have, 0);
        if (got <= 0) {
            return false;
        }
        have += (size_t)got;
        if (memmem(data, have, wanted, len) != NULL) {
            return true;
        }
    }
    return false;
}

static int dial_websocket(uint16_t port)
{
    int fd = dial(port);
    say(fd, "GET /connection/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    assert_true(receives(fd, "\r\n\r\n", 4));
    return fd;
}

static const char goodbye_3001[] = "\x88\x0a\x0b\xb9shutdown";

static void a_node_serves_until_sigterm_and_exits_0(void **state)
{
    (void)state;
    struct node_test test;
    launch_serving(&test, "10s");
    FILE *pid_file = fopen(test.pid_path, "r");
    assert_non_null(pid_file);
    long pid = 0;
    assert_int_equal(fscanf(pid_file, "%ld", &pid), 1);
    fclose(pid_file);
    assert_int_equal(pid, test.pid);
    int fd = dial(test.port);
    say(fd, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(receives(fd, "HTTP/1.1 200 OK\r\n", 17));
    kill(test.pid, SIGTERM);
    assert_int_equal(finish(&test), 0);
    close(fd);
}

static void clients_are_told_3001_on_sigint_and_waited_for(void **state)
{
    (void)state;
    struct node_test test;
    launch_serving(&test, "10s");
    int clients[8];
    for (int i = 0; i < 8; i++) {
        clients[i] = dial_websocket(test.port);
    }
    kill(test.pid, SIGINT);
    for (int i = 0; i < 8; i++) {
        assert_true(receives(clients[i], goodbye_3001, sizeof(goodbye_3001) - 1));
        say(clients[i], "\x88\x82\x01\x01\x01\x01\x0a\xb8"); /* 3001, masked */
        char byte;
        assert_int_equal(recv(clients[i], &byte, 1, 0), 0);
        close(clients[i]);
    }
    assert_int_equal(finish(&test), 0);
}

static void clients_that_do_not_leave_in_time_make_it_exit_1(void **state)
{
    (void)state;
    struct node_test test;
    launch_serving(&test, "1s");
    int fd = dial_websocket(test.port);
    kill(test.pid, SIGTERM);
    assert_true(logs(&test, "shutdown timeout reached"));
    assert_int_equal(finish(&test), 1);
    close(fd);
}

static void a_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    struct node_test test;
    launch_serving(&test, "60s");
    int fd = dial_websocket(test.port);
    kill(test.pid, SIGTERM);
    assert_true(receives(fd, goodbye_3001, sizeof(goodbye_3001) - 1));
    kill(test.pid, SIGTERM);
    assert_true(logs(&test, "a second signal came"));
    assert_int_equal(finish(&test), 1);
    close(fd);
}

static void a_port_that_is_taken_stops_the_start(void **state)
{
    (void)state;
    struct node_test first;
    struct node_test second;
    launch_serving(&first, "10s");
    char port[8];
    snprintf(port, sizeof(port), "%u", (unsigned)first.port);
    launch(&second, port, "10s");
    assert_true(logs(&second, "Address already in use"));
    assert_int_equal(finish(&second), 1);
    kill(first.pid, SIGTERM);
    assert_int_equal(finish(&first), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_serves_until_sigterm_and_exits_0),
        cmocka_unit_test(clients_are_told_3001_on_sigint_and_waited_for),
        cmocka_unit_test(clients_that_do_not_leave_in_time_make_it_exit_1),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
        cmocka_unit_test(a_port_that_is_taken_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
