#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "fleet_internal.h"

#define EVENTS_MAX 512

static void die(const char *what)
{
    fprintf(stderr, "holdfast-bench: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static void *must(void *memory)
{
    if (memory == NULL) {
        die("memory");
    }
    return memory;
}

void hf_fleet_fail(struct hf_fleet *fleet, const struct hf_client *client, const char *format, ...)
{
    int len = 0;
    va_list arguments;
    if (atomic_exchange(&fleet->has_failed, true)) {
        return;
    }
    if (client != NULL) {
        len = snprintf(fleet->failure, sizeof fleet->failure, "client %u: ", client->number);
    }
    va_start(arguments, format);
    vsnprintf(fleet->failure + len, sizeof fleet->failure - (size_t)len, format, arguments);
    va_end(arguments);
    atomic_store(&fleet->is_failure_told, true);
}

const char *hf_fleet_failure(const struct hf_fleet *fleet)
{
    return atomic_load(&fleet->is_failure_told) ? fleet->failure : NULL;
}

/* --- a member's thread -------------------------------------------------------------------------
 */

static void reset(struct hf_member *member)
{
    memset(&member->delivery, 0, sizeof member->delivery);
    memset(&member->connecting, 0, sizeof member->connecting);
    atomic_store(&member->recovered, 0);
    atomic_store(&member->publications, 0);
    atomic_store(&member->messages, 0);
    atomic_store(&member->reads, 0);
    atomic_store(&member->pings, 0);
    atomic_store(&member->last_ready_ns, 0);
    atomic_store(&member->last_publication_ns, 0);
}

static void cut(struct hf_member *member)
{
    for (uint32_t i = 0; i < member->count; i++) {
        hf_client_cut(member, &member->fleet->clients[member->first + i]);
    }
    member->next = member->count;
    member->opening = 0;
}

/* Returns whether there is more to do. */
static bool take_order(struct hf_member *member)
{
    uint64_t count;
    if (read(member->order_fd, &count, sizeof count) != (ssize_t)sizeof count) {
        return true;
    }
    enum hf_fleet_order order = member->fleet->order;
    if (order == HF_FLEET_OPEN) {
        member->next = 0;
    } else if (order == HF_FLEET_RESET) {
        reset(member);
    } else {
        cut(member);
    }
    atomic_fetch_add(&member->fleet->taken, 1);
    return order != HF_FLEET_END;
}

static void open_more(struct hf_member *member)
{
    uint32_t most = member->fleet->config.opening_max / member->fleet->config.threads;
    while (member->next < member->count && member->opening < (most > 0 ? most : 1)) {
        hf_client_open(member, &member->fleet->clients[member->first + member->next++]);
    }
}

static void *run(void *argument)
{
    struct hf_member *member = argument;
    struct epoll_event events[EVENTS_MAX];
    bool goes_on = true;
    while (goes_on) {
        bool has_failed = atomic_load_explicit(&member->fleet->has_failed, memory_order_relaxed);
        if (!has_failed) {
            open_more(member);
        }
        int count = epoll_wait(member->epoll_fd, events, EVENTS_MAX, has_failed ? 10 : -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL) {
                goes_on = take_order(member);
                break; /* what else there is may be of clients that are closed now; it comes again
                        */
            }
            if (!atomic_load_explicit(&member->fleet->has_failed, memory_order_relaxed)) {
                hf_client_on_event(member, events[i].data.ptr);
            }
        }
    }
    return NULL;
}

/* --- orders ------------------------------------------------------------------------------------
 */

static void give_order(struct hf_fleet *fleet, enum hf_fleet_order order)
{
    const uint64_t one = 1;
    fleet->order = order;
    atomic_store(&fleet->taken, 0);
    for (uint32_t i = 0; i < fleet->config.threads; i++) {
        if (write(fleet->members[i].order_fd, &one, sizeof one) != (ssize_t)sizeof one) {
            die("eventfd");
        }
    }
    while (atomic_load(&fleet->taken) < fleet->config.threads) {
        hf_sleep_us(50);
    }
}

void hf_fleet_open(struct hf_fleet *fleet, const struct sockaddr_in *address)
{
    fleet->address = *address;
    give_order(fleet, HF_FLEET_OPEN);
}

void hf_fleet_cut(struct hf_fleet *fleet)
{
    give_order(fleet, HF_FLEET_CUT);
}

void hf_fleet_reset(struct hf_fleet *fleet)
{
    give_order(fleet, HF_FLEET_RESET);
}

/* --- figures -----------------------------------------------------------------------------------
 */

static uint64_t later(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void hf_fleet_read(const struct hf_fleet *fleet, struct hf_fleet_counters *counters)
{
    *counters = (struct hf_fleet_counters){0};
    for (uint32_t i = 0; i < fleet->config.threads; i++) {
        const struct hf_member *member = &fleet->members[i];
        counters->ready += atomic_load(&member->ready);
        counters->recovered += atomic_load(&member->recovered);
        counters->publications += atomic_load(&member->publications);
        counters->messages += atomic_load(&member->messages);
        counters->reads += atomic_load(&member->reads);
        counters->pings += atomic_load(&member->pings);
        counters->last_ready_ns =
            later(counters->last_ready_ns, atomic_load(&member->last_ready_ns));
        counters->last_publication_ns =
            later(counters->last_publication_ns, atomic_load(&member->last_publication_ns));
    }
}

uint64_t hf_fleet_publications(const struct hf_fleet *fleet)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < fleet->config.threads; i++) {
        sum += atomic_load_explicit(&fleet->members[i].publications, memory_order_acquire);
    }
    return sum;
}

uint64_t hf_fleet_offsets(const struct hf_fleet *fleet)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < fleet->config.clients; i++) {
        sum += fleet->clients[i].position.offset;
    }
    return sum;
}

void hf_fleet_latency(const struct hf_fleet *fleet, struct hf_histogram *delivery,
                      struct hf_histogram *connecting)
{
    for (uint32_t i = 0; i < fleet->config.threads; i++) {
        hf_histogram_merge(delivery, &fleet->members[i].delivery);
        hf_histogram_merge(connecting, &fleet->members[i].connecting);
    }
}

/* --- making ------------------------------------------------------------------------------------
 */

static void open_member(struct hf_fleet *fleet, uint32_t index)
{
    struct hf_member *member = &fleet->members[index];
    const struct hf_fleet_config *config = &fleet->config;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    member->fleet = fleet;
    member->first = (uint32_t)((uint64_t)config->clients * index / config->threads);
    member->count =
        (uint32_t)((uint64_t)config->clients * (index + 1) / config->threads) - member->first;
    member->next = member->count;
    member->scratch = must(malloc(HF_FLEET_SCRATCH_SIZE));
    member->memo = must(calloc(HF_MEMO_SLOTS, sizeof *member->memo));
    member->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    member->order_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (member->epoll_fd < 0 || member->order_fd < 0 ||
        epoll_ctl(member->epoll_fd, EPOLL_CTL_ADD, member->order_fd, &event) != 0) {
        die("epoll");
    }
    errno = pthread_create(&member->thread, NULL, run, member);
    if (errno != 0) {
        die("thread");
    }
}

static void raise_descriptor_limit(uint32_t clients)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        die("getrlimit");
    }
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < clients + 64) {
        fprintf(stderr,
                "holdfast-bench: %u clients need more than the %llu descriptors that a "
                "process may have (ulimit -Hn)\n",
                clients, (unsigned long long)limit.rlim_cur);
        exit(EXIT_FAILURE);
    }
}

struct hf_fleet *hf_fleet_new(const struct hf_fleet_config *config)
{
    raise_descriptor_limit(config->clients);
    struct hf_fleet *fleet = must(calloc(1, sizeof *fleet));
    size_t publishers = config->publishers > 0 ? config->publishers : 1;
    fleet->config = *config;
    fleet->clients = must(calloc(config->clients, sizeof *fleet->clients));
    fleet->sequences = must(calloc(config->clients * publishers, sizeof *fleet->sequences));
    fleet->members = must(calloc(config->threads, sizeof *fleet->members));
    for (uint32_t i = 0; i < config->clients; i++) {
        fleet->clients[i] = (struct hf_client){
            .fd = -1,
            .number = i,
            .channel = config->channels > 0 ? i % config->channels : 0,
            .sequences = fleet->sequences + i * publishers,
        };
    }
    for (uint32_t i = 0; i < config->threads; i++) {
        open_member(fleet, i);
    }
    return fleet;
}

static void close_member(struct hf_member *member)
{
    pthread_join(member->thread, NULL);
    close(member->epoll_fd);
    close(member->order_fd);
    for (size_t i = 0; i < HF_MEMO_SLOTS; i++) {
        free(member->memo[i].message);
    }
    free(member->memo);
    free(member->scratch);
    hf_buffer_fini(&member->command);
    hf_buffer_fini(&member->frame);
}

void hf_fleet_free(struct hf_fleet *fleet)
{
    if (fleet == NULL) {
        return;
    }
    give_order(fleet, HF_FLEET_END);
    for (uint32_t i = 0; i < fleet->config.threads; i++) {
        close_member(&fleet->members[i]);
    }
    free(fleet->members);
    free(fleet->sequences);
    free(fleet->clients);
    free(fleet);
}
