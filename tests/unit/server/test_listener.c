#include "net/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/resource.h>

#include "connection_fixture.h"

struct listener_test {
    struct loop_fixture fixture;
    unsigned opened;
};

static struct listener_test test;

static void on_open(struct hf_connection *connection)
{
    (void)connection;
    test.opened++;
}

static size_t on_input(struct hf_connection *connection, char *data, size_t len)
{
    (void)connection;
    (void)data;
    return len;
}

static void on_closed(struct hf_connection *connection, unsigned code)
{
    (void)connection;
    (void)code;
}

static const struct hf_connection_driver driver = {
    .name = "silent", .on_open = on_open, .on_input = on_input, .on_closed = on_closed};

static int set_up(void **state)
{
    (void)state;
    memset(&test, 0, sizeof(test));
    loop_fixture_open(&test.fixture, &driver);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_fixture_close(&test.fixture);
    return 0;
}

/* Starts connecting to the loopback address of `family`. Returns the descriptor. */
static int connect_to(int family, uint16_t port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in v4 = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = in6addr_loopback};
    int result = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof(v4))
                                   : connect(fd, (struct sockaddr *)&v6, sizeof(v6));
    assert_true(result == 0 || errno == EINPROGRESS);
    return fd;
}

static void port_0_gives_all_sockets_one_free_port(void **state)
{
    (void)state;
    char reason[128];
    uint16_t port = 0;
    int fds[3];
    assert_int_equal(hf_listener_bind("127.0.0.1", &port, fds, 3, reason, sizeof(reason)), 0);
    assert_true(port != 0);
    for (int i = 0; i < 3; i++) {
        struct sockaddr_in address;
        socklen_t len = sizeof(address);
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&address, &len), 0);
        assert_int_equal(ntohs(address.sin_port), port);
        close(fds[i]);
    }
}

static void a_port_that_is_taken_is_a_failure_with_a_reason(void **state)
{
    (void)state;
    char reason[128] = "";
    uint16_t port = 0;
    int fds[1];
    int more[1];
    assert_int_equal(hf_listener_bind("127.0.0.1", &port, fds, 1, reason, sizeof(reason)), 0);
    assert_int_equal(hf_listener_bind("127.0.0.1", &port, more, 1, reason, sizeof(reason)), -1);
    assert_non_null(strstr(reason, "Address already in use"));
    close(fds[0]);
    assert_int_equal(
        hf_listener_bind("no.such.name.invalid", &port, more, 1, reason, sizeof(reason)), -1);
    assert_non_null(strstr(reason, "no.such.name.invalid"));
}

static void an_empty_address_takes_ipv4_and_ipv6(void **state)
{
    (void)state;
    char reason[128];
    uint16_t port = 0;
    int fd;
    assert_int_equal(hf_listener_bind("", &port, &fd, 1, reason, sizeof(reason)), 0);
    struct sockaddr_storage address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    bool has_v6 = address.ss_family == AF_INET6; /* not in a container without IPv6 */
    struct hf_listener *listener = hf_listener_open(&test.fixture.worker, fd, HF_ENTRANCE_CLIENTS);
    assert_non_null(listener);
    int v4 = connect_to(AF_INET, port);
    LOOP_UNTIL(&test.fixture, NULL, test.opened == 1);
    close(v4);
    if (has_v6) {
        int v6 = connect_to(AF_INET6, port);
        LOOP_UNTIL(&test.fixture, NULL, test.opened == 2);
        close(v6);
    }
    hf_listener_close(listener);
}

static void a_storm_of_connections_is_accepted_over_several_turns(void **state)
{
    (void)state;
    enum { STORM = 300 };
    char reason[128];
    uint16_t port = 0;
    int fd;
    assert_int_equal(hf_listener_bind("127.0.0.1", &port, &fd, 1, reason, sizeof(reason)), 0);
    int clients[STORM];
    for (int i = 0; i < STORM; i++) {
        clients[i] = connect_to(AF_INET, port);
    }
    struct hf_listener *listener = hf_listener_open(&test.fixture.worker, fd, HF_ENTRANCE_CLIENTS);
    assert_non_null(listener);
    while (test.opened == 0) {
        loop_turns(&test.fixture, 1);
    }
    assert_true(test.opened < STORM);
    LOOP_UNTIL(&test.fixture, NULL, test.opened == STORM);
    for (int i = 0; i < STORM; i++) {
        close(clients[i]);
    }
    LOOP_UNTIL(&test.fixture, NULL,
               hf_counter_read(&test.fixture.worker.counters.connections) == 0);
    hf_listener_close(listener);
}

/* Takes every descriptor that is left. Returns how many. */
static int use_up_descriptors(int *fds, int most)
{
    int count = 0;
    while (count < most && (fds[count] = dup(0)) >= 0) {
        count++;
    }
    assert_int_equal(errno, EMFILE);
    return count;
}

static void without_descriptors_it_pauses_and_goes_on_when_there_are_some(void **state)
{
    (void)state;
    char reason[128];
    uint16_t port = 0;
    int fd;
    assert_int_equal(hf_listener_bind("127.0.0.1", &port, &fd, 1, reason, sizeof(reason)), 0);
    struct hf_listener *listener = hf_listener_open(&test.fixture.worker, fd, HF_ENTRANCE_CLIENTS);
    assert_non_null(listener);
    struct rlimit old;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    int client = connect_to(AF_INET, port);
    int fds[64];
    int used = use_up_descriptors(fds, 64);
    /* A loop that spins would turn far more often than the heartbeat and the pauses do. */
    loop_set_heartbeat(&test.fixture, 50000);
    uint64_t until_ms = loop_now_ms() + 500;
    int turns = 0;
    while (loop_now_ms() < until_ms) {
        loop_turns(&test.fixture, 1);
        turns++;
    }
    assert_int_equal(test.opened, 0);
    assert_true(turns < 60);
    while (used > 0) {
        close(fds[--used]);
    }
    LOOP_UNTIL(&test.fixture, NULL, test.opened == 1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    close(client);
    hf_listener_close(listener);
}

#define CASE(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(port_0_gives_all_sockets_one_free_port),
        CASE(a_port_that_is_taken_is_a_failure_with_a_reason),
        CASE(an_empty_address_takes_ipv4_and_ipv6),
        CASE(a_storm_of_connections_is_accepted_over_several_turns),
        CASE(without_descriptors_it_pauses_and_goes_on_when_there_are_some),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
