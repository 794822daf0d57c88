#include "redis_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "loop.h"

#define ARGUMENTS_MAX 48

struct hf_redis_server {
    pid_t pid; /* 0: not running */
    char directory[64];
    char socket_path[96];
    char unix_address[112];
    char tcp_address[32];
    char port_text[8];
    uint16_t port;
    char *options[ARGUMENTS_MAX]; /* NULL-terminated copies */
    char *password;
    redisContext *connection;
};

static void die(const char *what)
{
    fprintf(stderr, "redis-server fixture: %s: %s\n", what, strerror(errno));
    abort();
}

/* A port that was free just now. */
static uint16_t free_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t len = sizeof address;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        die("no free port");
    close(fd);
    return ntohs(address.sin_port);
}

static void disconnect(struct hf_redis_server *server)
{
    if (server->connection != NULL)
        redisFree(server->connection);
    server->connection = NULL;
}

static void exec_server(const struct hf_redis_server *server, pid_t parent)
{
    const char *arguments[ARGUMENTS_MAX + 24] = {"redis-server",
                                                 "--port",
                                                 server->port_text,
                                                 "--bind",
                                                 "127.0.0.1",
                                                 "--unixsocket",
                                                 server->socket_path,
                                                 "--dir",
                                                 server->directory,
                                                 "--save",
                                                 "",
                                                 "--appendonly",
                                                 "no",
                                                 "--daemonize",
                                                 "no",
                                                 "--logfile",
                                                 "redis.log",
                                                 "--enable-debug-command",
                                                 "yes"};
    size_t count = 19;
    for (size_t i = 0; server->options[i] != NULL; i++)
        arguments[count++] = server->options[i];
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1); /* it died before the line above */
    execvp("redis-server", (char *const *)arguments);
    _exit(127);
}

static void launch(struct hf_redis_server *server)
{
    pid_t parent = getpid();
    server->pid = fork();
    if (server->pid < 0)
        die("fork");
    if (server->pid == 0)
        exec_server(server, parent);
}

static redisContext *connect_to(const struct hf_redis_server *server)
{
    const struct timeval timeout = {10, 0};
    redisContext *connection = redisConnectUnixWithTimeout(server->socket_path, timeout);
    if (connection == NULL)
        die("redisConnectUnix");
    if (connection->err != 0) {
        redisFree(connection);
        return NULL;
    }
    redisSetTimeout(connection, timeout);
    if (server->password != NULL) {
        void *reply = redisCommand(connection, "AUTH %s", server->password);
        freeReplyObject(reply);
    }
    return connection;
}

/* Whether it answers; an error other than LOADING is an answer too. */
static bool is_answering(struct hf_redis_server *server)
{
    redisContext *connection = connect_to(server);
    if (connection == NULL)
        return false;
    redisReply *reply = redisCommand(connection, "PING");
    bool answers = reply != NULL && strncmp(reply->str, "LOADING", 7) != 0;
    freeReplyObject(reply);
    redisFree(connection);
    return answers;
}

static void wait_until_answering(struct hf_redis_server *server)
{
    const struct timespec pause = {0, 5000000};
    uint64_t end_ms = hf_test_now_ms() + HF_TEST_DEADLINE_MS;
    while (!is_answering(server)) {
        int status;
        if (waitpid(server->pid, &status, WNOHANG) == server->pid) {
            /* Another process has taken the port meanwhile? Then the whole test fails, loudly. */
            errno = 0;
            die("it has ended; see its redis.log");
        }
        if (hf_test_now_ms() > end_ms)
            die("it does not answer");
        nanosleep(&pause, NULL);
    }
}

struct hf_redis_server *hf_redis_server_prepare(const char *const *options)
{
    struct hf_redis_server *server = calloc(1, sizeof *server);
    if (server == NULL)
        die("calloc");
    snprintf(server->directory, sizeof server->directory, "/tmp/hf-redis-XXXXXX");
    if (mkdtemp(server->directory) == NULL)
        die("mkdtemp");
    server->port = free_port();
    snprintf(server->port_text, sizeof server->port_text, "%u", server->port);
    snprintf(server->socket_path, sizeof server->socket_path, "%s/redis.sock", server->directory);
    snprintf(server->unix_address, sizeof server->unix_address, "unix://%s", server->socket_path);
    snprintf(server->tcp_address, sizeof server->tcp_address, "127.0.0.1:%u", server->port);
    for (size_t i = 0; options != NULL && options[i] != NULL; i++) {
        if (i + 1 >= ARGUMENTS_MAX || (server->options[i] = strdup(options[i])) == NULL)
            die("options");
    }
    return server;
}

void hf_redis_server_launch_only(struct hf_redis_server *server)
{
    launch(server);
}

void hf_redis_server_launch(struct hf_redis_server *server)
{
    launch(server);
    wait_until_answering(server);
}

struct hf_redis_server *hf_redis_server_start(const char *const *options)
{
    struct hf_redis_server *server = hf_redis_server_prepare(options);
    hf_redis_server_launch(server);
    return server;
}

void hf_redis_server_kill(struct hf_redis_server *server)
{
    disconnect(server);
    if (server->pid == 0)
        return;
    kill(server->pid, SIGKILL);
    while (waitpid(server->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    server->pid = 0;
}

void hf_redis_server_restart(struct hf_redis_server *server)
{
    hf_redis_server_launch(server);
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

static int remove_inside(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    return walk->level == 0 ? 0 : remove_entry(path, info, kind, walk);
}

void hf_redis_server_wipe(struct hf_redis_server *server)
{
    if (nftw(server->directory, remove_inside, 8, FTW_DEPTH | FTW_PHYS) != 0)
        die("wipe");
}

void hf_redis_server_free(struct hf_redis_server *server)
{
    if (server == NULL)
        return;
    hf_redis_server_kill(server);
    nftw(server->directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    for (size_t i = 0; server->options[i] != NULL; i++)
        free(server->options[i]);
    free(server->password);
    free(server);
}

void hf_redis_server_stop(struct hf_redis_server *server)
{
    kill(server->pid, SIGSTOP);
}

void hf_redis_server_cont(struct hf_redis_server *server)
{
    kill(server->pid, SIGCONT);
}

const char *hf_redis_server_unix(const struct hf_redis_server *server)
{
    return server->unix_address;
}

const char *hf_redis_server_tcp(const struct hf_redis_server *server)
{
    return server->tcp_address;
}

uint16_t hf_redis_server_port(const struct hf_redis_server *server)
{
    return server->port;
}

void hf_redis_server_auth(struct hf_redis_server *server, const char *password)
{
    free(server->password);
    server->password = strdup(password);
    if (server->password == NULL)
        die("strdup");
    disconnect(server);
}

static redisReply *run(struct hf_redis_server *server, const char *format, va_list arguments)
{
    if (server->connection == NULL)
        server->connection = connect_to(server);
    if (server->connection == NULL)
        die("connect");
    redisReply *reply = redisvCommand(server->connection, format, arguments);
    if (reply == NULL)
        die(format);
    return reply;
}

redisReply *hf_redis_server_command(struct hf_redis_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = run(server, format, arguments);
    va_end(arguments);
    return reply;
}

redisContext *hf_redis_server_begin(struct hf_redis_server *server, const char *format, ...)
{
    va_list arguments;
    int is_sent = 0;
    redisContext *connection = connect_to(server);
    if (connection == NULL)
        die("connect");
    va_start(arguments, format);
    redisvAppendCommand(connection, format, arguments);
    va_end(arguments);
    while (!is_sent) {
        if (redisBufferWrite(connection, &is_sent) != REDIS_OK)
            die(format);
    }
    return connection;
}

redisReply *hf_redis_server_end(redisContext *connection)
{
    redisReply *reply = NULL;
    if (redisGetReply(connection, (void **)&reply) != REDIS_OK)
        die("a command that was begun was not answered");
    redisFree(connection);
    return reply;
}

void hf_redis_server_do(struct hf_redis_server *server, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    redisReply *reply = run(server, format, arguments);
    va_end(arguments);
    if (reply->type == REDIS_REPLY_ERROR) {
        fprintf(stderr, "redis-server fixture: %s: %s\n", format, reply->str);
        abort();
    }
    freeReplyObject(reply);
}
