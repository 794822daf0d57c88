#include "worker.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/registry.h"
#include "api/survey.h"
#include "client/hub.h"
#include "client/member.h"
#include "client/user_command.h"
#include "net/admission.h"
#include "net/emulation.h"
#include "net/http.h"
#include "net/listener.h"

/* --- doubles of engine, hub and registry: they write down what is asked of them -----------------
 */

struct hf_port {
    int fd;
};

struct hf_hub {
    int unused;
};

struct hf_registry {
    int unused;
};

struct hf_surveys {
    int unused;
};

enum { JOURNAL_MAX = 4096 };

static struct {
    pthread_mutex_t lock;
    char journal[JOURNAL_MAX]; /* one letter for each call, see note() */
    size_t len;
    struct hf_port port;
    struct hf_hub hub;
    struct hf_registry registry;
    struct hf_surveys surveys;
    bool port_fails;
    struct hf_port_callbacks callbacks;
} doubles = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void note(char what)
{
    pthread_mutex_lock(&doubles.lock);
    if (doubles.len < JOURNAL_MAX - 1) {
        doubles.journal[doubles.len++] = what;
        doubles.journal[doubles.len] = '\0';
    }
    pthread_mutex_unlock(&doubles.lock);
}

static bool journal_has(const char *what)
{
    pthread_mutex_lock(&doubles.lock);
    bool has = strstr(doubles.journal, what) != NULL;
    pthread_mutex_unlock(&doubles.lock);
    return has;
}

struct hf_port *hf_port_open(struct hf_engine *engine, const struct hf_port_callbacks *callbacks)
{
    (void)engine;
    if (doubles.port_fails) {
        return NULL;
    }
    doubles.callbacks = *callbacks;
    doubles.port.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return &doubles.port;
}

void hf_port_close(struct hf_port *port)
{
    note('P');
    close(port->fd);
}

int hf_port_fd(const struct hf_port *port)
{
    return port->fd;
}

void hf_port_dispatch(struct hf_port *port)
{
    uint64_t count;
    assert_int_equal(read(port->fd, &count, sizeof(count)), sizeof(count));
    note('d');
}

void hf_port_flush(struct hf_port *port)
{
    (void)port;
    note('f');
}

struct hf_hub *hf_hub_open(struct hf_worker *worker)
{
    assert_non_null(worker->wheel);
    return &doubles.hub;
}

void hf_hub_close(struct hf_hub *hub)
{
    (void)hub;
    note('H');
}

void hf_hub_flush(struct hf_hub *hub)
{
    (void)hub;
    note('h');
}

void hf_hub_on_publication(void *watch_context, struct hf_publication *publication)
{
    (void)watch_context;
    (void)publication;
}

void hf_hub_on_lost(void *watch_context, int reason)
{
    (void)watch_context;
    (void)reason;
}

void hf_members_refresh(struct hf_worker *worker, uint64_t now_ms)
{
    (void)worker;
    (void)now_ms;
}

void hf_member_on_join(void *watch_context, struct hf_bytes info)
{
    (void)watch_context;
    (void)info;
}

void hf_member_on_leave(void *watch_context, struct hf_bytes info)
{
    (void)watch_context;
    (void)info;
}

struct hf_registry *hf_registry_open(struct hf_worker *worker)
{
    (void)worker;
    return &doubles.registry;
}

void hf_registry_close(struct hf_registry *registry)
{
    (void)registry;
    note('R');
}

void hf_registry_tick(struct hf_registry *registry, uint64_t now_ms)
{
    (void)registry;
    assert_true(now_ms > 0);
    note('t');
}

void hf_registry_leave(struct hf_registry *registry)
{
    (void)registry;
    note('l');
}

void hf_registry_on_bus(void *port_context, struct hf_bytes message)
{
    (void)port_context;
    (void)message;
    note('r');
}

struct hf_surveys *hf_surveys_open(struct hf_worker *worker)
{
    (void)worker;
    return &doubles.surveys;
}

void hf_surveys_close(struct hf_surveys *surveys)
{
    (void)surveys;
    note('S');
}

void hf_surveys_tick(struct hf_surveys *surveys, uint64_t now_ms)
{
    (void)surveys;
    (void)now_ms;
}

bool hf_survey_take(struct hf_worker *worker, struct hf_bytes message)
{
    (void)worker;
    note('s');
    return message.data[0] == 's';
}

bool hf_user_command_take(struct hf_worker *worker, struct hf_bytes message)
{
    (void)worker;
    note('u');
    return message.data[0] == 'u';
}

struct hf_emulation *hf_emulation_open(void)
{
    return malloc(1);
}

void hf_emulation_close(struct hf_emulation *emulation)
{
    free(emulation);
}

bool hf_emulation_take(struct hf_worker *worker, struct hf_bytes message)
{
    (void)worker;
    if (message.len > 1) {
        note('b'); /* too large for a letter: only counted */
        return true;
    }
    note(message.data[0]);
    return message.data[0] != '?';
}

/* --- the worker under test ----------------------------------------------------------------------
 */

enum { INBOX_MAX = 1024 * 1024 };

struct worker_test {
    struct hf_config config;
    struct hf_admission admission;
    struct hf_worker *worker;
    uint16_t port;
    int report_fd;
};

static void handle_hello(struct hf_http_request *request)
{
    hf_http_respond(request, 200, "text/plain", NULL, "hello", 5);
}

static const struct hf_http_route routes[] = {{"/hello", handle_hello}};

static int start(struct worker_test *test)
{
    memset(test, 0, sizeof(*test));
    doubles.len = 0;
    doubles.journal[0] = '\0';
    static char nothing[] = "";
    test->config.client.token = (struct hf_config_token){.hmac_secret_key = nothing,
                                                         .hmac_previous_secret_key = nothing,
                                                         .rsa_public_key = nothing,
                                                         .ecdsa_public_key = nothing,
                                                         .jwks_public_endpoint = nothing,
                                                         .audience = nothing,
                                                         .issuer = nothing,
                                                         .user_id_claim = nothing};
    test->config.holdfast.inbox_max_bytes = INBOX_MAX;
    test->config.holdfast.http_body_max_bytes = 4096;
    test->config.holdfast.http_header_max_bytes = 4096;
    test->config.holdfast.http_timeout_ms = 5000;
    test->config.holdfast.http_idle_timeout_ms = 5000;
    hf_admission_init(&test->admission, 0, 0);
    test->report_fd = eventfd(0, EFD_CLOEXEC);
    char reason[128];
    int fd;
    assert_int_equal(hf_listener_bind("127.0.0.1", &test->port, &fd, 1, reason, sizeof(reason)), 0);
    const struct hf_worker_options options = {
        .config = &test->config,
        .listener_fd = fd,
        .report_fd = test->report_fd,
        .routes = routes,
        .route_count = 1,
        .admission = &test->admission,
    };
    return hf_worker_start(&options, &test->worker);
}

static void stop(struct worker_test *test)
{
    hf_worker_stop(test->worker);
    hf_worker_join(test->worker);
    hf_worker_free(test->worker);
    close(test->report_fd);
}

static int dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Reads until the end of stream or `wanted`. */
static bool receives(int fd, const char *wanted)
{
    char data[2048];
    size_t len = 0;
    while (len < sizeof(data) - 1) {
        ssize_t got = recv(fd, data + len, sizeof(data) - 1 - len, 0);
        if (got <= 0) {
            return false;
        }
        len += (size_t)got;
        data[len] = '\0';
        if (strstr(data, wanted) != NULL) {
            return true;
        }
    }
    return false;
}

static bool waits_for(const char *journal)
{
    for (int i = 0; i < 5000; i++) {
        if (journal_has(journal)) {
            return true;
        }
        poll(NULL, 0, 2);
    }
    return false;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void a_started_worker_serves_and_hands_its_requests_over_every_turn(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    int fd = dial(test.port);
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(receives(fd, "\r\n\r\nhello"));
    assert_int_equal(hf_counter_read(&test.worker->counters.connections), 1);
    assert_true(waits_for("f"));
    assert_true(waits_for("t")); /* the registry's timer */
    close(fd);
    stop(&test);
}

static void what_the_engine_sends_is_dispatched_then_the_hub_flushed_then_the_port(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    uint64_t one = 1;
    assert_int_equal(write(doubles.port.fd, &one, sizeof(one)), sizeof(one));
    assert_true(waits_for("dhf"));
    stop(&test);
}

static void what_another_thread_tells_is_taken_in_order_on_the_workers_thread(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    assert_true(hf_worker_tell(test.worker, (struct hf_bytes){"1", 1}));
    assert_true(hf_worker_tell(test.worker, (struct hf_bytes){"2", 1}));
    assert_true(hf_worker_tell(test.worker, (struct hf_bytes){"3", 1}));
    assert_true(waits_for("1"));
    assert_true(waits_for("2"));
    assert_true(waits_for("3"));
    pthread_mutex_lock(&doubles.lock);
    const char *one = strchr(doubles.journal, '1');
    const char *two = strchr(doubles.journal, '2');
    const char *three = strchr(doubles.journal, '3');
    pthread_mutex_unlock(&doubles.lock);
    assert_true(one < two && two < three);
    stop(&test);
}

static void an_inbox_that_is_full_takes_no_more_and_is_freed_with_the_worker(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    char *large = calloc(1, INBOX_MAX + 1);
    assert_non_null(large);
    assert_false(hf_worker_tell(test.worker, (struct hf_bytes){large, INBOX_MAX + 1}));
    assert_true(hf_worker_tell(test.worker, (struct hf_bytes){large, INBOX_MAX}));
    assert_true(waits_for("b"));
    hf_worker_stop(test.worker);
    hf_worker_join(test.worker);
    assert_true(hf_worker_tell(test.worker, (struct hf_bytes){large, INBOX_MAX}));
    assert_false(hf_worker_tell(test.worker, (struct hf_bytes){large, 1}));
    hf_worker_free(test.worker);
    close(test.report_fd);
    free(large);
}

static void an_end_closes_sessions_then_the_port_then_hub_and_registry(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    int fd = dial(test.port);
    say(fd, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(receives(fd, "hello"));
    stop(&test);
    assert_true(journal_has("PShHR"));
    assert_false(receives(fd, "anything")); /* closed */
    close(fd);
}

static void draining_answers_probes_and_reports_when_the_last_client_has_left(void **state)
{
    (void)state;
    struct worker_test test;
    assert_int_equal(start(&test), HF_OK);
    int idle = dial(test.port);
    int half = dial(test.port);
    say(idle, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(receives(idle, "hello"));
    say(half, "GET /hello HTTP/1.1\r\nHost: a\r\n");
    while (hf_counter_read(&test.worker->counters.bytes_in) < 60) {
        poll(NULL, 0, 1);
    }
    hf_worker_drain(test.worker);
    assert_false(receives(idle, "anything")); /* the idle one is closed */
    close(idle);
    int probe = dial(test.port); /* a probe is told, and does not keep the worker */
    say(probe, "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(receives(probe, "Connection: close"));
    int lingering_probe = dial(test.port);
    assert_false(hf_worker_is_drained(test.worker));
    say(half, "\r\n");
    assert_true(receives(half, "hello")); /* the other one is answered first */
    close(half);
    uint64_t count;
    assert_int_equal(read(test.report_fd, &count, sizeof(count)), sizeof(count));
    assert_true(hf_worker_is_drained(test.worker));
    assert_true(journal_has("l"));
    close(probe);
    close(lingering_probe);
    stop(&test);
}

static void a_worker_without_a_port_does_not_start(void **state)
{
    (void)state;
    struct worker_test test;
    doubles.port_fails = true;
    assert_int_equal(start(&test), HF_ENOMEM);
    doubles.port_fails = false;
    assert_int_equal(dial(test.port), -1); /* its listener is closed */
    close(test.report_fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_started_worker_serves_and_hands_its_requests_over_every_turn),
        cmocka_unit_test(what_the_engine_sends_is_dispatched_then_the_hub_flushed_then_the_port),
        cmocka_unit_test(what_another_thread_tells_is_taken_in_order_on_the_workers_thread),
        cmocka_unit_test(an_inbox_that_is_full_takes_no_more_and_is_freed_with_the_worker),
        cmocka_unit_test(an_end_closes_sessions_then_the_port_then_hub_and_registry),
        cmocka_unit_test(draining_answers_probes_and_reports_when_the_last_client_has_left),
        cmocka_unit_test(a_worker_without_a_port_does_not_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
