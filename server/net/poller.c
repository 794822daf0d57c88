#include "net/poller.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum {
    EVENTS_MAX = 512, /* of one wait; the next one brings the others */
    US_PER_MS = 1000,
};

struct hf_poller {
    int fd;
    bool has_no_pwait2; /* Linux before 5.11 */
    struct epoll_event events[EVENTS_MAX];
};

struct hf_poller *hf_poller_open(void)
{
    struct hf_poller *poller = malloc(sizeof(*poller));
    if (poller == NULL) {
        return NULL;
    }
    poller->has_no_pwait2 = false;
    poller->fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->fd < 0) {
        free(poller);
        return NULL;
    }
    return poller;
}

void hf_poller_close(struct hf_poller *poller)
{
    if (poller != NULL) {
        close(poller->fd);
        free(poller);
    }
}

int hf_poller_set(struct hf_poller *poller, struct hf_poll_source *source, enum hf_poll_mode mode)
{
    static const uint32_t wanted[] = {
        [HF_POLL_LEVEL] = EPOLLIN,
        [HF_POLL_EDGE] = EPOLLIN | EPOLLRDHUP | EPOLLET,
        [HF_POLL_EDGE_WRITE] = EPOLLIN | EPOLLRDHUP | EPOLLOUT | EPOLLET,
    };
    struct epoll_event event = {.data.ptr = source};
    int how = mode == HF_POLL_NONE           ? EPOLL_CTL_DEL
              : source->mode == HF_POLL_NONE ? EPOLL_CTL_ADD
                                             : EPOLL_CTL_MOD;
    if (mode == source->mode) {
        return 0;
    }
    if (mode != HF_POLL_NONE) {
        event.events = wanted[mode];
    }
    if (epoll_ctl(poller->fd, how, source->fd, &event) != 0) {
        return -1;
    }
    source->mode = mode;
    return 0;
}

static int wait_for_events(struct hf_poller *poller, int64_t timeout_us)
{
    if (timeout_us % US_PER_MS != 0 && timeout_us < HF_POLL_FOREVER && !poller->has_no_pwait2) {
        const struct timespec timeout = {.tv_sec = timeout_us / 1000000,
                                         .tv_nsec = timeout_us % 1000000 * 1000};
        int count = epoll_pwait2(poller->fd, poller->events, EVENTS_MAX, &timeout, NULL);
        if (count >= 0 || errno != ENOSYS) {
            return count;
        }
        poller->has_no_pwait2 = true;
    }
    int64_t timeout_ms = timeout_us / US_PER_MS + (timeout_us % US_PER_MS != 0);
    return epoll_wait(poller->fd, poller->events, EVENTS_MAX,
                      timeout_us == HF_POLL_FOREVER ? -1
                      : timeout_ms > INT_MAX        ? INT_MAX
                                                    : (int)timeout_ms);
}

static unsigned meaning_of(uint32_t events)
{
    const uint32_t broken = EPOLLHUP | EPOLLERR; /* both directions then say what it is */
    return ((events & (EPOLLIN | EPOLLRDHUP | broken)) != 0 ? HF_POLL_READ : 0U) |
           ((events & (EPOLLOUT | broken)) != 0 ? HF_POLL_WRITE : 0U) |
           ((events & (EPOLLRDHUP | broken)) != 0 ? HF_POLL_END : 0U);
}

void hf_poller_wait(struct hf_poller *poller, int64_t timeout_us)
{
    int count = wait_for_events(poller, timeout_us);
    for (int i = 0; i < count; i++) {
        struct hf_poll_source *source = poller->events[i].data.ptr;
        if (source->mode != HF_POLL_NONE) {
            source->on_ready(source, meaning_of(poller->events[i].events));
        }
    }
}
